#pragma once

#include "bulwark/policy.hpp"
#include "bulwark/time.hpp"

/// @file When a queue has stood for too long.
///
/// A queue is there for bursts: it fills and empties. One that doesn't empty serves nobody: all that
/// it does is make each call wait, until the callers have given up by the time they are served. So
/// when the wait has stayed above a target for an interval, whoever waits longer than the target is
/// turned away, until the queue has been empty once. What is served then has waited for the target
/// at most, and the target of the calls has as much to do as before.
///
/// Sources: CoDel (Nichols, Jacobson, ACM Queue 2012) for "above the target for an interval"; its
/// rate of drops is one for senders that slow down when they see one, which callers don't: what is
/// done instead, and newest first, is Facebook's (Maurer, "Fail at Scale", ACM Queue 2015).

namespace bulwark {

struct queue_delay_policy {
  timespan target = std::chrono::milliseconds{5};     ///< 1 us .. 1 min
  timespan interval = std::chrono::milliseconds{100}; ///< 1 ms .. 1 h
  /// While the queue stands, whoever came last is served first: callers of the newest are the least
  /// likely to have given up.
  bool newest_first = false;

  friend bool operator==(const queue_delay_policy&, const queue_delay_policy&) = default;
};

/// What is out of range, each field with its path "bulkhead.shed.<field>".
policy_mistakes find_mistakes(const queue_delay_policy& policy);

/// Whether a queue stands. Not thread-safe.
class queue_delay {
public:
  /// Somebody is about to be served, and the oldest has waited for that long.
  void on_turn(const queue_delay_policy& policy, timespan oldest, instant now) noexcept {
    if (standing_)
      return;
    if (oldest <= policy.target)
      above_since_ = end_of_time;
    else if (above_since_ == end_of_time)
      above_since_ = now;
    standing_ = above_since_ != end_of_time && now - above_since_ >= policy.interval;
  }

  void on_empty() noexcept {
    above_since_ = end_of_time;
    standing_ = false;
  }

  [[nodiscard]] bool standing() const noexcept { return standing_; }

private:
  instant above_since_ = end_of_time;
  bool standing_ = false;
};

} // namespace bulwark
