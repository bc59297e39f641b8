#include "bulwark/distributed.hpp"

#include "bulwark/connector_actor.hpp"
#include "bulwark/dialler_actor.hpp"
#include "bulwark/exceptions.hpp"

#include <caf/io/middleman.hpp>

#include <functional>
#include <set>
#include <utility>

namespace bulwark {

namespace {

caf::io::middleman& middleman_of(node& owner, const std::string& part) {
  if (owner.directory()->closed())
    throw resilience_error{errc::shutting_down,
                           {.part = part, .last_error = "its node has been shut down"}};
  if (!owner.system().has_middleman())
    throw policy_error{errc::invalid_policy,
                       {.part = part,
                        .last_error = "caf::io::middleman is not loaded: name it in CAF_MAIN or "
                                      "load it in the configuration"}};
  return owner.system().middleman();
}

caf::actor transport_of(caf::io::middleman& middleman, const caf::actor& chosen) {
  return chosen ? chosen : caf::actor_cast<caf::actor>(middleman.actor_handle());
}

// A chosen transport dials alone: to knock at a port of TLS is a handshake that fails, for its peer.
caf::actor dialler_of(caf::io::middleman& middleman, const caf::actor& chosen) {
  auto transport = transport_of(middleman, chosen);
  return chosen ? transport : middleman.system().spawn(dialler_actor, transport);
}

} // namespace

std::uint16_t publish(node& owner, std::uint16_t port, const std::string& address,
                      const caf::actor& transport) {
  const auto opener = transport_of(middleman_of(owner, "front door"), transport);
  std::uint16_t bound = 0;
  caf::error refused;
  caf::scoped_actor self{owner.system()};
  // Reuse: so that who comes back after a crash gets its port at once.
  compat::request(self, opener, caf::publish_atom_v, port,
                  caf::actor_cast<caf::strong_actor_ptr>(owner.front_door()),
                  std::set<std::string>{}, address, true)
      .receive([&bound](std::uint16_t opened) { bound = opened; },
               [&refused](caf::error& why) { refused = std::move(why); });
  if (refused)
    throw policy_error{errc::invalid_policy,
                       {.part = "front door",
                        .last_error = "port " + std::to_string(port) + " of '" + address
                                      + "' can't be opened: " + to_string(refused)}};
  // CAF would keep the port open for the dead.
  owner.front_door()->attach_functor([closer = caf::actor_cast<caf::strong_actor_ptr>(opener),
                                      bound] { compat::tell(closer, caf::close_atom_v, bound); });
  return bound;
}

remote_node connect(node& own, std::string host, std::uint16_t port, connection_options options) {
  remote_node result;
  result.address_ = host + ":" + std::to_string(port);
  auto& middleman = middleman_of(own, result.address_);
  result.directory_ = own.directory();
  result.line_ = std::make_shared<peer_line>();
  auto& system = own.system();
  const auto seed = std::hash<caf::node_id>{}(system.node())
                    ^ static_cast<std::uint64_t>(system.clock().now().time_since_epoch().count());
  result.connector_ = system.spawn<connector_actor>(connector_actor::settings{
      .host = std::move(host),
      .port = port,
      .dialler = dialler_of(middleman, options.transport),
      .node = caf::actor_cast<caf::strong_actor_ptr>(own.timeout_manager()),
      .line = result.line_,
      .seed = seed,
      .on_change = std::move(options.on_change),
  });
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(own.cluster()), attach_atom_v,
               result.address_, result.connector_);
  return result;
}

caf::actor remote_node::bulkhead(const std::string& name, owner_lost when_lost) const {
  return directory_->bulkhead_of(
      address_ + "/" + name,
      {.line = {.part = name, .connector = connector_, .door = line_->door()},
       .when_lost = when_lost});
}

caf::actor remote_node::circuit_breaker(const std::string& name, owner_lost when_lost,
                                        const error_predicate& failure_on) const {
  return directory_->circuit_breaker_of(
      address_ + "/" + name, {.failure_on = failure_on},
      {.line = {.part = name, .connector = connector_, .door = line_->door()},
       .when_lost = when_lost});
}

caf::actor remote_node::guard(const std::string& name, const guard_policy& policy,
                              const std::string& own_name) const {
  auto bounded = policy;
  if (!policy.deadline && !policy.attempt_timeout)
    bounded.attempt_timeout = longest_remote_attempt;
  return caf::actor_cast<caf::actor>(
      directory_->remote_guard(own_name.empty() ? address_ + "/" + name : own_name,
                               {.guard = name, .connector = connector_}, line_->door(), bounded));
}

} // namespace bulwark
