#include "bulwark/sync_circuit_breaker.hpp"

#include <mutex>
#include <random>
#include <utility>

namespace bulwark::sync {

circuit_breaker::circuit_breaker(circuit_breaker_policy policy, time_source time)
    : circuit_(make_own_circuit(std::move(policy), std::move(time))) {}

circuit_breaker::circuit_breaker(node& home, const std::string& name,
                                 const circuit_breaker_policy& policy)
    : circuit_(make_part_circuit(home, name, policy)) {}

bool circuit_breaker::is_open() const {
  const auto now = state();
  return now == circuit_state::open || now == circuit_state::forced_open;
}

std::optional<bool> settle(counters& books, const caf::error& reason, bool counts) {
  --books.in_flight;
  if (!counts) {
    ++books.cancelled;
    return std::nullopt;
  }
  ++(reason == errc::timed_out ? books.timed_out : books.failed);
  return true;
}

bool counts(const error_predicate& failure_on, const caf::error& reason) noexcept {
  try {
    return failure_on(reason);
  } catch (...) {
    return true;
  }
}

namespace {

class own_circuit final : public circuit, private circuit_observer {
public:
  own_circuit(circuit_breaker_policy policy, time_source time)
      : failure_on_(policy.failure_on),
        time_(std::move(time)),
        core_(limits_of(policy), *this, time_.now(), std::random_device{}()) {}

  admitted admit() override {
    const auto now = time_.now();
    std::lock_guard guard{mutex_};
    const auto decision = core_.admit(now);
    ++books_.calls;
    if (const auto* given = std::get_if<permit>(&decision)) {
      ++books_.in_flight;
      return {*given, now};
    }
    ++books_.rejected;
    const auto& refusal = std::get<rejection>(decision);
    throw circuit_breaker_error{refusal.why, {.retry_after = refusal.retry_after}};
  }

  void succeeded(const admitted& leave) override {
    const auto now = time_.now();
    std::lock_guard guard{mutex_};
    --books_.in_flight;
    ++books_.succeeded;
    core_.on_outcome(leave.held,
                     {.failed = false, .slow = is_slow(core_.policy(), now - leave.began)}, now);
  }

  void failed(const admitted& leave, const caf::error& reason) override {
    const auto it_counts = counts(failure_on_, reason);
    const auto said = retry_after_of(reason).value_or(timespan{0});
    const auto now = time_.now();
    std::lock_guard guard{mutex_};
    const auto slow = reason == errc::timed_out || is_slow(core_.policy(), now - leave.began);
    core_.on_outcome(
        leave.held,
        {.failed = settle(books_, reason, it_counts), .slow = slow, .retry_after = said}, now);
  }

  void tell(circuit_command command) override {
    const auto now = time_.now();
    std::lock_guard guard{mutex_};
    core_.on_tick(now);
    switch (command) {
    case circuit_command::record_success:
      return core_.record_success(now);
    case circuit_command::record_failure:
      return core_.record_failure(now);
    case circuit_command::reset:
      return core_.reset(now);
    case circuit_command::force_open:
      return core_.force_open(now);
    case circuit_command::disable:
      return core_.disable(now);
    case circuit_command::metrics_only:
      return core_.metrics_only(now);
    }
  }

  circuit_state state() override {
    const auto now = time_.now();
    std::lock_guard guard{mutex_};
    core_.on_tick(now);
    return core_.state();
  }

  circuit_breaker_stats stats() override {
    const auto now = time_.now();
    std::lock_guard guard{mutex_};
    core_.on_tick(now);
    auto result = stats_of(core_, now);
    result.transitions = transitions_;
    result.calls = books_;
    result.window = core_.window();
    result.trips = trips_;
    result.cause = cause_;
    return result;
  }

private:
  const error_predicate failure_on_;
  const time_source time_;
  std::mutex mutex_;
  bulwark::circuit_breaker core_;
  counters books_;
  std::uint64_t transitions_ = 0;
  std::uint64_t trips_ = 0;
  std::optional<transition_cause> cause_;

  void on_transition(const circuit_transition& change) override {
    ++transitions_;
    cause_ = change.why;
    trips_ += is_trip(change) ? 1 : 0;
  }
};

} // namespace

std::unique_ptr<circuit> make_own_circuit(circuit_breaker_policy policy, time_source time) {
  if (const auto mistakes = find_mistakes(limits_of(policy)); !mistakes.empty())
    throw policy_error{errc::invalid_policy, {.last_error = to_string(mistakes)}};
  return std::make_unique<own_circuit>(std::move(policy), std::move(time));
}

} // namespace bulwark::sync
