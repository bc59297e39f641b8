#include "bulwark/sync_bulkhead.hpp"

#include "bulwark/sync_own_workers.hpp"

#include <utility>

namespace bulwark::sync {

bulkhead::bulkhead(const bulkhead_policy& policy, std::string name)
    : workers_(make_own_workers(policy, std::move(name))) {}

bulkhead::bulkhead(node& home, const std::string& name, const bulkhead_policy& policy)
    : workers_(make_part_workers(home, name, policy)) {}

bulkhead::~bulkhead() {
  workers_->shut_down(true);
}

std::unique_ptr<workers> make_own_workers(const bulkhead_policy& policy, std::string name) {
  auto mistakes = find_mistakes(policy);
  // Its threads are no calls to a target: how long they take says nothing about a limit.
  if (policy.adaptive)
    mistakes.push_back({"bulkhead.adaptive", "on", "off, where it has threads of its own"});
  if (policy.shed)
    mistakes.push_back({"bulkhead.shed", "on", "off, where it has threads of its own"});
  if (!mistakes.empty())
    throw policy_error{errc::invalid_policy, {.part = name, .last_error = to_string(mistakes)}};
  return std::make_unique<own_workers>(policy, std::move(name));
}

} // namespace bulwark::sync
