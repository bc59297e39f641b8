#include "bulwark/shared_circuit.hpp"

#include <algorithm>
#include <vector>

namespace bulwark {

shared_circuit::shared_circuit(const circuit_breaker_limits& policy, const sharing_policy& sharing,
                               shared_circuit_effects& effects, circuit_observer& observer,
                               instant now, std::uint64_t seed)
    : all_(policy, observer, now, seed), sharing_(sharing), effects_(effects) {}

// -- what nodes say -----------------------------------------------------------------------

void shared_circuit::on_report(node_key node, const circuit_report& report, instant now) {
  on_tick(now);
  if (report.stamp.session == 0)
    return; // makes no sense
  auto& of = nodes_[node];
  if (report.stamp <= of.heard.stamp)
    return; // overtaken by a later one
  if (report.stamp.session != of.heard.stamp.session)
    of.heard.trips = report.trips; // what was before it came is over
  const auto tripped_now = report.trips > of.heard.trips && report.seen == all_.generation();
  of.heard = report;
  of.until = saturating_add(now, sharing_.lease_time);
  check_at_ = std::min(check_at_, of.until);
  trip_if_enough(tripped_now, report.tripped, now);
  tell_transition(now);
  say(node, nodes_.at(node), now); // an answer is due, whatever it says
}

void shared_circuit::trip_if_enough(bool tripped_now, bool tripped, instant now) {
  if (all_.state() != circuit_state::closed)
    return;
  if (sharing_.trips_for == trip_scope::any && tripped_now)
    all_.trip(transition_cause::nodes_tripped, now);
  if (sharing_.trips_for != trip_scope::quorum || !tripped)
    return; // counting over all nodes: not at each heartbeat of the healthy
  const auto open = std::count_if(nodes_.begin(), nodes_.end(), [this](const auto& each) {
    return each.second.heard.tripped && each.second.heard.seen == all_.generation();
  });
  if (2 * static_cast<std::size_t>(open) > nodes_.size())
    all_.trip(transition_cause::nodes_tripped, now);
}

void shared_circuit::lose(node_key node, instant now) {
  nodes_.erase(node); // or it was silent for too long, and has asked for a probe since
  for (auto i = probes_.begin(); i != probes_.end();) {
    if (i->second.second == node) {
      all_.on_cancelled(i->second.first, now);
      i = probes_.erase(i);
    } else {
      ++i;
    }
  }
}

// -- probes ---------------------------------------------------------------------------------

admission shared_circuit::admit(node_key node, instant now, instant hold_until) {
  auto result = all_.admit(now, hold_until);
  tell_transition(now);
  if (const auto* given = std::get_if<permit>(&result); given != nullptr && given->probe != 0)
    probes_[given->probe] = {*given, node};
  return result;
}

void shared_circuit::on_outcome(const permit& held, const attempt_outcome& how, instant now) {
  const auto i = probes_.find(held.probe);
  if (i == probes_.end() || i->second.first != held)
    return; // of an earlier generation, or nobody's
  probes_.erase(i);
  all_.on_outcome(held, how, now);
  tell_transition(now);
}

// -- time -------------------------------------------------------------------------------------

void shared_circuit::on_tick(instant now) {
  all_.on_tick(now);
  tell_transition(now);
  if (now < check_at_)
    return;
  check_at_ = end_of_time;
  std::vector<node_key> silent;
  for (const auto& [node, of] : nodes_) {
    if (of.until <= now)
      silent.push_back(node);
    else
      check_at_ = std::min(check_at_, of.until);
  }
  for (auto node : silent)
    lose(node, now);
}

instant shared_circuit::due() const noexcept {
  return std::min(all_.due(), check_at_);
}

// -- the operator -------------------------------------------------------------------------------

void shared_circuit::force_open(instant now) {
  all_.force_open(now);
  tell_transition(now);
}

void shared_circuit::disable(instant now) {
  all_.disable(now);
  tell_transition(now);
}

void shared_circuit::metrics_only(instant now) {
  all_.metrics_only(now);
  tell_transition(now);
}

void shared_circuit::reset(instant now) {
  all_.reset(now);
  tell_transition(now);
}

void shared_circuit::change_policy(const circuit_breaker_limits& policy, instant now) {
  all_.change_policy(policy, now);
  for (auto& [node, of] : nodes_)
    say(node, of, now);
}

void shared_circuit::close(instant now) {
  for (auto& [node, of] : nodes_)
    say(node, of, now, true);
}

// -- what is told ---------------------------------------------------------------------------------

void shared_circuit::tell_transition(instant now) {
  if (told_generation_ == all_.generation())
    return;
  told_generation_ = all_.generation();
  probes_.clear(); // of an earlier generation
  for (auto& [node, of] : nodes_)
    say(node, of, now);
}

void shared_circuit::say(node_key node, const member& to, instant now, bool closed_down) {
  const auto from = all_.due(); // in open, when probes are let through
  const auto open = all_.state() == circuit_state::open;
  effects_.say(node, {.answers = to.heard.stamp,
                      .number = ++words_,
                      .closed_down = closed_down,
                      .state = all_.state(),
                      .generation = all_.generation(),
                      .probes_in = open && from > now ? from - now : timespan{0},
                      .policy = all_.policy(),
                      .lease_time = sharing_.lease_time});
}

} // namespace bulwark
