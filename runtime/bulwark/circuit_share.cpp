#include "bulwark/circuit_share.hpp"

#include <algorithm>

namespace bulwark {

namespace {

/// From another node anything may come.
bool makes_no_sense(const circuit_word& word) {
  return word.probes_in < timespan{0} || word.probes_in > longest_timespan
         || !find_mistakes(word.policy).empty()
         || !find_mistakes(sharing_policy{.lease_time = word.lease_time}).empty();
}

} // namespace

circuit_share::circuit_share(circuit_breaker& own, circuit_share_effects& effects,
                             owner_lost when_lost, instant now)
    : own_(own),
      effects_(effects),
      when_lost_(when_lost),
      join_by_(saturating_add(now, default_lease_time)),
      own_generation_(own.generation()) {
  begin();
}

void circuit_share::begin() {
  lease_.begin();
  leased_ = false;
  last_word_ = 0;
  owner_generation_ = 0;
  last_ = {};
}

void circuit_share::on_line(bool up, instant now) {
  line_up_ = up;
  if (leased_)
    lose(now);
  if (up)
    report(now);
}

void circuit_share::lose(instant now) {
  begin();
  lost_ = true;
  switch (when_lost_) {
  case owner_lost::local:
    // What an operator has said holds, until the owner says something else.
    if (own_.state() == circuit_state::open || own_.state() == circuit_state::half_open)
      own_.stop_following(transition_cause::owner_lost, now);
    break;
  case owner_lost::fail_open:
    own_.follow(circuit_state::disabled, timespan{0}, transition_cause::owner_lost, now);
    break;
  case owner_lost::fail_closed:
    own_.follow(circuit_state::forced_open, timespan{0}, transition_cause::owner_lost, now);
    break;
  }
}

void circuit_share::on_word(const circuit_word& word, instant now) {
  if (makes_no_sense(word))
    return;
  if (!lease_.renew(word.answers, word.lease_time) || lease_.until() <= now)
    return;
  if (word.closed_down) {
    if (leased_)
      lose(now);
    return;
  }
  if (word.number <= last_word_)
    return; // overtaken by a later one
  last_word_ = word.number;
  leased_ = true;
  lost_ = false;
  if (word.policy != own_.policy())
    effects_.policy_changed(word.policy);
  owner_generation_ = word.generation;
  // What the node has found out itself is its own, as long as the owner says nothing. What an operator
  // said here while the owner was away ends: from now on he says it to the owner, and for all.
  const auto by_hand = own_.state() == circuit_state::forced_open
                       || own_.state() == circuit_state::disabled
                       || own_.state() == circuit_state::metrics_only;
  if (word.state != circuit_state::closed || own_.following() || by_hand)
    own_.follow(word.state, word.probes_in, transition_cause::owner_said, now);
  on_change(now);
}

void circuit_share::on_change(instant now) {
  if ((leased_ && lease_.until() <= now) || (!leased_ && !lost_ && join_by_ <= now))
    lose(now);
  count_trip();
  const auto tripped = !own_.following() && own_.state() != circuit_state::closed;
  const auto news =
      leased_
      && (last_.trips != trips_ || tripped != last_.tripped || last_.seen != owner_generation_);
  if (line_up_ && (news || lease_.report_due() <= now))
    report(now);
}

void circuit_share::count_trip() noexcept {
  if (own_.generation() == own_generation_)
    return;
  own_generation_ = own_.generation();
  if (!own_.following() && own_.state() == circuit_state::open)
    ++trips_;
}

instant circuit_share::due() const noexcept {
  const auto ends = leased_ ? lease_.until() : lost_ ? end_of_time : join_by_;
  return line_up_ ? std::min(ends, lease_.report_due()) : ends;
}

void circuit_share::report(instant now) {
  last_ = {.stamp = lease_.stamp(now),
           .trips = trips_,
           .tripped = !own_.following() && own_.state() != circuit_state::closed,
           .seen = owner_generation_};
  effects_.report(last_);
}

std::optional<permit> circuit_share::to_own(const permit& owners) const noexcept {
  if (!owner_decides() || owners.generation != owner_generation_)
    return std::nullopt;
  return permit{.generation = own_.generation(), .probe = owners.probe};
}

std::optional<permit> circuit_share::to_owners(const permit& own) const noexcept {
  if (!owner_decides() || own.probe == 0 || own.generation != own_.generation())
    return std::nullopt;
  return permit{.generation = owner_generation_, .probe = own.probe};
}

} // namespace bulwark
