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

// Of breakers only: the registry would have every guard tell it every rejection.
caf::behavior transition_log(caf::event_based_actor* self,
                             const std::vector<caf::actor>& circuit_breakers) {
  for (const auto& each : circuit_breakers)
    compat::request(self, each, bulwark::subscribe_atom_v).then([] {}, [](const caf::error&) {});
  return {[](const bulwark::circuit_event& event) {
    using bulwark::circuit_state;
    if (event.to == circuit_state::open || event.to == circuit_state::forced_open)
      log_warning("circuit breaker {}: {}", event.name, apps::to_text(event));
    else
      log_info("circuit breaker {}: {}", event.name, apps::to_text(event));
  }};
}

} // namespace

hosted_node::hosted_node(caf::actor_system& system, const configuration& told,
                         const target_table& targets)
    : told_(told),
      node_(system, told.name),
      transport_(told.tls ? tls_transport(system) : caf::actor{}) {
  for (const auto& each : told_.peers)
    peer(parse_remote(each).value());
  make_parts();
  for (const auto& [name, settings] : told_.guards)
    make_guard(name, settings, targets);
  actors_.push_back(node_.system().spawn(transition_log, watched_));
  open_port();
}

hosted_node::~hosted_node() {
  node_.shut_down();
  for (const auto& each : actors_)
    caf::anon_send_exit(each, caf::exit_reason::kill);
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

// All that are named, also where no guard uses them: they are listed.
void hosted_node::make_parts() {
  for (const auto& [name, part] : told_.circuit_breakers) {
    auto& made = circuit_breakers_[name];
    if (part.shared) {
      made = node_.shared_circuit_breaker(name, part.policy, *part.shared);
      // The circuit of all nodes; `made` is this node's.
      watched_.push_back(node_.directory()->find_shared(bulwark::part_kind::circuit_breaker, name));
    } else {
      made = node_.circuit_breaker(name, part.policy);
    }
    watched_.push_back(made);
  }
  for (const auto& [name, part] : told_.bulkheads)
    bulkheads_[name] = part.shared ? node_.shared_bulkhead(name, part.policy,
                                                           {.lease_time = part.shared->lease_time})
                                   : node_.bulkhead(name, part.policy);
}

// Invalid where the guard has none.
caf::actor hosted_node::circuit_breaker_of(const std::string& guard,
                                           const guard_settings& settings) {
  const auto& choice = settings.circuit_breaker;
  if (const auto address = remote_part(choice)) {
    const auto when_lost = settings.on_owner_lost.value_or(bulwark::owner_lost::local);
    return watched_.emplace_back(peer(*address).circuit_breaker(address->name, when_lost));
  }
  if (const auto* own = std::get_if<bulwark::circuit_breaker_policy>(&choice))
    return watched_.emplace_back(node_.circuit_breaker(guard, *own));
  if (const auto* name = std::get_if<std::string>(&choice))
    return circuit_breakers_.at(*name);
  return {};
}

// Invalid where the guard has none, or one of its own.
caf::actor hosted_node::bulkhead_of(const guard_settings& settings) {
  if (const auto address = remote_part(settings.bulkhead))
    return peer(*address).bulkhead(address->name,
                                   settings.on_owner_lost.value_or(bulwark::owner_lost::local));
  if (const auto* name = std::get_if<std::string>(&settings.bulkhead))
    return bulkheads_.at(*name);
  return {};
}

void hosted_node::make_guard(const std::string& name, const guard_settings& settings,
                             const target_table& targets) {
  auto policy = own_policy(settings);
  if (auto part = circuit_breaker_of(name, settings))
    policy.breaker = std::move(part);
  if (auto part = bulkhead_of(settings))
    policy.bulkhead = std::move(part);
  if (const auto local = targets.find(settings.target); local != targets.end()) {
    const auto target = actors_.emplace_back(local->second(node_.system()));
    guards_.push_back(node_.guard(name, target, policy));
  } else {
    const auto address = parse_remote(settings.target).value();
    guards_.push_back(peer(address).guard(address.name, policy, name));
  }
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
