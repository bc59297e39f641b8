#include "simulation/world.hpp"

#include <algorithm>
#include <utility>

namespace bulwark_simulation {

owner_parts::owner_parts(process& p)
    : home(p),
      bulkhead(p.all.shared_limit, p.all.lease_time, static_cast<std::uint64_t>(p.all.now()) + 1,
               static_cast<shared_bulkhead_effects&>(*this)),
      circuit(p.all.shared_circuit_policy,
              {.lease_time = p.all.lease_time, .trips_for = p.all.trips_for},
              static_cast<shared_circuit_effects&>(*this), static_cast<circuit_observer&>(*this),
              p.now()),
      widest(p.all.shared_limit.max_workers) {}

/// As the actor numbers those that it hears from, until it is told that they are lost.
node_key owner_parts::key_of(place from) {
  auto& key = keys[from.incarnation];
  if (key == 0) {
    key = ++last_key;
    nodes[key] = from;
  }
  return key;
}

void owner_parts::hear(place from, const share_report& report) {
  // Who has been silent for too long is lost first, as in on_report() itself; but there it would not be
  // seen of the one that reports, which is known again at once, with nothing.
  bulkhead.on_tick(home.now());
  after_bulkhead();
  const auto key = key_of(from);
  auto* node = home.all.there(from);
  auto& session = sessions[from.incarnation];
  if (node != nullptr && report.stamp.session > session) {
    node->count_no_more();
    node->lost_by_word = false;
  }
  session = std::max(session, report.stamp.session);
  bulkhead.on_report(key, report, home.now());
  after_bulkhead();
}

void owner_parts::hear(place from, const circuit_report& report) {
  circuit.on_report(key_of(from), report, home.now());
  after_circuit();
}

void owner_parts::probe(place from, std::uint64_t number, timespan hold_for) {
  const auto now = home.now();
  const auto until = hold_for == timespan::max() ? end_of_time : saturating_add(now, hold_for);
  const auto before = circuit.circuit().probes();
  const auto decision = circuit.admit(key_of(from), now, until);
  const auto& all = circuit.circuit();
  if (all.probes() > before && all.probes() > all.policy().half_open_calls)
    home.all.violated("more probes than permitted over all nodes", "{}", all.probes());
  home.all.transmit(from.process, false, [w = &home.all, from, number, decision] {
    auto* p = w->there(from);
    if (p != nullptr && p->circuits.size() > 1)
      p->circuits[1]->answered(number, decision);
  });
  after_circuit();
}

void owner_parts::outcome(const permit& held, const attempt_outcome& how) {
  const auto& all = circuit.circuit();
  const auto before = std::pair{all.generation(), all.successes()};
  const auto doubled = !outcomes.emplace(held.generation, held.probe).second;
  circuit.on_outcome(held, how, home.now());
  if (doubled && before != std::pair{all.generation(), all.successes()})
    home.all.violated("a probe's outcome counts twice", "probe {}", held.probe);
  if (held.generation != before.first && before != std::pair{all.generation(), all.successes()})
    home.all.violated("an outdated outcome counts", "probe {}", held.probe);
  after_circuit();
}

void owner_parts::operate(circuit_state wish) {
  if (wish == circuit_state::closed)
    circuit.reset(home.now());
  else if (wish == circuit_state::forced_open)
    circuit.force_open(home.now());
  else if (wish == circuit_state::metrics_only)
    circuit.metrics_only(home.now());
  else
    circuit.disable(home.now());
  after_circuit();
}

/// It is known that the node is lost.
void owner_parts::lose(std::uint32_t incarnation) {
  const auto i = keys.find(incarnation);
  if (i == keys.end())
    return;
  const auto key = i->second;
  const auto where = nodes.at(key);
  keys.erase(i);
  nodes.erase(key);
  sessions.erase(incarnation);
  if (auto* node = home.all.there(where)) {
    node->lost_by_word = true;
    node->count_no_more();
  }
  bulkhead.lose(key);
  circuit.lose(key, home.now());
  after_bulkhead();
  after_circuit();
}

void owner_parts::grant(node_key key, const share_grant& grant) {
  const auto i = nodes.find(key);
  if (i == nodes.end())
    return;
  home.all.transmit(i->second.process, false, [w = &home.all, to = i->second, grant] {
    auto* p = w->there(to);
    if (p == nullptr || p->bulkheads.size() < 2)
      return;
    auto& part = *p->bulkheads[1];
    part.share->on_grant(grant, p->now());
    part.after_event();
  });
}

void owner_parts::say(node_key key, const circuit_word& word) {
  const auto i = nodes.find(key);
  if (i == nodes.end())
    return;
  home.all.transmit(i->second.process, false, [w = &home.all, to = i->second, word] {
    auto* p = w->there(to);
    if (p == nullptr || p->circuits.size() < 2)
      return;
    auto& part = *p->circuits[1];
    const auto overtaken = part.share->leased() && word.answers.session == part.heard_session
                           && word.number < part.heard_word;
    const auto before = part.core.generation();
    part.share->on_word(word, p->now());
    if (overtaken && part.core.generation() != before)
      w->violated("a node follows a word that a later one has overtaken", "node {}", p->index);
    if (part.share->leased()) {
      part.heard_word = word.answers.session == part.heard_session
                            ? std::max(part.heard_word, word.number)
                            : word.number;
      part.heard_session = word.answers.session;
    }
    part.after_event();
  });
}

void owner_parts::after_bulkhead() {
  auto& all = home.all;
  for (auto i = sessions.begin(); i != sessions.end();) {
    const auto key = keys.find(i->first);
    if (key != keys.end() && !bulkhead.knows(key->second)) { // silent for too long
      if (auto* node = all.there(nodes.at(key->second))) {
        const auto& part = *node->bulkheads[1];
        if (part.share->state() == bulkhead_share::mode::leased && node->session == i->second
            && part.view.until() > node->now())
          all.violated("a lease ends at its owner first", "node {}: {} too soon", node->index,
                       to_text(part.view.until() - node->now()));
        node->count_no_more();
      }
      i = sessions.erase(i);
    } else {
      ++i;
    }
  }
  if (bulkhead.free() > 0 && bulkhead.queued() > 0)
    all.violated("calls wait while permits of the owner are free", "{} wait", bulkhead.queued());
  if (const auto due = bulkhead.due(); due < bulkhead_armed) {
    bulkhead_armed = due;
    home.post(shared_bulkhead_owner, timeouts,
              [p = &home, due] { p->set_alarm(shared_bulkhead_owner, due); });
  }
}

void owner_parts::after_circuit() {
  if (circuit.circuit().generation() < generation_before)
    home.all.violated("a generation has gone back", "of the owner's circuit");
  generation_before = circuit.circuit().generation();
  if (const auto due = circuit.due(); due < circuit_armed) {
    circuit_armed = due;
    home.post(shared_circuit_owner, timeouts,
              [p = &home, due] { p->set_alarm(shared_circuit_owner, due); });
  }
}

void owner_parts::on_transition(const circuit_transition& change) {
  ++home.all.result.transitions;
  home.all.say(home, "the owner's circuit: {} to {}, {}", to_string(change.from),
               to_string(change.to), to_string(change.why));
}

} // namespace bulwark_simulation
