#include "bulwark/reply_cache.hpp"

namespace bulwark {

policy_mistakes find_mistakes(const reply_sharing_limits& policy) {
  auto result = policy_mistakes{};
  check_range(result, "reply_sharing.fresh_for", policy.fresh_for, timespan{0}, longest_timespan);
  check_range(result, "reply_sharing.stale_for", policy.stale_for, timespan{0}, longest_timespan);
  check_range(result, "reply_sharing.max_entries", std::uint64_t{policy.max_entries}, 1,
              16'777'216);
  check_range(result, "reply_sharing.max_key_size", std::uint64_t{policy.max_key_size}, 1,
              1'048'576);
  return result;
}

} // namespace bulwark
