#pragma once

#include "bulwark/circuit_share.hpp"
#include "bulwark/shared_circuit.hpp"

#include "models/simulated_network.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

/// @file Many nodes with one circuit breaker, an owner and a network. All cores are the real ones.

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

    node(circuit_world& w, std::uint32_t where, node_key id)
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
    }
    void report(const circuit_report& report) override {
      all.transmit(last_to_owner, [this_world = &all, i = place, id = key, report] {
        if (this_world->owner && this_world->is_there(i, id) && this_world->nodes[i]->connected)
          this_world->owner->on_report(id, report, this_world->now);
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
  std::uint64_t probes_out = 0;            // given by the owner and not over
  std::uint64_t most_probes = 0;

  bool is_there(std::uint32_t i, node_key id) { return nodes[i] && nodes[i]->key == id; }

  void run_for(timespan span) {
    const auto end = now + span;
    while (step(end))
      if (owner && owner->due() <= now)
        owner->on_tick(now); // as its actor is woken
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
  node_key last_key_ = 0;
  std::unordered_map<node_key, std::uint32_t> places_; // where a node is, or was

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
      x.share.on_line(true, now);
      x.after_event();
    });
  }

  void say(node_key to, const circuit_word& word) override {
    const auto i = places_.at(to);
    if (is_there(i, to))
      transmit(nodes[i]->last_to_node, [this, i, to, word] {
        if (!is_there(i, to) || !nodes[i]->connected)
          return;
        nodes[i]->share.on_word(word, now);
        nodes[i]->after_event();
      });
  }

  void on_transition(const circuit_transition& change) override {
    changes.push_back(change);
    probes_out = 0; // of an earlier generation
  }

  void ask_owner(std::uint32_t i) {
    transmit(nodes[i]->last_to_owner, [this, i, id = nodes[i]->key] {
      if (!owner || !is_there(i, id))
        return;
      const auto leave = owner->admit(id, now, now + 300ms);
      const auto* given = std::get_if<permit>(&leave);
      if (given == nullptr || given->probe == 0)
        return;
      ++probes_out;
      most_probes = std::max(most_probes, owner->circuit().probes() + std::uint64_t{0});
      if (!is_there(i, id))
        return;
      transmit(nodes[i]->last_to_node, [this, i, id, owners = *given] {
        if (!is_there(i, id))
          return;
        auto& n = *nodes[i];
        const auto own_leave = n.share.to_own(owners);
        const auto back = own_leave ? n.share.to_owners(*own_leave) : std::nullopt;
        const auto failed = sick.contains(i);
        if (back)
          transmit(n.last_to_owner, [this, back = *back, failed] {
            if (owner)
              owner->on_outcome(back, failed, now);
          });
      });
    });
  }
};

} // namespace bulwark_tests
