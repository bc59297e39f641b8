#include "bulwark/circuit_share.hpp"
#include "bulwark/random.hpp"
#include "bulwark/shared_circuit.hpp"

#include "support/catch.hpp"

#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <vector>

/// @file One circuit breaker over many nodes, on random histories: messages are late, lost, doubled
/// and overtaken, nodes come and go, the owner's process too. All cores are the real ones.

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

struct world_settings {
  std::uint64_t seed = 1;
  std::uint32_t nodes = 3;
  sharing_policy sharing{.lease_time = 1s, .trips_for = trip_scope::any};
  owner_lost when_lost = owner_lost::local;
  circuit_breaker_limits policy{
      .failure_threshold = 3, .success_threshold = 2, .open_for = 500ms, .half_open_calls = 2};
  timespan most_delay = 10ms;
  double lost = 0;
  double doubled = 0;
};

class world : private shared_circuit_effects, private circuit_observer {
public:
  explicit world(const world_settings& settings) : with(settings), chance(settings.seed) {
    start_owner();
    for (std::uint32_t i = 0; i < with.nodes; ++i) {
      nodes.push_back(nullptr);
      start_node(i);
    }
  }

  struct node : private circuit_observer, private circuit_share_effects {
    world& all;
    const std::uint32_t place;
    const node_key key;
    circuit_breaker own;
    circuit_share share;
    instant wake = end_of_time;
    instant opened{}; // last

    node(world& w, std::uint32_t where, node_key id)
        : all(w),
          place(where),
          key(id),
          own(circuit_breaker_limits{}, *this, w.now),
          share(own, *this, w.with.when_lost, w.now) {}

    void after_event() {
      share.on_change(all.now);
      const auto due = std::min(share.due(), own.due());
      if (due >= wake)
        return;
      wake = due;
      all.on_node(place, due, [due](node& n) {
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
    }
    void report(const circuit_report& report) override {
      all.transmit([this_world = &all, i = place, id = key, report] {
        if (this_world->owner && this_world->is_there(i, id) && this_world->nodes[i]->connected)
          this_world->owner->on_report(id, report, this_world->now);
      });
    }
    void policy_changed(const circuit_breaker_limits& policy) override {
      own.change_policy(policy, all.now);
    }

  public:
    bool connected = true;
  };

  world_settings with;
  random_stream chance;
  instant now{};
  std::unique_ptr<shared_circuit> owner;
  std::vector<std::unique_ptr<node>> nodes;
  std::set<std::uint32_t> sick;            // nodes whose calls fail
  std::vector<circuit_transition> changes; // of the owner
  std::uint64_t probes_out = 0;            // given by the owner and not over
  std::uint64_t most_probes = 0;

  timespan between(timespan low, timespan high) {
    return low + timespan{static_cast<std::int64_t>(chance.unit() * double((high - low).count()))};
  }
  std::uint32_t any(std::uint32_t count) { return std::uint32_t(chance.next() % count); }
  bool is_there(std::uint32_t i, node_key id) { return nodes[i] && nodes[i]->key == id; }

  void run_for(timespan span) {
    const auto end = now + span;
    while (!queue_.empty() && queue_.top().at <= end) {
      auto next = std::move(const_cast<event&>(queue_.top()));
      queue_.pop();
      now = std::max(now, next.at);
      if (owner)
        owner->on_tick(now); // as its actor is woken
      next.happen();
    }
    now = end;
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
    const auto leave = n->own.admit(now, now + 200ms);
    n->after_event();
    if (const auto* given = std::get_if<permit>(&leave))
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
    at(now + between(0ms, 50ms), [this, id] {
      if (owner)
        owner->lose(id, now);
    });
    on_node(i, now + between(0ms, 50ms), [](node& x) {
      x.share.on_line(false, x.all.now);
      x.after_event();
    });
    connect(i, now + 50ms + away);
  }

  void crash(std::uint32_t i, timespan away) {
    if (!nodes[i])
      return;
    at(now + between(0ms, 50ms), [this, id = nodes[i]->key] {
      if (owner)
        owner->lose(id, now);
    });
    nodes[i] = nullptr;
    at(now + away, [this, i] { start_node(i); });
  }

  void crash_owner(timespan away) {
    owner = nullptr;
    for (std::uint32_t i = 0; i < with.nodes; ++i)
      lose_line(i, away);
    at(now + away, [this] { start_owner(); });
  }

private:
  struct event {
    instant at;
    std::uint64_t number;
    std::function<void()> happen;
    friend bool operator<(const event& a, const event& b) {
      return std::pair{a.at, a.number} > std::pair{b.at, b.number};
    }
  };

  std::priority_queue<event> queue_;
  std::uint64_t last_event_ = 0;
  node_key last_key_ = 0;

  void at(instant when, std::function<void()> f) {
    queue_.push({.at = when, .number = ++last_event_, .happen = std::move(f)});
  }
  void on_node(std::uint32_t i, instant when, std::function<void(node&)> f) {
    at(when, [this, i, id = nodes[i]->key, f = std::move(f)] {
      if (is_there(i, id))
        f(*nodes[i]);
    });
  }
  void start_owner() {
    owner = std::make_unique<shared_circuit>(with.policy, with.sharing,
                                             static_cast<shared_circuit_effects&>(*this),
                                             static_cast<circuit_observer&>(*this), now);
  }
  void start_node(std::uint32_t i) {
    nodes[i] = std::make_unique<node>(*this, i, ++last_key_);
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
      x.share.on_line(true, now);
      x.after_event();
    });
  }

