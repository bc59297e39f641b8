#pragma once

#include "bulwark/circuit_share.hpp"
#include "bulwark/shared_circuit.hpp"

#include "models/simulated_network.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

/// @file Many nodes with one circuit breaker, an owner and a network. All cores are the real ones.
///
/// Beside them a clerk writes down what each said and heard, and what follows from that by the plain
/// rules: whether a report opens the circuit for all, until when a node has its lease, what it must
/// be while it follows, and while its owner is lost. What is otherwise is kept in `wrong`.

namespace bulwark_tests {

using namespace bulwark;
using namespace std::chrono_literals;

struct circuit_world_settings {
  std::uint64_t seed = 1;
  std::uint32_t nodes = 3;
  sharing_policy sharing{.lease_time = 1s, .trips_for = trip_scope::any};
  owner_lost when_lost = owner_lost::local;
  circuit_breaker_limits policy{
      .failure_threshold = 3, .success_threshold = 2, .open_for = 500ms, .half_open_calls = 2};
  network_settings network{.most_delay = 10ms, .in_order = false};
};

class circuit_world : public simulation, private shared_circuit_effects, private circuit_observer {
public:
  explicit circuit_world(const circuit_world_settings& settings)
      : simulation(settings.seed, settings.network), with(settings) {
    start_owner();
    for (std::uint32_t i = 0; i < with.nodes; ++i) {
      nodes.push_back(nullptr);
      start_node(i);
    }
  }

  struct node : private circuit_observer, private circuit_share_effects {
    circuit_world& all;
    const std::uint32_t place;
    const node_key key;
    circuit_breaker own;
    circuit_share share;
    instant wake = end_of_time;
    instant opened{}; // last

    // What the clerk knows of it.
    std::uint64_t trips = 0;                                         // its own
    circuit_report last;                                             // that it said
    std::map<std::pair<std::uint64_t, std::uint64_t>, instant> said; // by session and serial
    instant leased_until = instant::min();
    std::uint64_t last_word = 0; // of the session
    bool was_leased = false;     // ever
    bool line_up = false;

    node(circuit_world& w, std::uint32_t where, node_key id)
        : all(w),
          place(where),
          key(id),
          own(circuit_breaker_limits{}, *this, w.now),
          share(own, *this, w.with.when_lost, w.now) {}

    void after_event() {
      share.on_change(all.now);
      all.check(*this);
      const auto due = std::min(share.due(), own.due());
      if (due >= wake)
        return;
      wake = due;
      all.on_node(place, all.rings(due), [due](node& n) {
        if (n.wake == due)
          n.wake = end_of_time;
        n.own.on_tick(n.all.now);
        n.after_event();
      });
    }

  private:
    void on_transition(const circuit_transition& change) override {
      if (change.to == circuit_state::open)
        opened = all.now;
      if (change.to == circuit_state::open && !own.following())
        ++trips;
    }
    void report(const circuit_report& report) override {
      all.expect(report.trips == trips, "a node tells of trips that it has not had, or not of all");
      all.expect(report.tripped == (!own.following() && own.state() != circuit_state::closed),
                 "a node says falsely whether its own circuit is open");
      if (report.stamp.session != last.stamp.session) {
        leased_until = instant::min();
        last_word = 0;
      }
      last = report;
      said[{report.stamp.session, report.stamp.serial}] = all.now;
      all.transmit(last_to_owner, [this_world = &all, i = place, id = key, report] {
        if (this_world->owner && this_world->is_there(i, id) && this_world->nodes[i]->connected)
          this_world->hear(id, report);
      });
    }
    void policy_changed(const circuit_breaker_limits& policy) override {
      own.change_policy(policy, all.now);
    }

  public:
    bool connected = true;
    instant last_to_owner{};
    instant last_to_node{};
  };

  circuit_world_settings with;
  std::unique_ptr<shared_circuit> owner;
  std::vector<std::unique_ptr<node>> nodes;
  std::set<std::uint32_t> sick;            // nodes whose calls fail
  std::vector<circuit_transition> changes; // of the owner
  std::uint64_t probes = 0;                // that the owner gave leave to
  std::uint64_t outdated = 0;              // outcomes that came when others were under way
  std::vector<std::string> wrong;

