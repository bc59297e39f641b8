#pragma once

#include "bulwark/bulkhead.hpp"
#include "bulwark/circuit_breaker.hpp"
#include "bulwark/hedge.hpp"
#include "bulwark/retry_budget.hpp"
#include "bulwark/supervisor.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

/// @file A small world in which the effect of policies shows: callers that come whatever happens, one
/// target with so many servers and a queue of its own, and between them the real cores. All of it in
/// virtual time and by a seed, so that a run is a function of its arguments.
///
/// What a case does: makes a world, says how calls come (`load`), changes the target while time goes
/// by (`at`), runs, and reads the figures of parts of the time (`between`).

namespace bulwark_effect {

using namespace bulwark;

/// Seconds on the world's time line.
using seconds = double;

/// What a target can do; may be changed at any time.
struct target_settings {
  std::uint32_t servers = 20;
  seconds service = 0.010;  ///< Mean.
  double spread = 1;        ///< 1: exponential; 0: always the same.
  double failure_share = 0; ///< Replies that are errors.
  bool answers = true;      ///< False: what comes is lost.
  double straggler_share = 0;
  seconds straggles = 0; ///< So long takes one of those.
};

/// What stands in for servers and queue: takes an attempt, and tells `done` what came of it.
using attempt_end = std::function<void(bool failed)>;
using service = std::function<void(attempt_end done)>;

/// Where calls come from, and how many in a second: Poisson.
struct load {
  double calls_per_second = 1000;
  call_class as = {};
  /// Each makes so many calls at once, and has its answer with the last one: in outcomes and figures
  /// it is one.
  std::uint32_t fan_out = 1;
};

/// What lies between callers and target; what is not named is off.
struct guard_settings {
  supervisor_limits limits = {};
  std::optional<retry_budget_policy> retry_budget = std::nullopt;
  std::optional<bulkhead_policy> bulkhead = std::nullopt;
  std::optional<circuit_breaker_limits> breaker = std::nullopt;
  std::optional<hedge_policy> hedge = std::nullopt;
};

/// One call, once it has its answer.
struct outcome {
  seconds began;
  seconds ended;
  std::uint64_t tenant;
  criticality importance;
  bool good; ///< A reply, no error, in time.
  std::uint32_t attempts;
};

/// The circuit breaker's state has changed.
struct transition {
  seconds when;
  circuit_state from;
  circuit_state to;
};

/// What came of the calls that began in a part of the time.
struct figures {
  double offered = 0; ///< Calls a second.
  double goodput = 0; ///< Good ones a second.
  seconds p50 = 0;    ///< Of the good ones.
  seconds p99 = 0;
  double attempts = 0;  ///< A call, on the target.
  double on_target = 0; ///< Attempts a second that came to the target then, of whatever call.
};

/// All calls have this long, whatever their guard does: later replies are of no use.
inline constexpr seconds patience = 1;

class world {
public:
  world(const guard_settings& guard, const target_settings& target, std::uint64_t seed);
  ~world();

  target_settings target; ///< From now on.

  /// Instead of servers and queue.
  void serve_by(service what) { service_ = std::move(what); }

  /// Calls come like that from `from` to `to`.
  void calls(const load& what, seconds from, seconds to);
  /// One call, now.
  void call(const call_class& as = {}, std::uint32_t fan_out = 1);
  /// Something happens then.
  void at(seconds when, std::function<void()> what);
  void after(seconds delay, std::function<void()> what) { at(now_ + delay, std::move(what)); }
  void run(seconds until);
  /// Chance, of the world's own.
  [[nodiscard]] random_stream& chance() { return random_; }

  [[nodiscard]] figures between(seconds from, seconds to) const;
  /// Of all tenants but one.
  [[nodiscard]] figures between_of_others(seconds from, seconds to, std::uint64_t tenant) const;
  [[nodiscard]] const std::vector<outcome>& outcomes() const { return outcomes_; }
  /// When an attempt came to the target, each of them.
  [[nodiscard]] const std::vector<seconds>& arrivals() const { return arrivals_; }
  [[nodiscard]] const std::vector<transition>& transitions() const { return transitions_; }
  /// Attempts that the target's servers have done.
  [[nodiscard]] std::uint64_t served() const { return served_; }
  /// The bulkhead's limit, 0 without.
  [[nodiscard]] std::uint32_t limit() const;

private:
  struct guarded;
  struct event {
    seconds when;
    std::uint64_t number;
    std::function<void()> what;
    friend bool operator<(const event& a, const event& b) {
      return a.when != b.when ? a.when > b.when : a.number > b.number;
    }
  };

  std::vector<event> events_; // a heap
  std::uint64_t last_event_ = 0;
  seconds now_ = 0;
  random_stream random_;
  std::vector<outcome> outcomes_;
  std::unique_ptr<guarded> guard_;
  std::vector<seconds> arrivals_;
  service service_;
  std::deque<attempt_end> waiting_; // in front of the target's servers
  std::uint32_t busy_ = 0;
  std::uint64_t served_ = 0;
  std::vector<transition> transitions_;

  friend struct guarded;
  void come(const load& what, seconds to);
  void arrive(attempt_end done);
  void serve();
  [[nodiscard]] double exponential(double mean);
  [[nodiscard]] figures figures_of(seconds from, seconds to,
                                   const std::function<bool(const outcome&)>& counts) const;
};

[[nodiscard]] inline instant instant_of(seconds at) {
  return instant{timespan{static_cast<std::int64_t>(at * 1e9)}};
}

} // namespace bulwark_effect
