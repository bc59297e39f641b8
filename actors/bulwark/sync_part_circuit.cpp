// Longer than 200 lines: a circuit of a node as threads see it, from asking for leave to telling what came of it.
#include "bulwark/circuit_breaker_actor.hpp"
#include "bulwark/sync_ask.hpp"
#include "bulwark/sync_circuit.hpp"
#include "bulwark/sync_circuit_envoy.hpp"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

namespace bulwark::sync {

namespace {

class part_circuit final : public circuit {
public:
  part_circuit(node& home, const std::string& name, const circuit_breaker_policy& policy)
      : system_(home.system()), name_(name), part_(home.circuit_breaker(name, policy)) {
    const auto* breaker =
        dynamic_cast<circuit_breaker_actor*>(caf::actor_cast<caf::abstract_actor*>(part_));
    view_ = breaker->view();
    books_->mark = breaker->holders_mark();
    books_->failure_on = policy.failure_on;
    take_limits(books_->limits, limits_of(policy));
    envoy_ = system_.spawn<circuit_envoy>(caf::actor_cast<caf::strong_actor_ptr>(part_), books_);
    // An error: the part has ended already. The first call will say so.
    static_cast<void>(ask<void>(system_, envoy_, attach_atom_v));
  }

  ~part_circuit() override {
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(envoy_), shutdown_atom_v);
  }

  admitted admit() override {
    auto times = false;
    {
      std::lock_guard guard{books_->mutex};
      books_->mark->set();
      ++books_->calls.calls;
      ++books_->calls.in_flight;
      times = books_->limits.outcomes != nullptr;
    }
    return {leave(), times ? now() : instant{}};
  }

  permit leave() {
    if (part_has_ended())
      refuse({.why = errc::shutting_down});
    const auto seen = view_->read();
    switch (seen.state) {
    case circuit_state::closed:
      if (seen.ramping)
        refuse_by_ramp();
      [[fallthrough]];
    case circuit_state::disabled:
    case circuit_state::metrics_only:
      return {.generation = seen.generation, .probe = 0};
    case circuit_state::forced_open:
      refuse({.why = errc::circuit_open});
    case circuit_state::open:
      if (const auto from = view_->probes_from(), at = now(); at < from)
        refuse({.why = errc::circuit_open,
                .retry_after = from == end_of_time ? timespan{0} : from - at});
      break;
    case circuit_state::half_open:
      break;
    }
    return ask_probe();
  }

  void succeeded(const admitted& leave) override {
    const auto& held = leave.held;
    // To a closed breaker a success matters at once only after a failure, whose row it ends.
    const auto at_once = held.probe != 0 || view_->read().failing;
    auto slow = false;
    std::optional<success_batch> due;
    std::optional<success_batch> with_this;
    {
      std::lock_guard guard{books_->mutex};
      books_->mark->set();
      --books_->calls.in_flight;
      ++books_->calls.succeeded;
      slow = was_slow(leave);
      if (const auto& how = books_->limits.outcomes; how && !at_once) {
        due = books_->successes.add(*how, held.generation, slow, now());
        if (slow)
          with_this = books_->successes.take();
      }
    }
    if (at_once)
      report({.held = held, .failed = false, .slow = slow});
    tell_successes(due);
    tell_successes(with_this);
  }

  void failed(const admitted& leave, const caf::error& reason) override {
    const auto& held = leave.held;
    const auto it_counts = counts(failure_on(), reason);
    outcome_report outcome{.held = held};
    std::optional<success_batch> before;
    {
      std::lock_guard guard{books_->mutex};
      books_->mark->set();
      outcome.failed = settle(books_->calls, reason, it_counts);
      outcome.slow = reason == errc::timed_out || was_slow(leave);
      if (books_->limits.tells_retry_after)
        outcome.retry_after = retry_after_of(reason).value_or(timespan{0});
      if (outcome.failed)
        before = books_->successes.take();
    }
    tell_successes(before);
    if (outcome.failed || held.probe != 0 || outcome.retry_after > timespan{0})
      report(outcome);
  }

