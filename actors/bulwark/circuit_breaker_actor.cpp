#include "bulwark/circuit_breaker_actor.hpp"

#include "bulwark/supervisor_actor.hpp"

#include <utility>

// Longer than 200 lines: a breaker answers twenty messages, and each is a line of its table.

namespace bulwark {

circuit_breaker_actor::circuit_breaker_actor(caf::actor_config& config, settings init)
    : caf::event_based_actor(config),
      self_(std::move(init)),
      core_(limits_of(self_.policy), *this, now()) {
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
  return {
      [this](const probe_request& request) { decide(request); },
      [this](const outcome_report& report) { take_outcome(report); },
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
      [this](record_success_atom) {
        core_.record_success(now());
        after_event();
      },
      [this](record_failure_atom) {
        core_.record_failure(now());
        after_event();
      },
      [this](reset_atom) {
        core_.reset(now());
        after_event();
      },
      [this](force_open_atom) {
        core_.force_open(now());
        after_event();
      },
      [this](disable_atom) {
        core_.disable(now());
        after_event();
      },
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
  };
}

void circuit_breaker_actor::on_down(const caf::actor_addr& whom) {
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

void circuit_breaker_actor::decide(const probe_request& request) {
  const auto at = now();
  const auto hold_until =
      request.hold_for == unbounded ? end_of_time : saturating_add(at, request.hold_for);
  const auto decision = core_.admit(at, hold_until);
  probe_decision answer{.attempt = request.attempt};
  if (const auto* given = std::get_if<permit>(&decision)) {
    answer.granted = true;
    answer.given = *given;
    if (given->probe != 0)
      probes_[given->probe] = {*given, caf::actor_cast<caf::actor_addr>(current_sender())};
  } else {
    answer.refused = std::get<rejection>(decision);
  }
  after_event();
  compat::deliver(current_sender(), ctrl(), caf::make_message_id(), caf::make_message(answer),
                  context());
}

void circuit_breaker_actor::take_outcome(const outcome_report& report) {
  probes_.erase(report.held.probe);
  if (!report.failed)
    core_.on_cancelled(report.held, now());
  else if (*report.failed)
    core_.on_failure(report.held, now());
  else
    core_.on_success(report.held, now());
  after_event();
}

caf::result<void> circuit_breaker_actor::change_policy(const circuit_breaker_policy& policy) {
  if (const auto mistakes = find_mistakes(limits_of(policy)); !mistakes.empty())
    return make_failure(errc::invalid_policy,
                        {.part = self_.name, .last_error = to_string(mistakes)});
  {
    std::lock_guard guard{policy_mutex_};
    self_.policy = policy;
  }
  core_.change_policy(limits_of(policy), now());
  for (const auto& holder : holders_.addresses())
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(holder), change_policy_atom_v, policy);
  after_event();
  return caf::unit;
}

void circuit_breaker_actor::after_event() {
  core_.publish(*view_);
  if (const auto due = core_.due(); due < armed_) {
    armed_ = due;
    compat::deliver(self_.timeout_manager, ctrl(), caf::make_message_id(),
                    caf::make_message(wake_request{.at = due.time_since_epoch()}), context());
  }
}

void circuit_breaker_actor::on_transition(const circuit_transition& change) {
  ++transitions_;
  probes_.clear(); // of an earlier generation: nothing to be given back
  const circuit_event event{.name = self_.name,
                            .from = change.from,
                            .to = change.to,
                            .why = change.why,
                            .when = change.when.time_since_epoch(),
                            .generation = change.generation,
                            .failures = change.failures,
                            .successes = change.successes};
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(self_.registry), event);
  subscribers_.tell(event);
}

caf::actor circuit_breaker_actor::supervisor() {
  if (!supervisor_) {
    supervisor_ = spawn<supervisor_actor>(supervisor_actor::settings{
        .name = self_.name,
        .limits = {.breaker = true},
        .failure_on = self_.policy.failure_on,
        .breaker_name = self_.name,
        .breaker = caf::weak_actor_ptr{ctrl()},
        .view = view_,
        .timeout_manager = self_.timeout_manager,
    });
  }
  return supervisor_;
}

circuit_breaker_stats circuit_breaker_actor::stats() const {
  return {.name = self_.name,
          .state = core_.state(),
          .generation = core_.generation(),
          .failures = core_.failures(),
          .successes = core_.successes(),
          .probes = core_.probes(),
          .transitions = transitions_,
          .calls = holders_.total(&books_report::breaker)};
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

void circuit_breaker_actor::on_exit() {
  // A target that never replies must not keep the supervisor, and with it the actor system, alive.
  if (supervisor_)
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(supervisor_), shutdown_atom_v);
  supervisor_ = nullptr;
}

} // namespace bulwark
