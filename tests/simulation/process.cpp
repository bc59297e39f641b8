#include "simulation/world.hpp"

#include <algorithm>

namespace bulwark_simulation {

using namespace std::chrono_literals;

process::process(world& w, std::uint32_t i, std::uint32_t life, const local_clock& c)
    : all(w),
      index(i),
      incarnation(life),
      clock(c),
      chance(stream_of(w.with.seed, 1, life)),
      wheel(now()) {
  for (std::uint32_t each = 0; each < actor_count; ++each)
    alarms[each].whose = static_cast<actor>(each);
  const auto parts = all.with.has(feature::shared_parts) ? 2U : 1U;
  for (std::uint32_t part = 0; part < parts; ++part) {
    bulkheads.push_back(std::make_unique<bulkhead_part>(
        *this, part,
        part == 0 ? any_own_bulkhead(all.with, chance) : any_bulkhead(all.with.tempo, chance)));
    circuits.push_back(
        std::make_unique<circuit_part>(*this, part, any_circuit(all.with.tempo, chance)));
  }
  if (index == 0 && parts == 2)
    owner = std::make_unique<owner_parts>(*this);
  if (index == 0 && all.with.has(feature::statistics))
    registry = std::make_unique<registry_part>(*this);
  guards.resize(all.with.guards);
  for (std::uint32_t each = 0; each < guards.size(); ++each)
    add_guard(each);
  for (std::uint32_t part = 1; part < parts; ++part) {
    bulkheads[part]->after_event();
    circuits[part]->after_event();
  }
}

instant process::now() const {
  return clock.at(all.now());
}

// -- time -----------------------------------------------------------------------------------

void process::set_alarm(actor whose, instant due) {
  wheel.cancel(alarms[whose]);
  if (wheel.insert(alarms[whose], due))
    arm();
}

void process::arm() {
  const auto when = clock.when(wheel.next());
  if (when == never || when >= armed)
    return;
  armed = when;
  const auto late = all.with.has(feature::late_timers) && !all.mended
                        ? static_cast<moment>(chance.unit() * double(all.most_late.count()))
                        : 0;
  all.at(when + late, here(), [this, when] {
    if (armed == when)
      ring();
  });
}

void process::ring() {
  armed = never;
  wheel.expire(now(), [this](wheel_entry& due) {
    const auto whom = static_cast<alarm&>(due).whose;
    post(timeouts, whom, [this, whom] { wake(whom); });
  });
  arm();
}

void process::wake(actor whom) {
  if (whom >= first_guard) {
    auto& g = *guards[whom - first_guard];
    g.core.on_tick(now());
    g.check();
  } else if (whom == shared_bulkhead_owner) {
    owner->bulkhead_armed = end_of_time;
    owner->bulkhead.on_tick(now());
    owner->after_bulkhead();
  } else if (whom == registry_actor) {
    registry->armed = end_of_time;
    registry->after_event();
  } else if (whom == shared_circuit_owner) {
    owner->circuit_armed = end_of_time;
    owner->circuit.on_tick(now());
    owner->after_circuit();
  } else if (whom >= first_circuit) {
    auto& part = *circuits[whom - first_circuit];
    part.armed = end_of_time;
    part.core.on_tick(now());
    part.after_event();
  } else {
    auto& part = *bulkheads[whom - first_bulkhead];
    part.armed = end_of_time;
    part.after_event();
  }
}

// -- guards and parts -------------------------------------------------------------------------

guard* process::find(holder_id id) {
  for (auto& each : guards)
    if (each && each->id == id)
      return each.get();
  return nullptr;
}

void process::add_guard(std::uint32_t which) {
  auto drawn = stream_of(all.with.seed, 2, index * 16 + which);
  guards[which] =
      std::make_unique<guard>(*this, which, ++last_holder, any_guard(all.with, index, drawn));
}

void process::end_guard(std::uint32_t which, bool finish) {
  guards[which]->shut_down(finish);
}

/// It has ended, and what watches it is told; another takes its place.
void process::bury(guard& whom) {
  whom.ended = true;
  ended_figures += {.calls = whom.core.books().calls, .latency = whom.core.books().latency};
  if (whom.bulkhead)
    post(whom.me(), whom.bulkhead->me(), [part = whom.bulkhead, id = whom.id] {
      if (!part->ended)
        part->lose(id);
    });
  if (whom.circuit)
    post(whom.me(), whom.circuit->me(), [part = whom.circuit, id = whom.id] {
      if (!part->ended)
        part->lose(id);
    });
  std::erase_if(works, [&](const work& each) {
    if (each.by != &whom)
      return false;
    counted -= each.counted ? 1 : 0;
    all.counted -= each.counted ? 1 : 0;
    return true;
  });
  // Not from within one of its own functions.
  post(whom.me(), front_door, [this, which = whom.index, id = whom.id] {
    if (guards[which]->id != id)
      return;
    dead_guards.push_back(std::move(guards[which]));
    add_guard(which);
  });
}

/// One of the process's own parts ends; guards that lean on it refuse from then on.
void process::end_part(random_stream& with) {
  const auto which = any(with, 2);
  const bulkhead_part* bulkhead = which == 0 ? bulkheads[0].get() : nullptr;
  const circuit_part* circuit = which == 1 ? circuits[0].get() : nullptr;
  all.say(*this, "its {} ends", which == 0 ? "bulkhead" : "circuit breaker");
  for (auto& each : guards) {
    if ((bulkhead == nullptr || each->bulkhead != bulkhead)
        && (circuit == nullptr || each->circuit != circuit))
      continue;
    post(which == 0 ? first_bulkhead : first_circuit, each->me(), [to = each.get()] {
      if (to->ended)
        return;
      to->core.on_part_lost(to->home.now());
      to->check();
      to->shut_down(true); // its owner has noticed, and makes another
    });
  }
  if (which == 0) {
    bulkheads[0]->ended = true;
    dead_bulkheads.push_back(std::move(bulkheads[0]));
    bulkheads[0] = std::make_unique<bulkhead_part>(*this, 0, any_own_bulkhead(all.with, with));
  } else {
    circuits[0]->ended = true;
    dead_circuits.push_back(std::move(circuits[0]));
    circuits[0] = std::make_unique<circuit_part>(*this, 0, any_circuit(all.with.tempo, with));
  }
}

// -- targets ------------------------------------------------------------------------------------

void process::start_work(guard& by, attempt_id attempt, std::uint32_t target, bool counts) {
  works.push_back({.by = &by, .attempt = attempt, .target = target, .counted = counts});
  counted += counts ? 1 : 0;
  all.counted += counts ? 1 : 0;
  if (const auto* o = all.owner(); counts && all.counted > o->widest)
    all.violated("more at once than the limit of all nodes", "{} of {}", all.counted, o->widest);
  if (target < 2) {
    post(by.me(), static_cast<actor>(first_target + target),
         [this, to = &by, attempt, target] { arrive(*to, attempt, target); });
    return;
  }
  all.transmit(index, true,
               [w = &all,
                from = caller{.remote = true, .where = here(), .guard = by.id, .attempt = attempt},
                left = by.core.time_left(attempt, now())] {
                 auto* p = w->node(0);
                 auto& door = *p->guards[0];
                 if (!door.ended)
                   door.begin_call({.remaining = left}, from);
               });
}

void process::arrive(guard& by, attempt_id attempt, std::uint32_t target) {
  const auto how = targets[target];
  const auto i = std::find_if(works.begin(), works.end(), [&](const work& each) {
    return each.by == &by && each.attempt == attempt;
  });
  if (how == mood::dead) {
    stop_work(by, attempt);
    post(static_cast<actor>(first_target + target), by.me(), [to = &by, attempt] {
      if (!to->ended)
        to->lost(attempt);
    });
  } else if (how == mood::hanging) {
    if (i != works.end())
      i->hangs = true;
  } else {
    const auto takes = all.mended ? timespan{1'000}
                                  : times(all.with.tempo, 0.01, how == mood::slow ? 50 : 1, chance);
    all.at(all.now() + takes.count(), here(),
           [this, to = &by, attempt, how] { finish(*to, attempt, how); });
  }
}

/// The target is done with it, and says so.
void process::finish(guard& by, attempt_id attempt, mood how) {
  const auto i = std::find_if(works.begin(), works.end(), [&](const work& each) {
    return each.by == &by && each.attempt == attempt;
  });
  if (i == works.end())
    return; // was told to stop
  const auto from = static_cast<actor>(first_target + i->target);
  stop_work(by, attempt);
  const auto say = [&](attempt_id what, const reply_class& kind) {
    post(from, by.me(), [to = &by, what, kind] {
      if (!to->ended)
        to->reply(what, kind);
    });
  };
  if (how == mood::lying) {
    say({attempt.slot, attempt.serial - 1}, std::nullopt);
    say({attempt.slot + 1, attempt.serial}, std::nullopt);
    say({attempt.slot + 100'000, attempt.serial}, std::nullopt);
  }
  reply_class kind;
  if (how == mood::failing || how == mood::failing_softly)
    kind = error_class{.counts = how == mood::failing};
  say(attempt, kind);
  if (how == mood::lying)
    say(attempt, error_class{});
}

void process::stop_work(const guard& by, attempt_id attempt) {
  std::erase_if(works, [&](const work& each) {
    if (each.by != &by || each.attempt != attempt)
      return false;
    counted -= each.counted ? 1 : 0;
    all.counted -= each.counted ? 1 : 0;
    return true;
  });
}

/// The guard hears that its target is gone, and all that this was doing for it.
void process::lose_target(guard& by) {
  std::erase_if(works, [&](const work& each) {
    if (each.by != &by)
      return false;
    counted -= each.counted ? 1 : 0;
    all.counted -= each.counted ? 1 : 0;
    return true;
  });
  by.core.on_target_lost(now());
  by.check();
}

/// Given up: whether the target goes on is its own affair, with one node as with many.
void process::stop_counting(const guard& by, attempt_id attempt) {
  for (auto& each : works) {
    if (each.by != &by || each.attempt != attempt || !std::exchange(each.counted, false))
      continue;
    --counted;
    --all.counted;
  }
}

void process::change_target(std::uint32_t target, mood to) {
  targets[target] = to;
  if (to == mood::dead) {
    for (auto& each : guards)
      if (each->settings.target == target && !each->ended)
        post(static_cast<actor>(first_target + target), each->me(), [g = each.get()] {
          if (!g->ended)
            g->home.lose_target(*g);
        });
    return;
  }
  for (auto& each : works) { // what hung goes on at last
    if (each.target == target && each.hangs && to != mood::hanging) {
      each.hangs = false;
      const auto takes = times(all.with.tempo, 0.1, 5, chance);
      all.at(all.now() + takes.count(), here(),
             [this, by = each.by, attempt = each.attempt, to] { finish(*by, attempt, to); });
    }
  }
}

/// The owner has taken back what the process held: what runs here counts no more.
void process::count_no_more() {
  for (auto& each : works)
    each.counted = false;
  all.counted -= counted;
  counted = 0;
}

} // namespace bulwark_simulation