  bool is_there(std::uint32_t i, node_key id) { return nodes[i] && nodes[i]->key == id; }

  void run_for(timespan span) {
    const auto end = now + span;
    while (wrong.size() < 3 && step(end))
      if (owner && owner->due() <= now)
        tick(); // as its actor is woken
    now = end;
  }

  void expect(bool holds, const char* what) {
    if (!holds)
      wrong.push_back(to_text(now.time_since_epoch()) + ": " + what);
  }

  /// A call of a node, as its supervisors make it.
  void call(std::uint32_t i) {
    auto* n = nodes[i].get();
    if (n == nullptr)
      return;
    if (n->share.owner_decides()) {
      ask_owner(i);
      return;
    }
    const auto decided = n->own.admit(now, now + 200ms);
    n->after_event();
    if (const auto* given = std::get_if<permit>(&decided))
      on_node(i, now + between(0ms, 20ms), [given = *given](node& x) {
        if (x.all.sick.contains(x.place))
          x.own.on_failure(given, x.all.now);
        else
          x.own.on_success(given, x.all.now);
        x.after_event();
      });
  }

  void keep_calling(timespan every) {
    for (std::uint32_t i = 0; i < with.nodes; ++i)
      call(i);
    at(now + every, [this, every] { keep_calling(every); });
  }

  void lose_line(std::uint32_t i, timespan away) {
    if (!nodes[i])
      return;
    nodes[i]->connected = false;
    const auto id = nodes[i]->key;
    at(now + between(0ms, 50ms), [this, id] { lose(id); });
    on_node(i, now + between(0ms, 50ms), [](node& x) {
      x.line_up = false;
      x.share.on_line(false, x.all.now);
      x.all.expect(!x.share.leased(), "a node has a lease of an owner that it has lost");
      x.after_event();
    });
    connect(i, now + 50ms + away);
  }

  void crash(std::uint32_t i, timespan away) {
    if (!nodes[i])
      return;
    at(now + between(0ms, 50ms), [this, id = nodes[i]->key] { lose(id); });
    nodes[i] = nullptr;
    at(now + away, [this, i] { start_node(i); });
  }

  /// `in_order`: it has said that it ends.
  void crash_owner(timespan away, bool in_order = false) {
    if (std::exchange(closing_, in_order))
      return;
    if (in_order)
      owner->close(now);
    closing_ = false;
    owner = nullptr;
    members_.clear();
    for (std::uint32_t i = 0; i < with.nodes; ++i)
      lose_line(i, away);
    at(now + away, [this] { start_owner(); });
  }

  /// All nodes that the owner knows of are told at once.
  void change_policy(const circuit_breaker_limits& policy) {
    with.policy = policy;
    told_.clear();
    tick();
    owner->change_policy(policy, now);
    for (const auto& [id, of] : members_)
      expect(told_[id] == policy, "a node is not told of a new policy");
  }

private:
  // What the owner has heard of a node, by the clerk's books.
  struct member {
    circuit_report newest;
    std::uint64_t trips = 0;
    instant until{};
  };

  // A probe that a node has leave for, as far as the owner has heard.
  struct leave {
    node_key of = 0;
    std::uint64_t generation = 0;
    instant until{};
  };

  std::map<node_key, member> members_;
  std::map<std::uint64_t, leave> leaves_; // by the probe's number
  std::map<node_key, circuit_breaker_limits> told_;
  std::uint64_t owner_life_ = 0;
  bool closing_ = false;
  bool expect_trip_ = false;
  instant open_since_{};
  node_key last_key_ = 0;
  std::unordered_map<node_key, std::uint32_t> places_; // where a node is, or was