  void transmit(std::function<void()> arrive) {
    if (chance.unit() < with.lost)
      return;
    for (int i = chance.unit() < with.doubled ? 2 : 1; i > 0; --i)
      at(now + between(100us, with.most_delay), arrive);
  }

  void say(node_key to, const circuit_word& word) override {
    for (std::uint32_t i = 0; i < with.nodes; ++i) {
      if (is_there(i, to))
        transmit([this, i, to, word] {
          if (!is_there(i, to) || !nodes[i]->connected)
            return;
          nodes[i]->share.on_word(word, now);
          nodes[i]->after_event();
        });
    }
  }

  void on_transition(const circuit_transition& change) override {
    changes.push_back(change);
    probes_out = 0; // of an earlier generation
  }

  void ask_owner(std::uint32_t i) {
    transmit([this, i, id = nodes[i]->key] {
      if (!owner || !is_there(i, id))
        return;
      const auto leave = owner->admit(id, now, now + 300ms);
      const auto* given = std::get_if<permit>(&leave);
      if (given == nullptr || given->probe == 0)
        return;
      ++probes_out;
      most_probes = std::max(most_probes, owner->circuit().probes() + std::uint64_t{0});
      transmit([this, i, id, owners = *given] {
        if (!is_there(i, id))
          return;
        auto& n = *nodes[i];
        const auto leave = n.share.to_own(owners);
        const auto back = leave ? n.share.to_owners(*leave) : std::nullopt;
        const auto failed = sick.contains(i);
        if (back)
          transmit([this, back = *back, failed] {
            if (owner)
              owner->on_outcome(back, failed, now);
          });
      });
    });
  }
};

std::uint64_t histories() {
  const char* wish = std::getenv("BULWARK_HISTORIES");
  return wish != nullptr ? std::strtoull(wish, nullptr, 10) : 100;
}

} // namespace

