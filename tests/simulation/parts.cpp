#include "simulation/world.hpp"

#include <algorithm>

namespace bulwark_simulation {

// -- a bulkhead -----------------------------------------------------------------------------

bulkhead_part::bulkhead_part(process& p, std::uint32_t i, const bulkhead_policy& policy)
    : home(p),
      index(i),
      core(policy, *this, stream_of(p.all.with.seed, p.incarnation, 200).next()) {
  if (index == 1)
    share.emplace(core, view, static_cast<bulkhead_share_effects&>(*this), p.all.when_lost,
                  p.now());
}

void bulkhead_part::tell_time() {
  if (core.needs_time())
    core.advance(home.now());
}

void bulkhead_part::ask(holder_id holder, attempt_id attempt, const call_class& as) {
  waiting.push({.who = {holder, ticket_of(attempt)},
                .importance = as.importance,
                .tenant = core.policy().fair_by_tenant ? as.tenant : 0,
                .since = home.now()});
  core.ask(holder, ticket_of(attempt), as);
}

void bulkhead_part::withdraw(holder_id holder, attempt_id attempt) {
  if (const auto place = waiting.find({holder, ticket_of(attempt)}); place < waiting.size())
    waiting.remove(place);
  core.withdraw(holder, ticket_of(attempt));
}

void bulkhead_part::change_policy(const bulkhead_policy& policy) {
  if (!core.needs_time()) // whoever waits for it waits from now on
    for (auto& each : waiting.all)
      each.since = home.now();
  core.advance(home.now());
  core.change_policy(policy);
}

void bulkhead_part::lose(holder_id holder) {
  tell_time();
  waiting.remove_all_of(holder);
  core.lose(holder);
  after_event();
}

void bulkhead_part::grant(holder_id holder, ticket_id ticket, std::uint32_t extra, bool keep) {
  const auto& policy = core.policy();
  const auto line = waiting.turn();
  const auto place = waiting.find({holder, ticket});
  const auto is_first = !line.empty() && place == line.front();
  const auto is_last = !line.empty() && place == line.back();
  if (!is_first && !(is_last && policy.shed && policy.shed->newest_first))
    home.all.violated("a bulkhead's queue is not in order", "node {}: guard {} went past",
                      home.index, holder);
  waiting.newest_first = !is_first;
  if (!waiting.empty())
    waiting.pop();
  if (core.leased() > core.limit())
    home.all.violated("a bulkhead has leased more than its limit", "node {}: {} of {}", home.index,
                      core.leased(), core.limit());
  // What was given before there was a lease is the owner's to hear of, and not to forbid.
  const auto alone = share && share->state() != bulkhead_share::mode::leased;
  if (auto* to = home.find(holder))
    home.post(me(), to->me(), [to, ticket, extra, keep, alone] {
      if (to->ended)
        return;
      to->calls[attempt_of(ticket).slot].granted_alone = alone;
      to->core.on_permit(attempt_of(ticket), extra, keep, to->home.now());
      to->check();
    });
}

void bulkhead_part::refuse(holder_id holder, ticket_id ticket, errc why) {
  const auto place = waiting.find({holder, ticket});
  if (std::exchange(shed, core.shed()) != shed) {
    const auto line = waiting.turn();
    if (line.empty() || place != line.front()
        || home.now() - waiting.all[place].since <= core.policy().shed->target)
      home.all.violated("a call is shed that has not waited too long", "node {}: guard {}",
                        home.index, holder);
  } else if (why == errc::bulkhead_full) {
    const auto may_go = waiting.last();
    if (std::find(may_go.begin(), may_go.end(), place) == may_go.end())
      home.all.violated("not the newest is refused", "node {}: guard {}", home.index, holder);
  }
  if (place < waiting.size())
    waiting.remove(place);
  if (auto* to = home.find(holder))
    home.post(me(), to->me(), [to, ticket, why] {
      if (to->ended)
        return;
      to->core.on_refused(attempt_of(ticket), why, to->home.now());
      to->check();
    });
}

void bulkhead_part::recall(holder_id holder, std::uint64_t round) {
  if (auto* to = home.find(holder))
    home.post(me(), to->me(), [this, to, round] {
      if (to->ended)
        return;
      const auto back = to->core.on_recall();
      home.post(to->me(), me(), [this, holder = to->id, round, back] {
        if (ended)
          return;
        tell_time();
        core.on_recalled(holder, round, back);
        after_event();
      });
    });
}

void bulkhead_part::report(const share_report& report) {
  home.session = report.stamp.session;
  home.all.transmit(home.index, true, [w = &home.all, from = home.here(), report] {
    if (auto* owner = w->owner())
      owner->hear(from, report);
  });
}

void bulkhead_part::policy_changed(const bulkhead_policy& policy) {
  for (auto& each : home.guards)
    if (each->bulkhead == this)
      home.post(me(), each->me(), [to = each.get(), policy] {
        to->settings.limits.queue_timeout = policy.queue_timeout;
      });
}

void bulkhead_part::after_event() {
  if (share) {
    const auto before = share->state();
    share->on_change(home.now());
    if (share->state() != before && share->state() == bulkhead_share::mode::lost)
      home.all.say(home, "its lease of the bulkhead is over");
    if (const auto due = share->due(); due < armed) {
      armed = due;
      home.post(me(), timeouts, [p = &home, whose = me(), due] { p->set_alarm(whose, due); });
    }
  }
  check();
}

void bulkhead_part::check() {
  auto& all = home.all;
  const auto& policy = core.policy();
  if (core.queued() != waiting.size())
    all.violated("a bulkhead has lost somebody who waits", "node {}: {} wait, there are {}",
                 home.index, waiting.size(), core.queued());
  if (share)
    return; // what may wait is the owner's to say
  if (core.free() > 0 && core.queued() > 0)
    all.violated("calls wait while permits are free", "node {}", home.index);
  if (core.limit() > policy.max_workers
      || core.limit() < (policy.adaptive ? policy.adaptive->floor : policy.max_workers))
    all.violated("a limit is out of its bounds", "node {}: {}", home.index, core.limit());
  if (core.settled() && core.queued() > policy.queue_size)
    all.violated("more wait than may", "node {}: {} of {}", home.index, core.queued(),
                 policy.queue_size);
}

// -- a circuit breaker ------------------------------------------------------------------------

circuit_part::circuit_part(process& p, std::uint32_t i, const circuit_breaker_limits& policy)
    : home(p),
      index(i),
      core(policy, *this, p.now(), stream_of(p.all.with.seed, p.incarnation, 100 + i).next()) {
  if (index == 1)
    share.emplace(core, static_cast<circuit_share_effects&>(*this), p.all.when_lost, p.now());
  core.publish(view);
}

void circuit_part::ask(const question& by) {
  if (share && share->owner_decides()) {
    asked[++last_question] = by;
    home.all.transmit(
        home.index, true,
        [w = &home.all, from = home.here(), number = last_question, hold_for = by.hold_for] {
          if (auto* owner = w->owner())
            owner->probe(from, number, hold_for);
        });
  } else {
    decide(by);
  }
  after_event();
}

void circuit_part::decide(const question& by) {
  const auto now = home.now();
  const auto hold_until =
      by.hold_for == timespan::max() ? end_of_time : saturating_add(now, by.hold_for);
  const auto before = core.probes();
  const auto decision = core.admit(now, hold_until);
  if (core.probes() > before && core.probes() > core.policy().half_open_calls)
    home.all.violated("more probes than permitted", "node {}: {}", home.index, core.probes());
  if (const auto* held = std::get_if<permit>(&decision); held != nullptr && held->probe != 0)
    probes[held->probe] = {*held, by.holder};
  core.publish(view);
  if (auto* to = home.find(by.holder))
    home.post(me(), to->me(), [to, attempt = by.attempt, decision] {
      if (to->ended)
        return;
      to->core.on_probe(attempt, decision, to->home.now());
      to->check();
    });
}

void circuit_part::answered(std::uint64_t number, const admission& by_owner) {
  const auto i = asked.find(number);
  const auto* granted = std::get_if<permit>(&by_owner);
  const auto own = granted != nullptr ? share->to_own(*granted) : std::nullopt;
  if (granted != nullptr && (i == asked.end() || !own)) // nobody can use it any more
    home.all.transmit(home.index, true, [w = &home.all, held = *granted] {
      if (auto* owner = w->owner())
        owner->outcome(held, {});
    });
  if (i == asked.end())
    return;
  const auto by = i->second;
  asked.erase(i);
  if (own && own->probe != 0)
    given[own->probe] = {*own, by.holder};
  const auto decision =
      own ? admission{*own}
          : admission{granted != nullptr ? rejection{} : std::get<rejection>(by_owner)};
  if (auto* to = home.find(by.holder))
    home.post(me(), to->me(), [to, attempt = by.attempt, decision] {
      if (to->ended)
        return;
      to->core.on_probe(attempt, decision, to->home.now());
      to->check();
    });
}

void circuit_part::tell(const permit& held, const attempt_outcome& how) {
  if (share) {
    given.erase(held.probe);
    if (const auto owners = share->to_owners(held)) {
      home.all.transmit(home.index, true, [w = &home.all, owners = *owners, how] {
        if (auto* owner = w->owner())
          owner->outcome(owners, how);
      });
      after_event();
      return;
    }
  }
  probes.erase(held.probe);
  core.on_outcome(held, how, home.now());
  after_event();
}

void circuit_part::tell(const success_batch& batch) {
  core.on_successes(batch, home.now());
  after_event();
}

void circuit_part::lose(holder_id holder) {
  std::erase_if(asked, [&](const auto& each) { return each.second.holder == holder; });
  const auto back = std::exchange(given, {});
  for (const auto& [number, each] : back) {
    if (each.second == holder)
      tell(each.first, attempt_outcome{});
    else
      given[number] = each;
  }
  for (auto i = probes.begin(); i != probes.end();) {
    if (i->second.second == holder) {
      core.on_cancelled(i->second.first, home.now());
      i = probes.erase(i);
    } else {
      ++i;
    }
  }
  after_event();
}

void circuit_part::operate(circuit_state wish) {
  if (share && share->leased()) {
    home.all.transmit(home.index, true, [w = &home.all, wish] {
      if (auto* owner = w->owner())
        owner->operate(wish);
    });
  } else if (wish == circuit_state::closed) {
    core.reset(home.now());
  } else if (wish == circuit_state::forced_open) {
    core.force_open(home.now());
  } else if (wish == circuit_state::metrics_only) {
    core.metrics_only(home.now());
  } else {
    core.disable(home.now());
  }
  after_event();
}

void circuit_part::report(const circuit_report& report) {
  home.all.transmit(home.index, true, [w = &home.all, from = home.here(), report] {
    if (auto* owner = w->owner())
      owner->hear(from, report);
  });
}

void circuit_part::policy_changed(const circuit_breaker_limits& policy) {
  core.change_policy(policy, home.now());
  for (auto& each : home.guards)
    if (each && each->circuit == this)
      home.post(me(), each->me(),
                [to = each.get(), policy] { take_limits(to->settings.limits, policy); });
}

void circuit_part::after_event() {
  auto due = core.due();
  if (share) {
    share->on_change(home.now());
    if (!share->owner_decides()) {
      for (const auto& [number, each] : std::exchange(asked, {}))
        decide(each);
      given.clear(); // the owner takes back what a lost node had
    }
    due = std::min(core.due(), share->due());
  }
  core.publish(view);
  check();
  if (due < armed) {
    armed = due;
    home.post(me(), timeouts, [p = &home, whose = me(), due] { p->set_alarm(whose, due); });
  }
}

void circuit_part::on_transition(const circuit_transition& change) {
  probes.clear();
  ++home.all.result.transitions;
  home.all.say(home, "circuit {}: {} to {}, {}", index, to_string(change.from),
               to_string(change.to), to_string(change.why));
  if (change.from != state_before || change.generation <= generation_before)
    home.all.violated("a circuit's transitions don't follow one another", "node {}: {} to {}",
                      home.index, to_string(change.from), to_string(change.to));
  state_before = change.to;
  generation_before = change.generation;
}

void circuit_part::check() {
  auto& all = home.all;
  if (core.state() != state_before)
    all.violated("a circuit has changed, and told nobody", "node {}", home.index);
  if (view.read().generation != core.generation() || view.read().state != core.state())
    all.violated("a circuit shows another state than it has", "node {}", home.index);
  if (core.probes() > core.policy().half_open_calls && core.probes() > probes_before)
    all.violated("more probes than permitted", "node {}: {}", home.index, core.probes());
  probes_before = core.probes();
}

} // namespace bulwark_simulation
