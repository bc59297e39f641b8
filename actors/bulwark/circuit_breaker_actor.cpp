#include "bulwark/circuit_breaker_actor.hpp"

#include "bulwark/supervisor_actor.hpp"

#include <algorithm>
#include <utility>

// Longer than 200 lines: a breaker answers twenty messages, and each is a line of its table.

namespace bulwark {

circuit_breaker_actor::circuit_breaker_actor(caf::actor_config& config, settings init)
    : marked_actor(config),
      self_(std::move(init)),
      core_(limits_of(self_.policy), *this, now(), id() * 0x9e3779b97f4a7c15U) {
  if (self_.of)
    delegate_ = std::make_unique<circuit_delegate>(
        this, core_, std::move(self_.of->line), self_.of->when_lost,
        [this](const circuit_breaker_limits& said) {
          apply_policy(with_predicate(said, self_.policy.failure_on));
        },
        now());
  core_.publish(*view_);
}

const char* circuit_breaker_actor::name() const {
  return "bulwark.circuit_breaker";
}

instant circuit_breaker_actor::now() const {
  return instant{home_system().clock().now().time_since_epoch()};
}

// Longer than 40 lines: the table of all that it answers.
caf::behavior circuit_breaker_actor::make_behavior() {
  compat::ignore_errors(this);
  compat::set_down_handler(this, [this](const caf::down_msg& down) { on_down(down.source); });
  if (delegate_) {
    delegate_->line().open();
    change_line(delegate_->line().up());
  }
  return marking({
      [this](const probe_request& request) {
        if (!delegate_ || !delegate_->ask(request, current_sender()))
          decide(request, current_sender());
        after_event();
      },
      [this](const circuit_word& word) {
        if (delegate_)
          delegate_->share().on_word(word, now());
        after_event();
      },
      [this](const circuit_probe_answer& answer) {
        if (delegate_)
          delegate_->take_answer(answer);
      },
      [this](const door_change& change) {
        if (delegate_ && delegate_->line().change(change.door))
          change_line(true);
      },
      [this](const outcome_report& report) { take_outcome(report); },
      [this](const success_batch& batch) {
        core_.on_successes(batch, now());
        after_event();
      },
      [this](wake_up_atom) {
        armed_ = end_of_time;
        core_.on_tick(now());
        after_event();
      },
      [this](attach_atom) {
        compat::watch(this, current_sender());
        holders_.attach(caf::actor_cast<caf::actor_addr>(current_sender()));
        compat::tell(current_sender(), change_policy_atom_v, self_.policy);
      },
      [this](const books_report& report) { holders_.on_report(report); },
      [this](call_atom, const caf::actor& target, const caf::message& content) {
        return compat::forward(this, supervisor(), caf::make_message(call_atom_v, target, content));
      },
      [this](state_atom) { return core_.state(); },
      [this](is_open_atom) {
        return core_.state() == circuit_state::open || core_.state() == circuit_state::forced_open;
      },
      [this](is_closed_atom) { return core_.state() == circuit_state::closed; },
      [this](is_half_open_atom) { return core_.state() == circuit_state::half_open; },
      [this](record_success_atom) { record(true, timespan{0}); },
      [this](record_success_atom, timespan took) { record(true, took); },
      [this](record_failure_atom) { record(false, timespan{0}); },
      [this](record_failure_atom, timespan took) { record(false, took); },
      [this](reset_atom) { command(circuit_state::closed); },
      [this](force_open_atom) { command(circuit_state::forced_open); },
      [this](disable_atom) { command(circuit_state::disabled); },
      [this](metrics_only_atom) { command(circuit_state::metrics_only); },
      [this](subscribe_atom) { subscribers_.add_sender(this); },
      [this](unsubscribe_atom) {
        subscribers_.remove_sender(
            this, holders_.contains(caf::actor_cast<caf::actor_addr>(current_sender())));
      },
      [this](change_policy_atom, const circuit_breaker_policy& policy) {
        return change_policy(policy);
      },
      [this](const stats_request& request) {
        auto asker = current_sender();
        holders_.gather(
            this, [this, request, asker] { compat::tell(asker, request, address(), stats()); });
      },
      [this](get_stats_atom) {
        auto promise = make_response_promise();
        holders_.gather(this, [this, promise]() mutable { promise.deliver(stats()); });
        return promise;
      },
      [this](shutdown_atom) { return shut_down(false); },
      [this](shutdown_atom, bool wait) { return shut_down(wait); },
  });
}

void circuit_breaker_actor::change_line(bool up) {
  delegate_->share().on_line(up, now());
  after_event();
}

void circuit_breaker_actor::on_down(const caf::actor_addr& whom) {
  set_marks();
  if (delegate_) {
    if (delegate_->line().on_down(whom))
      delegate_->share().on_line(false, now());
    delegate_->lose(whom);
  }
  subscribers_.on_down(whom);
  holders_.on_down(whom);
  for (auto i = probes_.begin(); i != probes_.end();) {
    const auto& [held, holder] = i->second;
    if (holder == whom) {
      core_.on_cancelled(held, now());
      i = probes_.erase(i);
    } else {
      ++i;
    }
  }
  if (supervisor_ && whom == supervisor_) {
    supervisor_ = nullptr;
    for (auto& promise : shutdowns_)
      promise.deliver(caf::unit);
    if (!shutdowns_.empty())
      quit(caf::exit_reason::user_shutdown);
  }
  after_event();
}

void circuit_breaker_actor::decide(const probe_request& request,
                                   const caf::strong_actor_ptr& asker) {
  const auto at = now();
  const auto hold_until =
      request.hold_for == unbounded ? end_of_time : saturating_add(at, request.hold_for);
  const auto decision = core_.admit(at, hold_until);
  probe_decision answer{.attempt = request.attempt};
  if (const auto* given = std::get_if<permit>(&decision)) {
    answer.granted = true;
    answer.given = *given;
    if (given->probe != 0)
      probes_[given->probe] = {*given, caf::actor_cast<caf::actor_addr>(asker)};
  } else {
    answer.refused = std::get<rejection>(decision);
  }
  core_.publish(*view_); // before the answer: who has it may look
  compat::deliver(asker, ctrl(), caf::make_message_id(), caf::make_message(answer), context());
}

void circuit_breaker_actor::take_outcome(const outcome_report& report) {
  if (delegate_ && delegate_->tell(report)) {
    after_event();
    return;
  }
  probes_.erase(report.held.probe);
  core_.on_outcome(report.held, outcome_of(report), now());
  after_event();
}

void circuit_breaker_actor::record(bool success, timespan took) {
  if (success)
    core_.record_success(now(), took);
  else
    core_.record_failure(now(), took);
  after_event();
}

/// Where nodes share the circuit, an operator's word is for all of them.
void circuit_breaker_actor::command(circuit_state wish) {
  if (!delegate_ || !delegate_->command(wish)) {
    if (wish == circuit_state::closed)
      core_.reset(now());
    else if (wish == circuit_state::forced_open)
      core_.force_open(now());
    else if (wish == circuit_state::metrics_only)
      core_.metrics_only(now());
    else
      core_.disable(now());
  }
  after_event();
}

caf::result<void> circuit_breaker_actor::change_policy(const circuit_breaker_policy& policy) {
  if (delegate_)
    return make_failure(errc::invalid_policy,
                        {.part = self_.name, .last_error = "the policy is its owner's to change"});
  if (const auto mistakes = find_mistakes(limits_of(policy)); !mistakes.empty())
    return make_failure(errc::invalid_policy,
                        {.part = self_.name, .last_error = to_string(mistakes)});
  apply_policy(policy);
  after_event();
  return caf::unit;
}

void circuit_breaker_actor::apply_policy(const circuit_breaker_policy& policy) {
  {
    std::lock_guard guard{policy_mutex_};
    self_.policy = policy;
  }
  core_.change_policy(limits_of(policy), now());
  for (const auto& holder : holders_.addresses())
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(holder), change_policy_atom_v, policy);
}

