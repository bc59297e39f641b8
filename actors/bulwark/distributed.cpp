#include "bulwark/distributed.hpp"

#include "bulwark/connector_actor.hpp"
#include "bulwark/exceptions.hpp"

#include <caf/io/middleman.hpp>

#include <functional>
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

} // namespace

std::uint16_t publish(node& owner, std::uint16_t port, const std::string& address) {
  auto& middleman = middleman_of(owner, "front door");
  // Reuse: so that who comes back after a crash gets its port at once.
  auto bound = middleman.publish(owner.front_door(), port, address.c_str(), true);
  if (!bound)
    throw policy_error{errc::invalid_policy,
                       {.part = "front door",
                        .last_error = "port " + std::to_string(port) + " of '" + address
                                      + "' can't be opened: " + to_string(bound.error())}};
  // CAF would keep the port open for the dead.
  owner.front_door()->attach_functor(
      [closer = caf::actor_cast<caf::strong_actor_ptr>(middleman.actor_handle()), port = *bound] {
        compat::tell(closer, caf::close_atom_v, port);
      });
  return *bound;
}

remote_node connect(node& own, std::string host, std::uint16_t port) {
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
      .dialler = caf::actor_cast<caf::actor>(middleman.actor_handle()),
      .node = caf::actor_cast<caf::strong_actor_ptr>(own.timeout_manager()),
      .line = result.line_,
      .seed = seed,
  });
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

caf::actor remote_node::guard(const std::string& name, const guard_policy& policy) const {
  auto bounded = policy;
  if (!policy.deadline && !policy.attempt_timeout)
    bounded.attempt_timeout = longest_remote_attempt;
  return caf::actor_cast<caf::actor>(directory_->remote_guard(
      address_ + "/" + name, {.guard = name, .connector = connector_}, line_->door(), bounded));
}

} // namespace bulwark
