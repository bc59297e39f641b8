#pragma once

#include "bulwark/supervisor.hpp"

#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

namespace bulwark::testing {

using namespace std::chrono_literals;

/// Does nothing that a supervisor wishes, and remembers all of it.
struct wish_recorder final : supervisor_effects {
  struct probe_question {
    attempt_id attempt;
    instant hold_until;
  };

  struct outcome {
    permit held;
    std::optional<bool> failed;
    bool slow = false;
    timespan retry_after{0};
    friend bool operator==(const outcome&, const outcome&) = default;
  };

  struct ending {
    std::uint32_t slot;
    call_end end;
  };

  std::vector<probe_question> probes;
  std::vector<outcome> outcomes;
  std::vector<success_batch> batches;
  std::vector<attempt_id> permit_questions;
  std::vector<attempt_id> withdrawals;
  std::uint32_t returned = 0;
  std::vector<attempt_id> launched;
  std::vector<std::pair<attempt_id, errc>> cuts;
  std::vector<ending> answers;
  instant wake = end_of_time;
  std::set<errc> counted = {errc::timed_out, errc::target_lost};
  std::set<errc> retried = {errc::timed_out, errc::target_lost};

  void ask_probe(attempt_id attempt, instant hold_until) override {
    probes.push_back({attempt, hold_until});
  }
  void tell_breaker(const permit& held, const attempt_outcome& how) override {
    outcomes.push_back({held, how.failed, how.slow, how.retry_after});
  }
  void tell_successes(const success_batch& batch) override { batches.push_back(batch); }
  void ask_permit(attempt_id attempt) override { permit_questions.push_back(attempt); }
  void withdraw(attempt_id attempt) override { withdrawals.push_back(attempt); }
  void return_permits(std::uint32_t count) override { returned += count; }
  void start_attempt(attempt_id attempt) override { launched.push_back(attempt); }
  void cut_attempt(attempt_id attempt, errc why) override { cuts.emplace_back(attempt, why); }
  void answer(std::uint32_t slot, const call_end& end) override { answers.push_back({slot, end}); }
  void wake_at(instant due) override { wake = due; }
  [[nodiscard]] error_class classify(errc code) const override {
    return {.counts = counted.count(code) != 0, .retryable = retried.count(code) != 0};
  }
};

inline bool balanced(const supervisor_books& books) {
  return books.calls.balanced() && books.breaker.balanced() && books.bulkhead.balanced();
}

/// How targets reply.
inline constexpr reply_class good = std::nullopt;
inline constexpr reply_class transient_error = error_class{.counts = true, .retryable = true};
inline constexpr reply_class permanent_error = error_class{.counts = true, .retryable = false};
inline constexpr reply_class client_error = error_class{.counts = false, .retryable = false};

/// Delays that are known beforehand.
inline retry_limits exactly(std::uint32_t max_attempts, timespan base_delay) {
  return {.max_attempts = max_attempts,
          .base_delay = base_delay,
          .exponential_base = 2.0,
          .max_delay = 60s,
          .jitter = jitter_kind::none};
}

/// A supervisor, all it wishes, and the time. Nobody wakes it but at the time it asked for.
struct recording_supervisor {
  instant now{1h};
  circuit_view view;
  wish_recorder wishes;
  supervisor_limits limits;
  supervisor core;

  explicit recording_supervisor(const supervisor_limits& first)
      : limits(first), core(limits, &view, wishes, now, 1) {}

  /// Accepts a call.
  std::uint32_t call(const supervisor::call_options& options = {}) {
    const auto slot = core.open();
    core.start(slot, options, now);
    CHECK(balanced(core.books()));
    return slot;
  }

  /// The attempt that was started last.
  [[nodiscard]] attempt_id attempt() const {
    REQUIRE_FALSE(wishes.launched.empty());
    return wishes.launched.back();
  }

  bool reply(const reply_class& how) { return reply(attempt(), how); }
  bool reply(attempt_id to, const reply_class& how) {
    const auto taken = core.on_reply(to, how, now);
    CHECK(balanced(core.books()));
    return taken;
  }

  /// Time passes, with the wake-ups that were asked for and no others.
  void pass(timespan length) {
    const auto until = now + length;
    while (wishes.wake <= until && wishes.wake != end_of_time) {
      now = std::max(now, std::exchange(wishes.wake, end_of_time));
      core.on_tick(now);
      CHECK(balanced(core.books()));
    }
    now = until;
  }

  /// The breaker answers the last question.
  void let_probe(permit given) { core.on_probe(wishes.probes.back().attempt, given, now); }
  void refuse_probe(timespan retry_after) {
    core.on_probe(wishes.probes.back().attempt,
                  rejection{.why = errc::circuit_open, .retry_after = retry_after}, now);
  }
  /// The bulkhead answers the last question.
  void grant(std::uint32_t extra = 0, bool keep = false) {
    core.on_permit(wishes.permit_questions.back(), extra, keep, now);
    CHECK(balanced(core.books()));
  }
  void refuse(errc why) {
    core.on_refused(wishes.permit_questions.back(), why, now);
    CHECK(balanced(core.books()));
  }

  void show(circuit_state state, std::uint64_t generation, instant probes_from = {},
            bool failing = false) {
    view.publish({.state = state, .failing = failing, .generation = generation}, probes_from);
  }

  /// The only answer there is.
  [[nodiscard]] const call_end& end() const {
    REQUIRE(wishes.answers.size() == 1);
    return wishes.answers.back().end;
  }
  [[nodiscard]] std::size_t answers() const { return wishes.answers.size(); }
  [[nodiscard]] const supervisor_books& books() const { return core.books(); }
};

} // namespace bulwark::testing