  void on_node(std::uint32_t i, instant when, std::function<void(node&)> f) {
    at(when, [this, i, id = nodes[i]->key, f = std::move(f)] {
      if (is_there(i, id))
        f(*nodes[i]);
    });
  }
  void start_owner() {
    ++owner_life_;
    members_.clear();
    leaves_.clear();
    owner = std::make_unique<shared_circuit>(with.policy, with.sharing,
                                             static_cast<shared_circuit_effects&>(*this),
                                             static_cast<circuit_observer&>(*this), now);
  }
  void start_node(std::uint32_t i) {
    nodes[i] = std::make_unique<node>(*this, i, ++last_key_);
    places_[last_key_] = i;
    on_node(i, now, [](node& x) { x.after_event(); });
    connect(i, now);
  }
  void connect(std::uint32_t i, instant when) {
    on_node(i, when, [this, i](node& x) {
      if (!owner) {
        connect(i, now + 100ms);
        return;
      }
      x.connected = true;
      x.line_up = true;
      x.share.on_line(true, now);
      x.after_event();
    });
  }

  void lose(node_key id) {
    if (owner) {
      const auto rest = without_probes([id](node_key each) { return each == id; });
      owner->lose(id, now);
      expect(owner->circuit().probes() <= rest, "the probes of a lost node don't come back");
    }
    members_.erase(id);
  }

  /// Such nodes are lost; so many probes may still be under way.
  template <class F>
  std::size_t without_probes(F is_lost) {
    const auto& circuit = owner->circuit();
    auto result = std::size_t{circuit.probes()};
    std::erase_if(leaves_, [&](const auto& each) {
      const auto& of = each.second;
      if (!is_lost(of.of))
        return false;
      result -= of.generation == circuit.generation() && now < of.until ? 1 : 0;
      return true;
    });
    return result;
  }

  void tick() {
    const auto rest = without_probes([this](node_key each) {
      const auto i = members_.find(each);
      return i != members_.end() && i->second.until <= now;
    });
    forget_the_silent();
    owner->on_tick(now);
    expect(owner->circuit().probes() <= rest, "the probes of a silent node don't come back");
    expect(owner->nodes() == members_.size(), "the owner counts nodes that have been silent");
  }

  void forget_the_silent() {
    std::erase_if(members_, [this](const auto& each) { return each.second.until <= now; });
  }

  /// A report comes to the owner: what it has to make of it, and what it does.
  void hear(node_key id, const circuit_report& report) {
    tick();
    auto& of = members_[id];
    const auto newer = report.stamp.session > of.newest.stamp.session
                       || (report.stamp.session == of.newest.stamp.session
                           && report.stamp.serial > of.newest.stamp.serial);
    const auto generation = owner->circuit().generation();
    auto opens = false;
    if (newer) {
      const auto before = report.stamp.session != of.newest.stamp.session ? report.trips : of.trips;
      of = {.newest = report, .trips = report.trips, .until = now + with.sharing.lease_time};
      const auto up_to_date = report.seen == generation;
      const auto open = std::count_if(members_.begin(), members_.end(), [&](const auto& each) {
        return each.second.newest.tripped && each.second.newest.seen == generation;
      });
      if (with.sharing.trips_for == trip_scope::any)
        opens = up_to_date && report.trips > before;
      else if (with.sharing.trips_for == trip_scope::quorum)
        opens = report.tripped && 2 * static_cast<std::size_t>(open) > members_.size();
    }
    expect_trip_ = opens && owner->circuit().state() == circuit_state::closed;
    owner->on_report(id, report, now);
    expect(!expect_trip_, "a report that should have opened the circuit has not");
  }

  /// What must be so of a node after whatever has happened to it.
  void check(node& n) {
    expect(!n.share.leased() || now < n.leased_until, "a lease is held beyond its end");
    n.was_leased = n.was_leased || n.share.leased();
    if (n.share.leased() || !n.was_leased)
      return;
    const auto state = n.own.state();
    switch (with.when_lost) {
    case owner_lost::local:
      expect(!n.own.following() || state == circuit_state::forced_open
                 || state == circuit_state::disabled,
             "a node follows an owner that is lost");
      break;
    case owner_lost::fail_open:
      expect(state == circuit_state::disabled, "fail_open doesn't let all through");
      break;
    case owner_lost::fail_closed:
      expect(state == circuit_state::forced_open, "fail_closed doesn't refuse all");
      break;
    }
  }

