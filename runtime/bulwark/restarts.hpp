#pragma once

#include "bulwark/policy.hpp"
#include "bulwark/random.hpp"
#include "bulwark/time.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

/// @file Supervision of targets: who is made anew when one of them ends, when, and how often.
///
/// | strategy     | when one ends, stopped and made anew                               |
/// | ------------ | ------------------------------------------------------------------ |
/// | one_for_one  | that one                                                           |
/// | one_for_all  | all                                                                |
/// | rest_for_one | that one and those after it, which were made on top of it          |
///
/// What is stopped is stopped last first, what is made is made first first, and all of it after one
/// wait, which doubles with each restart until everything has stayed up for reset_after. More than
/// `intensity` restarts within `period`: what lies deeper is broken, and restarting won't mend it.
/// Then all are stopped, and their guard says so: it doesn't go on without a target in silence.
///
/// Sources: Erlang/OTP's supervisor (strategies, intensity and period with their defaults); Pekko's
/// BackoffSupervisor (the growing wait, and the random share on top of it).

namespace bulwark {

enum class restart_strategy : std::uint8_t { one_for_one = 0, one_for_all = 1, rest_for_one = 2 };

/// How ended targets are made anew.
struct restart_policy {
  restart_strategy strategy = restart_strategy::one_for_one;
  /// Restarts within `period` that are permitted; 0 .. 1'000'000, 0: the first end is the last.
  std::uint32_t intensity = 1;
  /// 1 ms .. 100 years.
  timespan period = std::chrono::seconds{5};
  /// The wait before the first restart; 0 .. 100 years.
  timespan min_backoff = std::chrono::milliseconds{0};
  /// The longest; min_backoff .. 100 years.
  timespan max_backoff = std::chrono::seconds{30};
  /// Up to this share is added to each wait by chance; 0 .. 1.
  double random_share = 0.2;
  /// All being up for that long makes the next wait the first again; 0 .. 100 years.
  timespan reset_after = std::chrono::seconds{15};

  friend bool operator==(const restart_policy&, const restart_policy&) = default;
};

/// What is out of range, each field with its path "restart.<field>".
policy_mistakes find_mistakes(const restart_policy& policy);

/// What is to be done about a target that ended.
struct restart_decision {
  bool gives_up = false;           ///< All are to be stopped, none is made again.
  std::vector<std::uint32_t> stop; ///< Who still runs and must end, in this order.
  instant start_at{};              ///< When those that are down are to be made: see due().
};

/// Decides about targets that a guard has made itself, numbered in the order in which they were
/// made. All are up at first. Not thread-safe: it has one owner.
class restarts {
public:
  /// Requires: find_mistakes(policy) is empty, targets > 0.
  restarts(const restart_policy& policy, std::uint32_t targets, std::uint64_t seed, instant now);

  /// For ends from now on. Requires: find_mistakes(policy) is empty.
  void change_policy(const restart_policy& policy) noexcept { policy_ = policy; }

  /// Target number `which` has ended by itself. Nothing happens where it is down already.
  [[nodiscard]] restart_decision on_end(std::uint32_t which, instant now);

  /// When start() is to be called; `end_of_time`: nobody is to be made.
  [[nodiscard]] instant due() const noexcept { return due_; }
  /// Who is to be made now, in this order; from now on they are up. Empty before due().
  [[nodiscard]] std::vector<std::uint32_t> start(instant now);

  [[nodiscard]] bool is_up(std::uint32_t which) const noexcept { return up_[which]; }
  [[nodiscard]] bool gave_up() const noexcept { return gave_up_; }
  /// Decisions to restart, since the beginning.
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

private:
  restart_policy policy_;
  random_stream random_;
  std::vector<bool> up_;
  std::deque<instant> recent_; // restarts within the period, the oldest first
  instant due_ = end_of_time;
  instant all_up_since_;
  std::uint32_t in_a_row_ = 0;
  std::uint64_t count_ = 0;
  bool gave_up_ = false;

  [[nodiscard]] bool too_many(instant now);
  [[nodiscard]] timespan next_wait(instant now) noexcept;
};

/// The enumerator's name.
std::string to_string(restart_strategy strategy);

} // namespace bulwark
