#include "bulwark/node.hpp"

#include "bulwark/bulkhead_registry_actor.hpp"
#include "bulwark/cluster_statistics_actor.hpp"
#include "bulwark/front_door_actor.hpp"
#include "bulwark/loaded_settings.hpp"
#include "bulwark/registry_actor.hpp"
#include "bulwark/timeout_manager_actor.hpp"

#include <random>
#include <utility>

namespace bulwark {

namespace {

// Drawn by chance: process ids come again, as those in containers do.
std::uint64_t new_incarnation() {
  std::random_device chance;
  const auto number = (std::uint64_t{chance()} << 32U) | chance();
  return number == 0 ? 1 : number;
}

} // namespace

node::node(caf::actor_system& system, std::string name)
    : system_(system),
      timeout_manager_(system.spawn<timeout_manager_actor>("timeout_manager")),
      registry_(system.spawn<registry_actor>(std::move(name), new_incarnation())),
      directory_(std::make_shared<part_directory>(system, timeout_manager_, registry_)),
      bulkhead_registry_(system.spawn<bulkhead_registry_actor>(directory_)),
      cluster_(system.spawn<cluster_statistics_actor>(registry_)),
      front_door_(system.spawn<front_door_actor>(directory_, registry_, cluster_)),
      settings_(std::make_unique<loaded_settings>(*this)) {
  const auto announce = [this](std::string part_name, part_kind kind, const caf::actor& part) {
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(registry_), attach_atom_v,
                 part_info{.name = std::move(part_name),
                           .kind = kind,
                           .address = caf::actor_cast<caf::actor_addr>(part)});
  };
  announce("timeout_manager", part_kind::timeout_manager, timeout_manager_);
  announce("registry", part_kind::registry, registry_);
  announce("bulkhead_registry", part_kind::bulkhead_registry, bulkhead_registry_);
}

void node::load(const caf::settings& settings) {
  settings_->load(settings);
}

guard_policy node::policy_of_settings(const std::string& guard) const {
  return settings_->policy(guard);
}

caf::actor node::circuit_breaker(const std::string& name) {
  const auto still = directory_->hold();
  auto found = settings_->parts().circuit_breaker(name);
  return found ? found : circuit_breaker(name, {});
}

caf::actor node::bulkhead(const std::string& name) {
  const auto still = directory_->hold();
  auto found = settings_->parts().bulkhead(name);
  return found ? found : bulkhead(name, {});
}

caf::actor node::shared_bulkhead(const std::string& name, const bulkhead_policy& policy,
                                 const sharing_policy& sharing) {
  auto owner = directory_->shared_bulkhead(name, policy, sharing);
  return directory_->bulkhead_of(
      name, {.line = {.part = name, .door = caf::actor_cast<caf::strong_actor_ptr>(owner)}});
}

caf::actor node::shared_circuit_breaker(const std::string& name,
                                        const circuit_breaker_policy& policy,
                                        const sharing_policy& sharing) {
  auto owner = directory_->shared_circuit_breaker(name, policy, sharing);
  return directory_->circuit_breaker_of(
      name, policy,
      {.line = {.part = name, .door = caf::actor_cast<caf::strong_actor_ptr>(owner)}});
}

node::~node() {
  shut_down();
}

void node::shut_down() {
  std::call_once(ended_, [this] { end(); });
}

bool node::drain(timespan longest) {
  directory_->close();
  auto finished = false;
  {
    caf::scoped_actor self{system_};
    compat::request_within(self, registry_, longest, shutdown_all_atom_v, true)
        .receive([&finished] { finished = true; }, [](const caf::error&) {});
  }
  shut_down();
  return finished;
}

void node::end() {
  // From now on nothing is made: what comes after the registry's word would be left over.
  directory_->close();
  caf::scoped_actor self{system_};
  const auto end = [&self](const caf::actor& part) {
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(part), shutdown_atom_v);
    self->wait_for(part);
  };
  compat::request(self, registry_, shutdown_all_atom_v).receive([] {}, [](const caf::error&) {});
  for (const auto& part : directory_->living()) // none, unless somebody has killed the registry
    end(part);
  // Before the timeout manager ends, so that who waits for a function is still answered in time.
  directory_->join_threads();
  front_door_actor::end(front_door_);
  self->wait_for(front_door_);
  for (const auto* part : {&cluster_, &bulkhead_registry_, &timeout_manager_, &registry_})
    end(*part);
}

} // namespace bulwark