  /// A word comes to a node.
  void hear(node& n, const circuit_word& word) {
    const auto asked = n.said.find({word.answers.session, word.answers.serial});
    const auto ours = asked != n.said.end() && word.answers.session == n.last.stamp.session;
    if (ours)
      n.leased_until =
          std::max(n.leased_until, asked->second + word.lease_time - word.lease_time / 64);
    // Without a line it may have begun another session, of which it can't tell anybody.
    const auto newest =
        ours && n.line_up && now < n.leased_until && word.number > n.last_word && !word.closed_down;
    if (newest)
      n.last_word = word.number;
    const auto session = n.last.stamp.session;
    n.share.on_word(word, now);
    n.after_event();
    if (!newest || session != n.last.stamp.session)
      return;
    expect(n.share.leased(), "a node has heard the owner's word and has no lease");
    expect(n.own.following() == (word.state != circuit_state::closed),
           "a node follows an owner that says closed, or does not follow");
    expect(!n.own.following() || n.own.state() == word.state, "a node follows another word");
    expect(n.last.seen == word.generation, "a node keeps to itself what it has heard");
    expect(n.own.policy() == word.policy, "a node has another policy");
  }

  void say(node_key to, const circuit_word& word) override {
    expect(word.closed_down == closing_, "a circuit that is gone says nothing of it");
    told_[to] = word.policy;
    const auto open_for = owner->circuit().policy().open_for;
    expect(word.probes_in
               == (word.state == circuit_state::open
                       ? std::max(open_since_ + open_for - now, timespan{0})
                       : timespan{0}),
           "nodes are told falsely when probes will be let through");
    const auto i = places_.at(to);
    if (is_there(i, to))
      transmit(nodes[i]->last_to_node, [this, i, to, word] {
        if (is_there(i, to) && nodes[i]->connected)
          hear(*nodes[i], word);
      });
  }

  void on_transition(const circuit_transition& change) override {
    changes.push_back(change);
    if (change.to == circuit_state::open)
      open_since_ = now;
    if (change.why == transition_cause::nodes_tripped)
      expect(std::exchange(expect_trip_, false), "the circuit opens for all without a reason");
  }

  void ask_owner(std::uint32_t i) {
    transmit(nodes[i]->last_to_owner, [this, i, id = nodes[i]->key] {
      if (!owner || !is_there(i, id))
        return;
      const auto before = owner->circuit().probes();
      const auto decided = owner->admit(id, now, now + 300ms);
      expect(owner->circuit().probes() <= std::max(before, with.policy.half_open_calls),
             "more probes than permitted");
      const auto* given = std::get_if<permit>(&decided);
      if (given == nullptr || given->probe == 0)
        return;
      ++probes;
      leaves_[given->probe] = {.of = id, .generation = given->generation, .until = now + 300ms};
      if (!is_there(i, id))
        return;
      transmit(nodes[i]->last_to_node, [this, i, id, owners = *given, life = owner_life_] {
        if (!is_there(i, id))
          return;
        const auto own = nodes[i]->share.to_own(owners);
        if (own) // some take so long that much has changed meanwhile
          on_node(i, now + between(0ms, any(4) == 0 ? 3s : 30ms),
                  [owners, own, life](node& n) { n.all.tell_outcome(n, owners, *own, life); });
      });
    });
  }

  /// A probe has ended, of which the owner's process of that `life` gave leave as `owners`.
  void tell_outcome(node& n, const permit& owners, const permit& own, std::uint64_t life) {
    const auto failed = sick.contains(n.place);
    if (const auto back = n.share.to_owners(own))
      transmit(n.last_to_owner, [this, back = *back, owners, life, failed] {
        if (!owner)
          return;
        const auto& all = owner->circuit();
        const auto before = std::tuple{all.generation(), all.successes(), all.probes()};
        const auto good = life == owner_life_ && owners.generation == all.generation();
        const auto given = good ? leaves_.find(owners.probe) : leaves_.end();
        const auto in_time = given != leaves_.end() && now < given->second.until;
        if (given != leaves_.end())
          leaves_.erase(given);
        owner->on_outcome(back, {.failed = failed}, now);
        outdated += good ? 0 : 1;
        expect(good || before == std::tuple{all.generation(), all.successes(), all.probes()},
               "the outcome of an earlier probe counts");
        expect(!in_time || before != std::tuple{all.generation(), all.successes(), all.probes()},
               "the outcome of a probe is lost");
      });
  }
};

} // namespace bulwark_tests
