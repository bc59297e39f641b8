// What a guard's policy is to its supervisor: when it is made, and when another one comes while calls
// are in progress.
#include "bulwark/supervisor_actor.hpp"

#include "bulwark/tenant_key.hpp"

#include <type_traits>
#include <utility>

namespace bulwark {

namespace {

// Goes on with what is known where there was one.
template <class Part, class Policy>
void take_part(std::unique_ptr<Part>& part, const std::optional<Policy>& policy, instant now) {
  if (!policy)
    part = nullptr;
  else if (part)
    part->change_policy(*policy, now);
  else if constexpr (std::is_constructible_v<Part, const Policy&, instant>)
    part = std::make_unique<Part>(*policy, now);
  else
    part = std::make_unique<Part>(*policy);
}

} // namespace

void supervisor_actor::settings::take(const guard_policy& policy,
                                      std::shared_ptr<retry_allowance> shared_budget, instant now) {
  limits.deadline = policy.deadline;
  limits.attempt_timeout = policy.attempt_timeout;
  take_part(hedge, policy.hedge, now);
  take_part(rate, policy.rate_limit, now);
  limits.hedge = hedge.get();
  limits.rate = rate.get();
  take_retry(policy.retry, std::move(shared_budget), now);
  failure_on_result = policy.failure_on_result
                          ? std::make_unique<const std::function<bool(const caf::message&)>>(
                              policy.failure_on_result)
                          : nullptr;
  cancel = policy.cancel;
  shows_context = policy.shows_context;
  watches_callers = policy.watches_callers;
  if (policy.chaos && is_off(*policy.chaos))
    chaos = nullptr;
  else if (!policy.chaos || !chaos || !(chaos->policy() == *policy.chaos))
    chaos = policy.chaos ? std::make_unique<bulwark::chaos>(*policy.chaos) : nullptr;
  if (!policy.fallback)
    fallback = nullptr;
  else if (fallback)
    fallback->change_policy(*policy.fallback);
  else
    fallback = std::make_unique<bulwark::fallback>(*policy.fallback);
}

void supervisor_actor::settings::take_retry(const std::optional<retry_policy>& policy,
                                            std::shared_ptr<retry_allowance> shared_budget,
                                            instant now) {
  limits.retry = policy ? std::optional{limits_of(*policy)} : std::nullopt;
  retry_on = policy ? error_predicate{policy->retry_on} : error_predicate{transient};
  delays = policy ? policy->delays : std::vector<error_delay>{};
  if (!policy || !policy->budget)
    budget = nullptr;
  else if (shared_budget)
    budget = std::move(shared_budget);
  else if (auto* own = dynamic_cast<retry_budget*>(budget.get()))
    own->change_policy(*policy->budget, now);
  else
    budget = std::make_shared<retry_budget>(*policy->budget);
  limits.budget = budget.get();
}

/// For calls and attempts that begin from now on; those in progress keep what they have begun with.
void supervisor_actor::change_policy(const guard_change& change) {
  const auto& policy = *change.policy;
  self_.take(policy, change.shared_budget, now());
  if (self_.targets)
    self_.targets->change_policy(policy.replicas, policy.restart);
  if (sharing_)
    sharing_->change_policy(policy.reply_sharing, process_secret());
  else if (policy.reply_sharing)
    sharing_ = std::make_unique<reply_sharing>(*policy.reply_sharing, process_secret(), now());
  if (trouble_) {
    trouble_->classes = {};
    trouble_->cut_target = nullptr;
  }
}

std::string supervisor_actor::why_unchangeable(const guard_policy& policy) const {
  const auto differs = [&](const auto& choice, const caf::weak_actor_ptr& part,
                           const std::string& part_name) {
    if (const auto* named = std::get_if<caf::actor>(&choice))
      return caf::actor_cast<caf::actor_addr>(*named) != caf::actor_cast<caf::actor_addr>(part);
    const auto has_own = part && part_name == self_.name;
    return std::holds_alternative<std::monostate>(choice) ? static_cast<bool>(part) : !has_own;
  };
  std::string result;
  const auto complain = [&](const char* field) {
    if (!result.empty())
      result += "; ";
    result += std::string{"guard."} + field
              + " is another one, permitted: the one that the guard was made with, with any policy";
  };
  if (differs(policy.breaker, self_.breaker, self_.breaker_name))
    complain("breaker");
  if (differs(policy.bulkhead, self_.bulkhead, self_.bulkhead_name))
    complain("bulkhead");
  if (policy.shows_permit != self_.shows_permit)
    complain("shows_permit");
  return result;
}

} // namespace bulwark