void circuit_breaker_actor::after_event() {
  auto due = core_.due();
  if (delegate_) {
    delegate_->share().on_change(now());
    for (const auto& [request, asker] : delegate_->left_over())
      decide(request, asker);
    due = std::min(core_.due(), delegate_->share().due());
  }
  core_.publish(*view_);
  if (due < armed_) {
    armed_ = due;
    compat::deliver(self_.timeout_manager, ctrl(), caf::make_message_id(),
                    caf::make_message(wake_request{.at = due.time_since_epoch()}), context());
  }
}

void circuit_breaker_actor::on_transition(const circuit_transition& change) {
  ++transitions_;
  cause_ = change.why;
  trips_ += is_trip(change) ? 1 : 0;
  probes_.clear(); // of an earlier generation: nothing to be given back
  const auto event = event_of(self_.name, change);
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(self_.registry), event);
  subscribers_.tell(event);
}

caf::actor circuit_breaker_actor::supervisor() {
  if (!supervisor_) {
    supervisor_limits limits{.breaker = true};
    take_limits(limits, limits_of(self_.policy));
    supervisor_ = spawn<supervisor_actor>(supervisor_actor::settings{
        .name = self_.name,
        .limits = limits,
        .failure_on = self_.policy.failure_on,
        .breaker_name = self_.name,
        .breaker = caf::weak_actor_ptr{ctrl()},
        .view = view_,
        .marks = {holders_.mark()},
        .timeout_manager = self_.timeout_manager,
    });
  }
  return supervisor_;
}

circuit_breaker_stats circuit_breaker_actor::stats() const {
  auto result = stats_of(core_, now());
  result.name = self_.name;
  result.transitions = transitions_;
  result.calls = holders_.total(&books_report::breaker);
  result.window = core_.window();
  result.trips = trips_;
  result.cause = cause_;
  return result;
}

/// Whoever called through the breaker gets its answer first: the target's where `wait`, else
/// errc::shutting_down.
caf::response_promise circuit_breaker_actor::shut_down(bool wait) {
  auto promise = make_response_promise();
  if (supervisor_) {
    shutdowns_.push_back(promise);
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(supervisor_), shutdown_atom_v, wait);
  } else {
    promise.deliver(caf::unit);
    quit(caf::exit_reason::user_shutdown);
  }
  return promise;
}

bool circuit_breaker_actor::clear_marks() noexcept {
  const auto holders_counted = holders_.mark()->clear();
  return marked_actor::clear_marks() || holders_counted;
}

void circuit_breaker_actor::on_exit() {
  // A target that never replies must not keep the supervisor, and with it the actor system, alive.
  if (supervisor_)
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(supervisor_), shutdown_atom_v);
  supervisor_ = nullptr;
  if (delegate_)
    delegate_->line().close();
}

} // namespace bulwark
