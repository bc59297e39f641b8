#include "bulwark/queue_delay.hpp"

namespace bulwark {

policy_mistakes find_mistakes(const queue_delay_policy& policy) {
  using namespace std::chrono_literals;
  policy_mistakes result;
  check_range(result, "bulkhead.shed.target", policy.target, 1us, 1min);
  check_range(result, "bulkhead.shed.interval", policy.interval, 1ms, 1h);
  return result;
}

} // namespace bulwark
