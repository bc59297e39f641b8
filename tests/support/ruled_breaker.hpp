#pragma once

#include "bulwark/circuit_breaker.hpp"

#include "support/catch.hpp"

#include <variant>
#include <vector>

namespace bulwark::testing {

using namespace std::chrono_literals;

/// A breaker, who listens to it, and the time.
struct ruled_breaker final : circuit_observer {
  instant now{1h};
  std::vector<circuit_transition> seen;
  circuit_breaker breaker;

  explicit ruled_breaker(const circuit_breaker_limits& policy, std::uint64_t seed = 1)
      : breaker(policy, *this, now, seed) {
    CHECK(to_string(find_mistakes(policy)).empty());
  }

  void on_transition(const circuit_transition& change) override { seen.push_back(change); }

  permit enter() {
    auto result = breaker.admit(now);
    REQUIRE(std::holds_alternative<permit>(result));
    return std::get<permit>(result);
  }
  rejection refused() {
    auto result = breaker.admit(now);
    REQUIRE(std::holds_alternative<rejection>(result));
    return std::get<rejection>(result);
  }
  void succeed(int times = 1, bool slow = false) {
    for (auto i = 0; i < times; ++i)
      breaker.on_outcome(enter(), {.failed = false, .slow = slow}, now);
  }
  void fail(int times = 1, bool slow = false) {
    for (auto i = 0; i < times; ++i)
      breaker.on_outcome(enter(), {.failed = true, .slow = slow}, now);
  }
  void pass(timespan length) {
    now += length;
    breaker.on_tick(now);
  }
  [[nodiscard]] bool is(circuit_state state) const { return breaker.state() == state; }
  [[nodiscard]] transition_cause why() const {
    REQUIRE_FALSE(seen.empty());
    return seen.back().why;
  }
  /// How long until it probes.
  timespan open_time() { return breaker.due() - now; }
};

/// Trips at once, probes one, closes at one success.
inline circuit_breaker_limits quick(timespan open_for) {
  return {
      .failure_threshold = 1, .success_threshold = 1, .open_for = open_for, .half_open_calls = 1};
}

} // namespace bulwark::testing
