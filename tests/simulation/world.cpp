#include "simulation/world.hpp"

#include <algorithm>
#include <chrono>

namespace bulwark_simulation {

using namespace std::chrono_literals;

namespace {

// What no process does: the world's own doing.
constexpr place nowhere{.process = ~std::uint32_t{0}, .incarnation = 0};

// Many times what any history takes: a world that goes on and on has a fault.
constexpr std::uint64_t most_events = 3'000'000;

} // namespace

world::world(const plan& p, bool keeps_timeline) : with(p), keeps_timeline_(keeps_timeline) {
  auto chance = stream_of(with.seed, 3);
  if (with.has(feature::slow_mail))
    most_mail = times(with.tempo, 0.01, 2, chance);
  if (with.has(feature::late_timers))
    most_late = times(with.tempo, 0.01, 5, chance);
  most_mail = std::max(most_mail, timespan{5'000});
  lease_time = std::clamp(times(with.tempo, 2, 50, chance), timespan{50ms}, timespan{1h});
  when_lost = static_cast<owner_lost>(any(chance, 3));
  trips_for = static_cast<trip_scope>(any(chance, 3));
  shared_limit = any_bulkhead(with.tempo, chance);
  shared_circuit_policy = any_circuit(with.tempo, chance);
  for (std::uint32_t i = 0; i < with.nodes; ++i) {
    auto drawn = stream_of(with.seed, 4, i);
    // Two clocks differ by less than the 64th that leases allow for, most often by almost as much.
    const auto most = with.has(feature::drifting_clocks) ? 1.0 / 130 : 0;
    const auto drift = happens(drawn, 0.3)   ? (2 * drawn.unit() - 1) * most
                       : happens(drawn, 0.5) ? most
                                             : -most;
    clocks_.emplace_back(static_cast<moment>(drawn.next() % 1'000'000'000'000'000), drift);
    lines_.push_back({.chance = stream_of(with.seed, 5, i)});
  }
  nodes_.resize(with.nodes);
  for (std::uint32_t i = 0; i < with.nodes; ++i)
    start_node(i);
  for (const auto& each : with.actions)
    at(each.when, nowhere, [this, what = &each] { apply(*what); });
}

world::~world() = default;

void world::note(const std::string& where, const std::string& what) {
  result.timeline.push_back(fmt::format("{:>12}  {:<7} {}", to_text(timespan{now_}), where, what));
}

// -- time -----------------------------------------------------------------------------------

bool world::step(moment until) {
  if (queue_.next() > until || queue_.empty() || !result.wrong.empty())
    return false;
  const auto next = queue_.pop();
  const auto where = queue_.where(next);
  if (where.process != nowhere.process) {
    const auto* p = there(where);
    if (p == nullptr) {
      queue_.drop(next);
      return true;
    }
    if (p->asleep_until > next.when) {
      queue_.put_off(next, p->asleep_until);
      return true;
    }
  }
  now_ = next.when;
  ++result.events;
  queue_.happen(next);
  return true;
}

void world::run_until(moment until) {
  while (step(until)) {
    if (result.events > most_events)
      violated("it does not come to rest", "{} events", result.events);
  }
  now_ = std::max(now_, result.wrong.empty() ? until : now_);
}

outcome world::run() {
  run_until(with.ends());
  mend();
  if (result.wrong.empty())
    check_the_end();
  result.simulated = now_;
  mix(result.events);
  return std::move(result);
}

// -- nodes and lines ------------------------------------------------------------------------

void world::start_node(std::uint32_t index) {
  nodes_[index] = std::make_unique<process>(*this, index, ++last_incarnation_, clocks_[index]);
  say(*nodes_[index], "starts");
  connect(index, now_);
}

void world::connect(std::uint32_t index, moment when) {
  at(when, nodes_[index]->here(), [this, index] {
    auto& l = lines_[index];
    if (l.up)
      return;
    if (!nodes_[0]) {
      connect(index, now_ + with.tempo.count());
      return;
    }
    l.up = true;
    auto& p = *nodes_[index];
    say(p, "is connected");
    at(now_, nodes_[0]->here(), [this, index] {
      if (auto& registry = nodes_[0]->registry; registry && index != 0 && lines_[index].up)
        registry->connected(index);
    });
    if (p.bulkheads.size() < 2)
      return;
    p.bulkheads[1]->share->on_line(true, p.now());
    p.bulkheads[1]->after_event();
    p.circuits[1]->share->on_line(true, p.now());
    p.circuits[1]->after_event();
  });
}

/// Both sides are told, each in its own time.
void world::disconnect(std::uint32_t index, timespan told_within) {
  auto& l = lines_[index];
  if (!l.up)
    return;
  l.up = false;
  ++l.number;
  const auto some = [&] {
    return static_cast<moment>(l.chance.unit() * double(told_within.count()));
  };
  auto* p = nodes_[index].get();
  if (p == nullptr)
    return;
  if (nodes_[0])
    at(now_ + some(), nodes_[0]->here(),
       [this, index, incarnation = p->incarnation] { node_lost(index, incarnation); });
  at(now_ + some(), p->here(), [this, index] { told_of_loss(*nodes_[index]); });
}

/// Node 0 is told.
void world::node_lost(std::uint32_t index, std::uint32_t incarnation) {
  if (auto* o = owner())
    o->lose(incarnation);
  const auto* now_there = nodes_[index].get();
  const auto followed =
      now_there != nullptr && now_there->incarnation != incarnation && lines_[index].up;
  if (auto& registry = nodes_[0]->registry; registry && !followed) // else the line is another's
    registry->lost(index);
}

void world::told_of_loss(process& p) {
  say(p, "hears that its line is lost");
  if (p.bulkheads.size() > 1) {
    p.bulkheads[1]->share->on_line(false, p.now());
    p.bulkheads[1]->after_event();
    p.circuits[1]->share->on_line(false, p.now());
    p.circuits[1]->after_event();
  }
  for (auto& each : p.guards)
    if (each->settings.target == 2 && !each->ended)
      p.lose_target(*each);
}

// -- the end --------------------------------------------------------------------------------

/// Who has not heard of a lease's time yet takes the default.
timespan world::longest_lease() const {
  return with.has(feature::shared_parts) ? std::max(lease_time, default_lease_time) : timespan{0};
}

/// Nothing goes wrong any more, and all that was under way has its time.
void world::mend() {
  mended = true;
  const auto span = [&](double many) {
    return static_cast<moment>(many * double(std::max(with.tempo, timespan{1ms}).count()));
  };
  for (auto& l : lines_)
    l.cut_until = {};
  for (auto& each : nodes_)
    for (std::uint32_t target = 0; each && target < 2; ++target)
      each->change_target(target, mood::healthy);
  // Longer than anything that was drawn: pauses, absences, deadlines, waits.
  run_until(now_ + span(300) + 3 * longest_lease().count());
  if (with.has(feature::statistics)) // a question that was lost is asked again after ten seconds
    run_until(now_ + timespan{11s}.count());
  for (auto& each : nodes_) {
    if (!each || !result.wrong.empty())
      continue;
    for (auto& circuit : each->circuits)
      if (!circuit->share || !circuit->share->leased())
        circuit->operate(circuit_state::closed);
    if (each->owner)
      each->owner->operate(circuit_state::closed);
  }
  run_until(now_ + 2 * longest_lease().count());
}

void world::check_the_end() {
  for (auto& each : nodes_) {
    if (!each) {
      violated("a node has not come back", "");
      return;
    }
    for (auto& g : each->guards)
      if (g->live != 0)
        violated("a call has no answer", "node {}, guard {}: {}", each->index, g->id, g->live);
  }
  for (auto& each : nodes_)
    for (auto& g : each->guards)
      check_that_it_serves(*g);
  const auto some = std::max(longest_lease(), with.tempo).count();
  for (auto& each : nodes_)
    for (auto& part : each->bulkheads)
      if (result.wrong.empty()) {
        part->core.lease_extras(false);
        part->core.recall_all();
        part->after_event();
      }
  if (auto& registry = nodes_[0]->registry; registry && result.wrong.empty())
    registry->read();
  run_until(now_ + 2 * some + timespan{2s}.count());
  for (auto& each : nodes_)
    if (result.wrong.empty())
      check_node(*each);
  if (auto& registry = nodes_[0]->registry; registry && result.wrong.empty())
    registry->check_the_end();
}

void world::check_that_it_serves(guard& g) {
  // Who holds the last permit and asks for another of the same bulkhead waits for itself.
  const auto& behind = *nodes_[0]->guards[0];
  const auto waits_for_itself = g.settings.target == 2 && g.bulkhead && g.bulkhead->share
                                && behind.bulkhead && behind.bulkhead->share;
  if (!result.wrong.empty() || waits_for_itself)
    return;
  // One that has just closed may refuse it, by chance; one whose half-open came to no end, for nobody
  // called, does until it probes again.
  for (const guard* each : {static_cast<const guard*>(&g), &behind}) {
    if (!each->circuit)
      continue;
    const auto& view = each->circuit->view;
    const auto refuses_until = view.read().ramping                        ? view.ramp().end()
                               : view.read().state == circuit_state::open ? view.probes_from()
                                                                          : each->home.now();
    if (refuses_until > each->home.now())
      run_until(now_ + 2 * (refuses_until - each->home.now()).count());
  }
  const auto before = g.answers;
  g.begin_call({}, {});
  run_until(now_ + timespan{20ms}.count());
  if (g.live != 0 || g.answers[0] == before[0] || g.answers[1] != before[1]
      || g.answers[2] != before[2])
    violated("when all is well again a call does not get through", "node {}, guard {}",
             g.home.index, g.id);
}

void world::check_node(process& p) {
  for (auto& part : p.bulkheads)
    if (part->core.leased() != 0 || part->core.queued() != 0)
      violated("a permit has not come home", "node {}, bulkhead {}: {}, {} wait", p.index,
               part->index, part->core.leased(), part->core.queued());
  for (auto& g : p.guards) {
    const auto& books = g->core.books();
    if (books.calls.succeeded != g->answers[0] || books.calls.timed_out != g->answers[1]
        || books.calls.calls != g->answers[0] + g->answers[1] + g->answers[2])
      violated("the books tell another story than the callers",
               "node {}, guard {}: {} calls, {} succeeded, {} timed out; {}, {}, {} answers",
               p.index, g->id, books.calls.calls, books.calls.succeeded, books.calls.timed_out,
               g->answers[0], g->answers[1], g->answers[2]);
    if (books.breaker.in_flight + books.bulkhead.in_flight + g->core.abandoned_running() != 0)
      violated("attempts are in the books that have ended", "node {}, guard {}", p.index, g->id);
  }
  for (auto& part : p.circuits)
    if (part->core.probes() != 0)
      violated("a probe has not come home", "node {}", p.index);
  auto* all = owner();
  if (p.bulkheads.size() < 2 || all == nullptr)
    return;
  const auto& share = *p.bulkheads[1];
  if (share.share->state() != bulkhead_share::mode::leased || !p.circuits[1]->share->leased()) {
    violated("a node has not found its owner again", "node {}", p.index);
    return;
  }
  const auto key = all->keys.find(p.incarnation);
  const auto held = key == all->keys.end() ? 0 : all->bulkhead.leased(key->second);
  if (held != share.core.policy().max_workers)
    violated("node and owner count differently", "node {}: {}, the owner: {}", p.index,
             share.core.policy().max_workers, held);
  const auto& own = p.circuits[1]->core;
  const auto state = all->circuit.circuit().state();
  if (state != circuit_state::closed ? own.state() != state : own.following())
    violated("a node's circuit is not the owner's", "node {}: {}, the owner's: {}", p.index,
             to_string(own.state()), to_string(state));
}

} // namespace bulwark_simulation
