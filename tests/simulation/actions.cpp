#include "simulation/world.hpp"

#include <algorithm>
#include <chrono>

/// @file What is done to a world from outside, and the numbers that its policies have.

namespace bulwark_simulation {

using namespace std::chrono_literals;

namespace {

timespan at_least_a_millisecond(timespan t) {
  return std::max(t, timespan{1ms});
}

} // namespace

// -- policies ---------------------------------------------------------------------------------

bulkhead_policy any_bulkhead(timespan tempo, random_stream& chance) {
  bulkhead_policy result{.max_workers = 1 + any(chance, 5), .queue_size = any(chance, 8)};
  if (happens(chance, 0.1))
    result.max_workers = 1 + any(chance, 100);
  if (happens(chance, 0.4))
    result.queue_timeout = at_least_a_millisecond(times(tempo, 0.3, 10, chance));
  return result;
}

// By a chance of its own, as budgets.
void add_queue_rules(bulkhead_policy& policy, const plan& with, random_stream chance) {
  chance = random_stream{~chance.next()};
  const auto tempo = with.tempo;
  if (with.has(feature::shedding) && happens(chance, 0.7))
    policy.shed =
        queue_delay_policy{.target = times(tempo, 0.05, 2, chance),
                           .interval = at_least_a_millisecond(times(tempo, 0.1, 10, chance)),
                           .newest_first = happens(chance, 0.5)};
  if (with.has(feature::adaptive_limits) && happens(chance, 0.7)) {
    policy.adaptive = adaptive_limit_policy{
        .algorithm = happens(chance, 0.5) ? limit_algorithm::gradient : limit_algorithm::aimd,
        .floor = 1 + any(chance, policy.max_workers),
        .initial = 1 + any(chance, 10),
        .decrease = 0.4 + 0.5 * chance.unit(),
        .window = at_least_a_millisecond(times(tempo, 0.1, 5, chance)),
        .remeasure = std::max(times(tempo, 5, 50, chance), timespan{1s})};
    if (happens(chance, 0.5))
      policy.adaptive->latency_limit = times(tempo, 0.3, 3, chance);
  }
  policy.fair_by_tenant = with.has(feature::tenants) && happens(chance, 0.7);
}

bulkhead_policy any_own_bulkhead(const plan& with, random_stream& chance) {
  auto result = any_bulkhead(with.tempo, chance);
  add_queue_rules(result, with, chance);
  return result;
}

circuit_breaker_limits any_circuit(timespan tempo, random_stream& chance) {
  circuit_breaker_limits result{.failure_threshold = 1 + any(chance, 4),
                                .success_threshold = 1 + any(chance, 3),
                                .open_for = at_least_a_millisecond(times(tempo, 0.5, 20, chance)),
                                .half_open_calls = 1 + any(chance, 3)};
  if (happens(chance, 0.4)) {
    const auto size = 2 + any(chance, 30);
    result.count_window = count_window{.size = size,
                                       .failure_ratio = 0.2 + 0.6 * chance.unit(),
                                       .minimum_calls = 1 + any(chance, size)};
  }
  if (happens(chance, 0.4)) {
    const auto buckets = 1 + any(chance, 8);
    result.time_window =
        time_window{.span = buckets * at_least_a_millisecond(times(tempo, 0.5, 10, chance)),
                    .buckets = buckets,
                    .minimum_calls = 1 + any(chance, 20)};
  }
  if (result.count_window || result.time_window) {
    result.failure_threshold *= any(chance, 2);
    if (happens(chance, 0.5))
      result.slow_call_duration = at_least_a_millisecond(times(tempo, 0.5, 5, chance));
  }
  if (happens(chance, 0.4))
    result.open_growth = 1.0 + 2.0 * chance.unit();
  result.max_open_for = 4 * result.open_for;
  if (happens(chance, 0.4))
    result.open_jitter = 0.5;
  result.open_on_retry_after = happens(chance, 0.3);
  if (happens(chance, 0.4))
    // In the end calls come one after another, and have to close it.
    result.max_half_open_for = std::chrono::seconds{2} + times(tempo, 0.5, 10, chance);
  if (happens(chance, 0.4))
    result.ramp_for = at_least_a_millisecond(times(tempo, 0.5, 20, chance));
  return result;
}

// By a chance of its own: what else a seed draws stays as it was.
void add_budget(guard_settings& guard, timespan tempo, random_stream chance) {
  chance = random_stream{~chance.next()};
  if (happens(chance, 0.4))
    guard.retry_budget = retry_budget_policy{
        .ratio = 0.1 * any(chance, 8),
        .min_per_second = happens(chance, 0.5) ? chance.unit() * 1e9 / double(tempo.count()) : 0.0,
        .window = std::clamp(times(tempo, 1, 30, chance), timespan{10ms}, timespan{24h})};
  guard.limits.retry->idempotent = !happens(chance, 0.1);
}

guard_settings any_guard(const plan& with, std::uint32_t node, random_stream& chance) {
  guard_settings result;
  auto& limits = result.limits;
  const auto shared = with.has(feature::shared_parts);
  limits.breaker = happens(chance, 0.6);
  limits.bulkhead = happens(chance, 0.7);
  result.circuit = shared && happens(chance, 0.6) ? 1 : 0;
  result.bulkhead = shared && happens(chance, 0.7) ? 1 : 0;
  result.target = any(chance, 2);
  if (with.has(feature::remote_calls) && node != 0 && happens(chance, 0.6))
    result.target = 2;
  // What other nodes don't answer, only time ends.
  const auto must_end = result.target == 2 || result.circuit == 1;
  if (must_end || happens(chance, 0.6))
    limits.deadline = at_least_a_millisecond(times(with.tempo, 0.5, 30, chance));
  if (happens(chance, 0.5))
    limits.attempt_timeout = at_least_a_millisecond(times(with.tempo, 0.3, 5, chance));
  if (happens(chance, 0.5))
    limits.retry = retry_limits{.max_attempts = 1 + any(chance, 4),
                                .base_delay = times(with.tempo, 0.01, 3, chance),
                                .max_delay = times(with.tempo, 1, 20, chance),
                                .jitter = static_cast<jitter_kind>(any(chance, 4))};
  if (limits.retry)
    add_budget(result, with.tempo, chance);
  if (with.has(feature::hedging) && happens(chance, 0.7))
    result.hedge =
        hedge_policy{.delay = happens(chance, 0.7) ? std::optional{times(with.tempo, 0, 3, chance)}
                                                   : std::nullopt,
                     .percentile = 0.5 + chance.unit() / 2.1,
                     .min_delay = timespan{0},
                     .minimum_calls = 1 + any(chance, 10),
                     .memory = std::chrono::seconds{1},
                     .ratio = chance.unit()};
  result.retries_rejections = happens(chance, 0.3);
  result.stops_when_told = happens(chance, 0.5);
  return result;
}

// -- actions ----------------------------------------------------------------------------------

void world::apply(const action& what) {
  auto* p = nodes_[what.node].get();
  if (p == nullptr)
    return; // is not there just now
  if (what.what == deed::crash) {
    auto chance = stream_of(what.chance);
    crash(what.node, chance);
    return;
  }
  // A sleeping process does nothing before it wakes, but what happens to it happens.
  apply_to_node(what, *p);
}

void world::apply_to_node(const action& what, process& p) {
  auto chance = stream_of(what.chance);
  const auto in_the_process = [&](auto f) {
    at(now_, p.here(), [this, f, &p, chance = chance]() mutable { f(*this, p, chance); });
  };
  switch (what.what) {
  case deed::call:
    in_the_process([](world& w, process& n, random_stream& c) { w.call(n, c); });
    break;
  case deed::flood:
    for (auto left = 10 + any(chance, 40); left > 0; --left) {
      std::ignore = chance.next();
      in_the_process([](world& w, process& n, random_stream& c) { w.call(n, c); });
    }
    break;
  case deed::cancel:
    in_the_process([](world& w, process& n, random_stream& c) { w.cancel(n, c); });
    break;
  case deed::change_target:
    change_target(p, chance);
    break;
  case deed::pause:
    pause(p, chance);
    break;
  case deed::crash:
    break;
  case deed::cut_line:
    cut(p.index, chance);
    break;
  case deed::break_line: {
    const auto told_within = times(with.tempo, 0.01, 3, chance);
    if (p.index == 0 || !lines_[p.index].up)
      break;
    say(p, "its line breaks");
    disconnect(p.index, told_within);
    connect(p.index, now_ + told_within.count() + times(with.tempo, 0.1, 50, chance).count());
    break;
  }
  case deed::end_guard:
    in_the_process([](world& w, process& n, random_stream& c) {
      if (auto& g = *n.guards[any(c, w.with.guards)]; !g.ended && !g.core.shutting_down())
        g.shut_down(happens(c, 0.5));
    });
    break;
  case deed::end_part:
    in_the_process([](world&, process& n, random_stream& c) { n.end_part(c); });
    break;
  case deed::change_breaker:
    in_the_process([](world& w, process& n, random_stream& c) { w.change_breaker(n, c); });
    break;
  case deed::change_bulkhead:
    in_the_process([](world& w, process& n, random_stream& c) { w.change_bulkhead(n, c); });
    break;
  case deed::change_guard:
    in_the_process([](world& w, process& n, random_stream& c) { w.change_guard(n, c); });
    break;
  case deed::operate:
    in_the_process([](world& w, process& n, random_stream& c) { w.operate(n, c); });
    break;
  }
}

void world::call(process& p, random_stream& chance) {
  auto& g = *p.guards[any(chance, with.guards)];
  if (g.ended)
    return;
  supervisor::call_options options;
  if (happens(chance, 0.1))
    options.deadline = times(with.tempo, 0.1, 10, chance);
  if (happens(chance, 0.1))
    options.remaining = happens(chance, 0.2) ? timespan{0} : times(with.tempo, 0.1, 10, chance);
  options.keeps_worker =
      with.has(feature::functions) && g.settings.target < 2 && happens(chance, 0.3);
  call_class as;
  if (with.has(feature::importances))
    as.importance = static_cast<criticality>(any(chance, criticality_count));
  if (with.has(feature::tenants))
    as.tenant = any(chance, 4);
  g.begin_call(options, {}, as);
}

void world::cancel(process& p, random_stream& chance) {
  auto& g = *p.guards[any(chance, with.guards)];
  if (g.ended || g.calls.empty())
    return;
  const auto slot = any(chance, static_cast<std::uint32_t>(g.calls.size()) + 1);
  say(p, "guard {}: its caller takes back {}", g.id,
      slot < g.calls.size() && g.calls[slot].live ? fmt::format("call {}", g.calls[slot].number)
                                                  : std::string{"what is over"});
  g.core.cancel(slot, p.now());
  g.check();
}

void world::pause(process& p, random_stream& chance) {
  const auto until = std::max(p.asleep_until, now_ + times(with.tempo, 0.1, 100, chance).count());
  p.slept += timespan{until - std::max(p.asleep_until, now_)};
  p.asleep_until = until;
  say(p, "is stopped for {}", to_text(timespan{until - now_}));
}

/// SIGKILL, and another process afterwards.
void world::crash(std::uint32_t index, random_stream& chance) {
  if (index == 0 && !with.has(feature::owner_crashes))
    return;
  auto& p = *nodes_[index];
  say(p, "is killed");
  const auto told_within = times(with.tempo, 0.01, 3, chance);
  const auto silent = happens(chance, 0.3); // the host, too: nobody closes its connections
  const auto incarnation = p.incarnation;
  if (index == 0) {
    for (std::uint32_t i = 1; i < with.nodes; ++i) {
      if (nodes_[i]) {
        nodes_[i]->count_no_more(); // the next owner knows of no lease
        nodes_[i]->lost_by_word = true;
      }
      const auto was_up = lines_[i].up;
      disconnect(i, told_within);
      if (nodes_[i] && was_up)
        connect(i, now_ + told_within.count() + times(with.tempo, 0.1, 20, chance).count());
    }
  }
  p.count_no_more();
  lines_[index].up = false;
  ++lines_[index].number;
  nodes_[index] = nullptr;
  if (index != 0 && nodes_[0] && !silent)
    at(now_ + static_cast<moment>(chance.unit() * double(told_within.count())), nodes_[0]->here(),
       [this, index, incarnation] { node_lost(index, incarnation); });
  at(now_ + told_within.count() + times(with.tempo, 0.1, 50, chance).count(),
     {.process = ~std::uint32_t{0}, .incarnation = 0}, [this, index] { start_node(index); });
}

void world::cut(std::uint32_t index, random_stream& chance) {
  if (index == 0)
    return;
  const auto which = any(chance, 3); // both ways, to the owner, from it
  const auto until = now_ + times(with.tempo, 0.5, 100, chance).count();
  auto& l = lines_[index];
  if (which != 2)
    l.cut_until[0] = std::max(l.cut_until[0], until);
  if (which != 1)
    l.cut_until[1] = std::max(l.cut_until[1], until);
  say(*nodes_[index], "its messages {} vanish for {}",
      which == 0   ? "both ways"
      : which == 1 ? "to node 0"
                   : "from node 0",
      to_text(timespan{until - now_}));
}

void world::change_target(process& p, random_stream& chance) {
  std::vector<mood> moods{mood::healthy, mood::slow};
  if (with.has(feature::failing_targets))
    moods.insert(moods.end(), {mood::failing, mood::failing, mood::failing_softly});
  if (with.has(feature::hanging_targets))
    moods.push_back(mood::hanging);
  if (with.has(feature::dying_targets))
    moods.push_back(mood::dead);
  if (with.has(feature::lying_targets))
    moods.push_back(mood::lying);
  const auto to = moods[any(chance, static_cast<std::uint32_t>(moods.size()))];
  const auto target = any(chance, 2);
  static constexpr std::array names{"is healthy", "is slow", "fails", "fails, and it says nothing",
                                    "hangs",      "lies",    "dies"};
  say(p, "target {} {}", target, names.at(static_cast<std::size_t>(to)));
  p.change_target(target, to);
}

void world::change_breaker(process& p, random_stream& chance) {
  const auto policy = any_circuit(with.tempo, chance);
  if (p.owner && happens(chance, 0.5)) {
    shared_circuit_policy = policy;
    p.owner->circuit.change_policy(policy, p.now());
    p.owner->after_circuit();
    return;
  }
  p.circuits[0]->policy_changed(policy);
  p.circuits[0]->probes_before = p.circuits[0]->core.probes();
  p.circuits[0]->after_event();
}

void world::change_bulkhead(process& p, random_stream& chance) {
  auto policy = any_bulkhead(with.tempo, chance);
  say(p, "{} becomes {}, {} may wait", p.owner ? "a limit" : "its limit", policy.max_workers,
      policy.queue_size);
  if (p.owner && happens(chance, 0.5)) {
    shared_limit = policy;
    p.owner->widest = std::max(p.owner->widest, policy.max_workers);
    p.owner->bulkhead.change_policy(policy);
    p.owner->after_bulkhead();
    return;
  }
  add_queue_rules(policy, with, chance);
  auto& part = *p.bulkheads[0];
  part.change_policy(policy);
  for (auto& each : p.guards)
    if (each->bulkhead == &part)
      p.post(part.me(), each->me(), [to = each.get(), policy] {
        to->settings.limits.queue_timeout = policy.queue_timeout;
        to->settings.limits.tells_samples = policy.adaptive.has_value();
      });
  part.after_event();
}

void world::change_guard(process& p, random_stream& chance) {
  auto& limits = p.guards[any(chance, with.guards)]->settings.limits;
  if (limits.deadline)
    limits.deadline = at_least_a_millisecond(times(with.tempo, 0.5, 30, chance));
  if (limits.attempt_timeout)
    limits.attempt_timeout = at_least_a_millisecond(times(with.tempo, 0.3, 5, chance));
}

void world::operate(process& p, random_stream& chance) {
  static constexpr std::array wishes{circuit_state::closed, circuit_state::closed,
                                     circuit_state::forced_open, circuit_state::disabled,
                                     circuit_state::metrics_only};
  const auto wish = wishes.at(any(chance, 5));
  const auto which = any(chance, static_cast<std::uint32_t>(p.circuits.size()));
  say(p, "somebody says of circuit {}: {}", which, to_string(wish));
  p.circuits[which]->operate(wish);
}

} // namespace bulwark_simulation
