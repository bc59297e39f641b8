#include "bulwark/guard.hpp"

#include <iterator>

namespace bulwark {

policy_mistakes find_mistakes(const guard_policy& policy) {
  policy_mistakes result;
  const auto add = [&](policy_mistakes more) {
    result.insert(result.end(), std::make_move_iterator(more.begin()),
                  std::make_move_iterator(more.end()));
  };
  if (policy.deadline)
    check_range(result, "guard.deadline", *policy.deadline, timespan{1}, longest_timespan);
  if (policy.attempt_timeout)
    check_range(result, "guard.attempt_timeout", *policy.attempt_timeout, timespan{1},
                longest_timespan);
  if (policy.retry)
    add(find_mistakes(*policy.retry));
  if (const auto* breaker = std::get_if<circuit_breaker_policy>(&policy.breaker))
    add(find_mistakes(limits_of(*breaker)));
  if (const auto* bulkhead = std::get_if<bulkhead_policy>(&policy.bulkhead))
    add(find_mistakes(*bulkhead));
  if (policy.rate_limit)
    add(find_mistakes(*policy.rate_limit));
  if (policy.hedge)
    add(find_mistakes(*policy.hedge));
  add(find_mistakes(policy.replicas));
  add(find_mistakes(policy.restart));
  if (policy.chaos)
    add(find_mistakes(*policy.chaos));
  if (policy.fallback)
    add(find_mistakes(*policy.fallback));
  if (policy.reply_sharing)
    add(find_mistakes(limits_of(*policy.reply_sharing)));
  return result;
}

} // namespace bulwark
