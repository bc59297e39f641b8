#include "bulwark/bulkhead_registry_actor.hpp"

#include "bulwark/exceptions.hpp"

#include <algorithm>
#include <utility>

namespace bulwark {

bulkhead_registry_actor::bulkhead_registry_actor(caf::actor_config& config,
                                                 std::shared_ptr<part_directory> directory)
    : caf::event_based_actor(config), directory_(std::move(directory)) {}

const char* bulkhead_registry_actor::name() const {
  return "bulwark.bulkhead_registry";
}

caf::behavior bulkhead_registry_actor::make_behavior() {
  compat::set_down_handler(this, [this](const caf::down_msg& down) {
    watched_.erase(down.source);
    gathering_.lost(down.source);
    if (std::erase(ending_, down.source) > 0 && ending_.empty()) {
      for (auto& promise : std::exchange(shutdowns_, {}))
        promise.deliver(caf::unit);
    }
  });
  return {
      [this](create_atom, const std::string& name,
             const bulkhead_policy& policy) -> caf::result<caf::actor> {
        try {
          return directory_->create_bulkhead(name, policy);
        } catch (const resilience_error& error) {
          return make_failure(error.code(), error.report());
        }
      },
      [this](get_atom, const std::string& name) -> caf::result<caf::actor> {
        if (auto found = directory_->find_bulkhead(name))
          return found;
        return make_failure(errc::unknown_name, {.part = name});
      },
      [this](get_all_stats_atom) { return collect(); },
      [this](const stats_request& request, const caf::actor_addr& from,
             const bulkhead_stats& stats) {
        if (auto i = answers_.find(request.round); i != answers_.end())
          i->second->push_back(stats);
        gathering_.answered(request.round, from);
      },
      [this](shutdown_all_atom) { return shut_all_down(); },
      [this](shutdown_atom) { quit(caf::exit_reason::user_shutdown); },
      [this](shutdown_atom, bool) { quit(caf::exit_reason::user_shutdown); },
  };
}

void bulkhead_registry_actor::watch(const caf::actor& bulkhead) {
  if (watched_.insert(caf::actor_cast<caf::actor_addr>(bulkhead)).second)
    compat::watch(this, bulkhead);
}

caf::response_promise bulkhead_registry_actor::collect() {
  auto promise = make_response_promise();
  auto result = std::make_shared<std::vector<bulkhead_stats>>();
  auto round = std::make_shared<std::uint64_t>(0);
  std::vector<caf::actor_addr> asked;
  for (const auto& bulkhead : directory_->bulkheads()) {
    watch(bulkhead);
    asked.push_back(caf::actor_cast<caf::actor_addr>(bulkhead));
  }
  gathering_.ask(
      this, asked,
      [this, result, round](std::uint64_t number) {
        *round = number;
        answers_[number] = result;
        return stats_request{.round = number};
      },
      [this, result, round, promise]() mutable {
        answers_.erase(*round);
        std::sort(result->begin(), result->end(),
                  [](const auto& a, const auto& b) { return a.name < b.name; });
        promise.deliver(std::move(*result));
      });
  return promise;
}

caf::response_promise bulkhead_registry_actor::shut_all_down() {
  auto promise = make_response_promise();
  for (const auto& bulkhead : directory_->bulkheads()) {
    watch(bulkhead);
    ending_.push_back(caf::actor_cast<caf::actor_addr>(bulkhead));
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(bulkhead), shutdown_atom_v, true);
  }
  if (ending_.empty())
    promise.deliver(caf::unit);
  else
    shutdowns_.push_back(promise);
  return promise;
}

void bulkhead_registry_actor::on_exit() {
  directory_ = nullptr;
}

} // namespace bulwark
