#include "bulwarkd/hosted_node.hpp"

#include "bulwarkd/log.hpp"
#include "bulwarkd/tls.hpp"
#include "report/events.hpp"

#include <caf/io/middleman.hpp>

namespace bulwarkd {

namespace {

namespace compat = bulwark::compat;

std::string text_of(const std::string& host, std::uint16_t port) {
  return host.find(':') == host.npos ? fmt::format("{}:{}", host, port)
                                     : fmt::format("[{}]:{}", host, port);
}

using transition_listener = std::function<void(const bulwark::circuit_event&)>;

// Of breakers only: the registry would have every guard tell it every rejection.
caf::behavior transition_watcher(caf::event_based_actor* self,
                                 const transition_listener& listener) {
  return {[listener](const bulwark::circuit_event& event) { listener(event); },
          [self](bulwark::attach_atom, const caf::actor& circuit_breaker) {
            compat::request(self, circuit_breaker, bulwark::subscribe_atom_v)
                .then([] {}, [](const caf::error&) {});
          }};
}

} // namespace

hosted_node::hosted_node(caf::actor_system& system, configuration told, const target_table& targets,
                         transition_listener on_transition)
    : told_(std::move(told)),
      targets_(targets),
      node_(system, told_.name),
      transport_(told_.tls ? tls_transport(system) : caf::actor{}),
      watcher_(system.spawn<caf::detached>(transition_watcher, std::move(on_transition))),
      parts_(node_) {
  for (const auto& each : told_.peers)
    peer(parse_remote(each).value());
  make_parts(told_);
  for (const auto& [name, settings] : told_.guards)
    make_guard(name, settings);
  open_port();
}

hosted_node::~hosted_node() {
  node_.shut_down();
  for (const auto& [name, each] : guards_)
    caf::anon_send_exit(each.target, caf::exit_reason::kill);
  // Whom it tells may be gone after us.
  caf::scoped_actor self{node_.system()};
  self->send_exit(watcher_, caf::exit_reason::kill);
  self->wait_for(watcher_);
}

bulwark::remote_node& hosted_node::peer(const remote_address& address) {
  const auto name = text_of(address.host, address.port);
  const auto on_change = [name, was = false](bool connected, const caf::error& why) mutable {
    if (connected)
      log_info("peer {}: connected", name);
    else if (was)
      log_warning("peer {}: lost: {}", name, to_string(why));
    else
      log_warning("peer {}: can't be reached, is dialled again and again: {}", name,
                  to_string(why));
    was = connected;
  };
  auto found = peers_.find(name);
  if (found == peers_.end())
    found = peers_
                .emplace(name, bulwark::connect(node_, address.host, address.port,
                                                {.transport = transport_, .on_change = on_change}))
                .first;
  return found->second;
}

void hosted_node::make_parts(const configuration& told) {
  parts_.make(told, [this](const caf::actor& circuit_breaker) { watch(circuit_breaker); });
}

void hosted_node::watch(const caf::actor& circuit_breaker) {
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(watcher_), bulwark::attach_atom_v,
               circuit_breaker);
}

bulwark::timespan hosted_node::web_patience(const hosted_guard_settings& settings) {
  return settings.attempt_timeout.value_or(settings.deadline.value_or(std::chrono::minutes{1}));
}

bulwark::guard_policy hosted_node::policy_of(const hosted_guard_settings& settings) {
  auto policy = own_policy(settings);
  parts_.put_into(policy, settings);
  const auto when_lost = settings.on_owner_lost.value_or(bulwark::owner_lost::local);
  if (const auto address = remote_part(settings.circuit_breaker)) {
    auto part = peer(*address).circuit_breaker(address->name, when_lost);
    watch(part);
    policy.breaker = std::move(part);
  }
  if (const auto address = remote_part(settings.bulkhead))
    policy.bulkhead = peer(*address).bulkhead(address->name, when_lost);
  return policy;
}

// Invalid where it is another node's.
caf::actor hosted_node::make_target(const hosted_guard_settings& settings) {
  if (const auto local = targets_.find(settings.target); local != targets_.end())
    return local->second(node_.system());
  if (!is_web(settings.target))
    return {};
  // As many sockets as a guard may want; its own bulkhead is what bounds them.
  const auto sockets = node_.bulkhead(settings.target, {.max_workers = 64, .queue_size = 100'000});
  return spawn_web(node_.system(), settings.target, sockets, web_patience(settings));
}

void hosted_node::make_guard(const std::string& name, const hosted_guard_settings& settings) {
  const auto policy = policy_of(settings);
  hosted_guard made{.guard = {}, .target = make_target(settings)};
  if (made.target) {
    made.guard = node_.guard(name, made.target, policy);
  } else {
    const auto address = parse_remote(settings.target).value();
    made.guard = peer(address).guard(address.name, policy, name);
  }
  guards_[name] = std::move(made);
  if (const auto* own = std::get_if<bulwark::circuit_breaker_policy>(&policy.breaker))
    watch(node_.directory()->circuit_breaker(name, *own, false));
}

void hosted_node::open_port() {
  const auto& at = told_.listen;
  const auto port = bulwark::publish(node_, at.port, at.address, transport_);
  log_info("listening on {}{}, {} guard{}", text_of(at.address, port), told_.tls ? " with TLS" : "",
           told_.guards.size(), told_.guards.size() == 1 ? "" : "s");
}

bool hosted_node::drain() {
  const auto finished = node_.drain(told_.drain_timeout);
  // CAF's broker has the answers in its mailbox. What comes after them, and is answered by itself,
  // shows that they have gone to the sockets, which CAF empties before it ends.
  caf::scoped_actor self{node_.system()};
  const auto middleman = caf::actor_cast<caf::actor>(node_.system().middleman().actor_handle());
  compat::request_within(self, middleman, std::chrono::seconds{5}, caf::get_atom_v,
                         node_.system().node())
      .receive([](const caf::node_id&, const std::string&, std::uint16_t) {},
               [](const caf::error&) {});
  return finished;
}

} // namespace bulwarkd