TEST_CASE(
    "when a node's circuit opens those of all nodes do or of none or when more than half have as "
    "trip_scope says [D16]",
    "[shared_circuit]") {
  const auto scope = GENERATE(trip_scope::own, trip_scope::quorum, trip_scope::any);
  CAPTURE(to_string(scope));
  world_settings with{.nodes = 5};
  with.sharing.trips_for = scope;
  world w{with};
  w.keep_calling(5ms);
  w.run_for(1s);
  for (std::uint32_t sick = 1; sick <= 3; ++sick) {
    w.sick.insert(sick);
    w.run_for(300ms);
    CHECK(w.nodes[sick]->own.state() == circuit_state::open);
    const auto for_all = scope == trip_scope::any || (scope == trip_scope::quorum && sick == 3);
    CHECK((w.owner->circuit().state() == circuit_state::open) == for_all);
    CHECK((w.nodes[0]->own.state() == circuit_state::open) == for_all);
    if (for_all)
      break;
  }
  w.sick.clear();
  w.run_for(5s);
  for (const auto& n : w.nodes)
    CHECK(n->own.state() == circuit_state::closed);
  if (scope == trip_scope::own)
    CHECK(w.changes.empty());
}

TEST_CASE(
    "a shared circuit is open on every node at most two messages after one has opened it [D17]",
    "[shared_circuit]") {
  world_settings with{.nodes = 20};
  world w{with};
  w.keep_calling(5ms);
  w.run_for(1s);
  w.sick.insert(7);
  w.run_for(200ms);
  const auto began = w.nodes[7]->opened;
  for (const auto& n : w.nodes) {
    CHECK(n->own.state() == circuit_state::open);
    CHECK(n->opened - began <= 2 * with.most_delay);
  }
}

TEST_CASE("whatever happens to lines, processes and owner of a shared circuit probes are bounded "
          "over all "
          "nodes and in the end all nodes see what the owner says [D17] [D18]",
          "[shared_circuit]") {
  std::uint64_t transitions = 0;
  for (std::uint64_t seed = 1; seed <= histories(); ++seed) {
    CAPTURE(seed);
    random_stream chance{seed};
    world_settings with{.seed = seed, .nodes = 2 + std::uint32_t(seed % 5)};
    with.sharing.trips_for = static_cast<trip_scope>(seed % 3);
    with.when_lost = static_cast<owner_lost>(seed / 3 % 3);
    with.lost = chance.next() % 2 == 0 ? 0.05 : 0;
    with.doubled = with.lost;
    world w{with};
    w.keep_calling(20ms);
    const auto kinds = chance.next();
    for (int step = 0; step < 25; ++step) {
      w.run_for(w.between(1ms, 400ms));
      const auto i = w.any(with.nodes);
      const auto what = w.any(6);
      if ((kinds >> what & 1U) == 0)
        continue;
      switch (what) {
      case 0:
        w.sick.insert(i);
        break;
      case 1:
        w.sick.erase(i);
        break;
      case 2:
        w.lose_line(i, w.between(0ms, 2s));
        break;
      case 3:
        w.crash(i, w.between(60ms, 2s));
        break;
      case 4:
        if (w.owner)
          w.crash_owner(w.between(60ms, 2s));
        break;
      default:
        if (w.owner)
          w.owner->force_open(w.now);
      }
    }
    w.with.lost = 0;
    w.with.doubled = 0;
    w.run_for(6s);
    CHECK(w.most_probes <= with.policy.half_open_calls);
    REQUIRE(w.owner);
    w.run_for(1s);
    for (const auto& n : w.nodes) {
      REQUIRE(n);
      const auto all = w.owner->circuit().state();
      if (all == circuit_state::forced_open)
        CHECK(n->own.state() == all);
      CHECK(n->own.policy() == with.policy);
    }
    // And it recovers: nobody is left behind.
    w.sick.clear();
    w.owner->reset(w.now);
    w.run_for(8s);
    for (const auto& n : w.nodes)
      CHECK(n->own.state() == circuit_state::closed);
    CHECK(w.owner->circuit().state() == circuit_state::closed);
    transitions += w.changes.size();
  }
  CHECK(transitions > histories()); // the histories have been what they should be
}
