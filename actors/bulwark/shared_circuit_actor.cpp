#include "bulwark/shared_circuit_actor.hpp"

#include <utility>
#include <variant>

// Longer than 200 lines: what a breaker answers, and what nodes say to its owner.

namespace bulwark {

shared_circuit_actor::shared_circuit_actor(caf::actor_config& config, settings init)
    : caf::event_based_actor(config),
      self_(std::move(init)),
      core_(self_.policy, self_.sharing, *this, *this, now(), id() * 0x9e3779b97f4a7c15U) {}

const char* shared_circuit_actor::name() const {
  return "bulwark.shared_circuit";
}

instant shared_circuit_actor::now() const {
  return instant{home_system().clock().now().time_since_epoch()};
}

// Longer than 40 lines: the table of all that it answers.
caf::behavior shared_circuit_actor::make_behavior() {
  compat::ignore_errors(this);
  compat::set_down_handler(this, [this](const caf::down_msg& down) { on_down(down.source); });
  return {
      [this](const std::string&, const circuit_report& report) {
        with_sender([&](node_key from) { core_.on_report(from, report, now()); });
      },
      [this](const std::string&, const circuit_probe_request& request) {
        with_sender([&](node_key from) {
          const auto at = now();
          const auto until =
              request.hold_for == unbounded ? end_of_time : saturating_add(at, request.hold_for);
          const auto decision = core_.admit(from, at, until);
          circuit_probe_answer answer{.number = request.number};
          if (const auto* given = std::get_if<permit>(&decision)) {
            answer.granted = true;
            answer.given = *given;
          } else {
            answer.refused = std::get<rejection>(decision);
          }
          compat::deliver(current_sender(), nullptr, caf::make_message_id(),
                          caf::make_message(answer), context());
        });
      },
      [this](const std::string&, const outcome_report& report) {
        core_.on_outcome(report.held, outcome_of(report), now());
        after_event();
      },
      [this](const std::string&, const circuit_command& said) { command(said.wish); },
      [this](wake_up_atom) {
        armed_ = end_of_time;
        core_.on_tick(now());
        after_event();
      },
      [this](state_atom) { return core_.circuit().state(); },
      [this](force_open_atom) { command(circuit_state::forced_open); },
      [this](disable_atom) { command(circuit_state::disabled); },
      [this](metrics_only_atom) { command(circuit_state::metrics_only); },
      [this](reset_atom) { command(circuit_state::closed); },
      [this](subscribe_atom) { subscribers_.add_sender(this); },
      [this](unsubscribe_atom) {
        subscribers_.remove_sender(this, nodes_.contains(current_sender()));
      },
      [this](change_policy_atom, const circuit_breaker_policy& policy) {
        return change_policy(policy);
      },
      [this](const stats_request& request) {
        compat::tell(current_sender(), request, address(), stats());
      },
      [this](get_stats_atom) { return stats(); },
      [this](shutdown_atom) { shut_down(); },
      [this](shutdown_atom, bool) { shut_down(); },
  };
}

/// Calls `f` with the node whose part sent the message.
template <class F>
void shared_circuit_actor::with_sender(F f) {
  if (const auto from = nodes_.of_sender(this))
    f(*from);
  after_event();
}

void shared_circuit_actor::on_down(const caf::actor_addr& whom) {
  subscribers_.on_down(whom);
  if (const auto lost = nodes_.on_down(whom))
    core_.lose(*lost, now());
  after_event();
}

void shared_circuit_actor::after_event() {
  if (const auto due = core_.due(); due < armed_) {
    armed_ = due;
    compat::deliver(self_.timeout_manager, ctrl(), caf::make_message_id(),
                    caf::make_message(wake_request{.at = due.time_since_epoch()}), context());
  }
}

void shared_circuit_actor::say(node_key node, const circuit_word& word) {
  nodes_.tell(this, node, word);
}

void shared_circuit_actor::on_transition(const circuit_transition& change) {
  ++transitions_;
  cause_ = change.why;
  trips_ += is_trip(change) ? 1 : 0;
  const auto event = event_of(self_.name, change);
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(self_.registry), event);
  subscribers_.tell(event);
}

void shared_circuit_actor::command(circuit_state wish) {
  switch (wish) {
  case circuit_state::forced_open:
    core_.force_open(now());
    break;
  case circuit_state::disabled:
    core_.disable(now());
    break;
  case circuit_state::metrics_only:
    core_.metrics_only(now());
    break;
  case circuit_state::closed:
    core_.reset(now());
    break;
  case circuit_state::open:
  case circuit_state::half_open:
    return; // nobody's to say
  }
  after_event();
}

caf::result<void> shared_circuit_actor::change_policy(const circuit_breaker_policy& policy) {
  if (const auto mistakes = find_mistakes(limits_of(policy)); !mistakes.empty())
    return make_failure(errc::invalid_policy,
                        {.part = self_.name, .last_error = to_string(mistakes)});
  core_.change_policy(limits_of(policy), now());
  after_event();
  return caf::unit;
}

void shared_circuit_actor::shut_down() {
  quit(caf::exit_reason::user_shutdown);
}

/// The circuit that is for all nodes. Calls are in the books of the nodes that made them.
circuit_breaker_stats shared_circuit_actor::stats() const {
  auto result = stats_of(core_.circuit(), now());
  result.name = self_.name;
  result.transitions = transitions_;
  result.trips = trips_;
  result.cause = cause_;
  return result;
}

/// Whatever has ended it: another of the name counts its words anew, and nodes would take them for old.
void shared_circuit_actor::on_exit() {
  core_.close(now());
  nodes_.forget_all(this);
}

} // namespace bulwark