  void tell(circuit_command command) override {
    switch (command) {
    case circuit_command::record_success:
      return require(ask<void>(system_, part_, record_success_atom_v));
    case circuit_command::record_failure:
      return require(ask<void>(system_, part_, record_failure_atom_v));
    case circuit_command::reset:
      return require(ask<void>(system_, part_, reset_atom_v));
    case circuit_command::force_open:
      return require(ask<void>(system_, part_, force_open_atom_v));
    case circuit_command::disable:
      return require(ask<void>(system_, part_, disable_atom_v));
    case circuit_command::metrics_only:
      return require(ask<void>(system_, part_, metrics_only_atom_v));
    }
  }

  circuit_state state() override {
    const auto seen = view_->read().state;
    return seen == circuit_state::open && now() >= view_->probes_from() ? circuit_state::half_open
                                                                        : seen;
  }

  circuit_breaker_stats stats() override {
    return require(ask<circuit_breaker_stats>(system_, part_, get_stats_atom_v));
  }

private:
  caf::actor_system& system_;
  const std::string name_;
  const caf::actor part_;
  std::shared_ptr<const circuit_view> view_;
  const std::shared_ptr<shared_books> books_ = std::make_shared<shared_books>();
  caf::actor envoy_;

  [[nodiscard]] instant now() const { return instant{system_.clock().now().time_since_epoch()}; }

  [[nodiscard]] error_predicate failure_on() const {
    std::lock_guard guard{books_->mutex};
    return books_->failure_on;
  }

  /// Requires: the books are locked.
  [[nodiscard]] bool was_slow(const admitted& leave) const {
    const auto& how = books_->limits.outcomes;
    return how && how->slow_call_duration && leave.began != instant{}
           && now() - leave.began >= *how->slow_call_duration;
  }

  // Nobody waits for it: it decides about nothing but shares.
  void tell_successes(const std::optional<success_batch>& batch) {
    if (batch)
      compat::tell(caf::actor_cast<caf::strong_actor_ptr>(part_), *batch);
  }

  void refuse_by_ramp() {
    const auto ramp = view_->ramp();
    const auto at = now();
    auto among_the_first = false;
    {
      std::lock_guard guard{books_->mutex};
      among_the_first = books_->random.unit() < ramp.share(at);
    }
    if (!among_the_first)
      refuse({.why = errc::circuit_open, .retry_after = std::max(ramp.end() - at, timespan{0})});
  }

  permit ask_probe() {
    auto answer = ask<probe_decision>(system_, envoy_, probe_request{});
    if (!answer.value)
      refuse({.why = errc::shutting_down});
    if (!answer.value->granted)
      refuse(answer.value->refused);
    return answer.value->given;
  }

  // Waits until the breaker has heard it: who fails once too often must find the circuit open.
  void report(const outcome_report& outcome) {
    static_cast<void>(ask<void>(system_, part_, outcome));
  }

  // The view of a breaker that has ended says for ever what it said last.
  [[nodiscard]] bool part_has_ended() const {
    return compat::has_ended(caf::actor_cast<caf::strong_actor_ptr>(part_));
  }

  [[noreturn]] void refuse(const rejection& why) {
    {
      std::lock_guard guard{books_->mutex};
      books_->mark->set();
      --books_->calls.in_flight;
      ++books_->calls.rejected;
    }
    throw circuit_breaker_error{why.why, {.part = name_, .retry_after = why.retry_after}};
  }

  template <class T>
  T require(answer_to<T> answer) {
    if (!answer.value)
      throw circuit_breaker_error{errc::shutting_down, {.part = name_}};
    if constexpr (!std::is_void_v<T>)
      return std::move(*answer.value);
  }
};

} // namespace

std::unique_ptr<circuit> make_part_circuit(node& home, const std::string& name,
                                           const circuit_breaker_policy& policy) {
  return std::make_unique<part_circuit>(home, name, policy);
}

} // namespace bulwark::sync
