#include "bulwark/restarts.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace bulwark {

policy_mistakes find_mistakes(const restart_policy& policy) {
  auto result = policy_mistakes{};
  check_range(result, "restart.strategy", static_cast<std::uint64_t>(policy.strategy), 0, 2);
  check_range(result, "restart.intensity", std::uint64_t{policy.intensity}, 0, 1'000'000);
  check_range(result, "restart.period", policy.period, std::chrono::milliseconds{1},
              longest_timespan);
  check_range(result, "restart.min_backoff", policy.min_backoff, timespan{0}, longest_timespan);
  check_range(result, "restart.max_backoff", policy.max_backoff,
              std::clamp(policy.min_backoff, timespan{0}, longest_timespan), longest_timespan);
  check_range(result, "restart.random_share", policy.random_share, 0, 1);
  check_range(result, "restart.reset_after", policy.reset_after, timespan{0}, longest_timespan);
  return result;
}

restarts::restarts(const restart_policy& policy, std::uint32_t targets, std::uint64_t seed,
                   instant now)
    : policy_(policy), random_(seed), up_(targets, true), all_up_since_(now) {}

restart_decision restarts::on_end(std::uint32_t which, instant now) {
  auto result = restart_decision{};
  if (gave_up_ || !up_[which])
    return result;
  up_[which] = false;
  // Of those that wait to be made one can't end. Who ends meanwhile waits with them: it is the same
  // trouble, and one restart.
  const auto under_way = due_ != end_of_time;
  gave_up_ = !under_way && too_many(now);
  const auto all = gave_up_ || policy_.strategy == restart_strategy::one_for_all;
  for (auto i = static_cast<std::uint32_t>(up_.size()); i-- > 0;) {
    if (up_[i] && (all || (policy_.strategy == restart_strategy::rest_for_one && i > which))) {
      up_[i] = false;
      result.stop.push_back(i);
    }
  }
  result.gives_up = gave_up_;
  if (!under_way && !gave_up_) {
    ++count_;
    due_ = saturating_add(now, next_wait(now));
  }
  result.start_at = due_;
  return result;
}

std::vector<std::uint32_t> restarts::start(instant now) {
  std::vector<std::uint32_t> result;
  if (now < due_)
    return result;
  due_ = end_of_time;
  all_up_since_ = now;
  for (std::uint32_t i = 0; i < up_.size(); ++i) {
    if (!up_[i]) {
      up_[i] = true;
      result.push_back(i);
    }
  }
  return result;
}

/// Whether one more restart is more than the policy permits; counts it if it isn't.
bool restarts::too_many(instant now) {
  while (!recent_.empty() && now - recent_.front() >= policy_.period)
    recent_.pop_front();
  if (recent_.size() >= policy_.intensity)
    return true;
  recent_.push_back(now);
  return false;
}

timespan restarts::next_wait(instant now) noexcept {
  if (now - all_up_since_ >= policy_.reset_after)
    in_a_row_ = 0;
  auto wait = policy_.min_backoff;
  if (wait == timespan{0}) // doubled for ever it stays so
    return wait;
  for (auto i = 0U; i < in_a_row_ && wait < policy_.max_backoff; ++i)
    wait = wait <= policy_.max_backoff / 2 ? wait * 2 : policy_.max_backoff;
  if (wait < policy_.max_backoff)
    ++in_a_row_; // no further than the cap: so the loop has an end
  const auto extra = static_cast<double>(wait.count()) * policy_.random_share * random_.unit();
  return wait + timespan{static_cast<timespan::rep>(extra)};
}

std::string to_string(restart_strategy strategy) {
  switch (strategy) {
  case restart_strategy::one_for_one:
    return "one_for_one";
  case restart_strategy::one_for_all:
    return "one_for_all";
  case restart_strategy::rest_for_one:
    return "rest_for_one";
  }
  return fmt::format("restart_strategy({})", static_cast<unsigned>(strategy));
}

} // namespace bulwark
