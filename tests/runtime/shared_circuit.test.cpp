#include "bulwark/shared_circuit.hpp"
#include "bulwark/circuit_share.hpp"

#include "support/catch.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <variant>
#include <vector>

/// @file What a shared circuit's owner and its nodes make of each other's words, one at a time; the
/// random histories are in tests/models.

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

struct owner_fixture : private shared_circuit_effects, private circuit_observer {
  instant now{1h};
  std::vector<circuit_transition> changes;
  std::map<node_key, circuit_word> words; // the last to each
  shared_circuit core{
      {.open_for = 10s, .half_open_calls = 1}, {.trips_for = trip_scope::any}, *this, *this, now};

  void report(node_key node, std::uint64_t serial, std::uint64_t trips, std::uint64_t seen) {
    core.on_report(node,
                   {.stamp = {.session = 1, .serial = serial},
                    .trips = trips,
                    .tripped = trips > 0,
                    .seen = seen},
                   now);
  }
  [[nodiscard]] bool open() const { return core.circuit().state() == circuit_state::open; }

private:
  void say(node_key node, const circuit_word& word) override { words[node] = word; }
  void on_transition(const circuit_transition& change) override { changes.push_back(change); }
};

struct node_fixture : private circuit_share_effects, private circuit_observer {
  instant now{1h};
  circuit_report last;
  circuit_breaker own{{.failure_threshold = 1, .open_for = 10s}, *this, now};
  circuit_share share{own, *this, owner_lost::local, now};

  node_fixture() { share.on_line(true, now); }

  void say(std::uint64_t number, circuit_state state, std::uint64_t generation,
           timespan probes_in = 10s) {
    share.on_word({.answers = last.stamp,
                   .number = number,
                   .state = state,
                   .generation = generation,
                   .probes_in = probes_in,
                   .policy = own.policy(),
                   .lease_time = 1s},
                  now);
  }

private:
  void report(const circuit_report& report) override { last = report; }
  void policy_changed(const circuit_breaker_limits&) override {}
  void on_transition(const circuit_transition&) override {}
};

} // namespace

TEST_CASE("a trip counts for all only where the node knew of the present generation [D16]",
          "[shared_circuit]") {
  owner_fixture o;
  o.report(1, 1, 0, 0);
  o.report(1, 2, 1, 0); // it tripped before it had heard anything
  CHECK_FALSE(o.open());
  o.report(1, 3, 2, o.core.circuit().generation());
  CHECK(o.open());
  CHECK(o.changes.back().why == transition_cause::nodes_tripped);
}

TEST_CASE("a report that a later one has overtaken says nothing [D16]", "[shared_circuit]") {
  owner_fixture o;
  o.report(1, 1, 0, 0);
  o.report(1, 3, 0, 1);
  o.report(1, 2, 1, 1);
  CHECK_FALSE(o.open());
}

TEST_CASE("the probes of a node that is lost come back to the owner [D17]", "[shared_circuit]") {
  owner_fixture o;
  o.report(1, 1, 0, 1);
  o.report(2, 1, 0, 1);
  o.report(1, 2, 1, 1);
  o.now += 10s;
  o.report(1, 3, 1, 2);
  o.report(2, 2, 0, 2);
  CHECK(std::holds_alternative<permit>(o.core.admit(1, o.now, end_of_time)));
  CHECK(std::holds_alternative<rejection>(o.core.admit(2, o.now, end_of_time)));
  o.core.lose(1, o.now);
  CHECK(std::holds_alternative<permit>(o.core.admit(2, o.now, end_of_time)));
}

TEST_CASE("so do those of a node that asked when its lease was over [D17]", "[shared_circuit]") {
  owner_fixture o;
  o.report(1, 1, 0, 1);
  o.report(1, 2, 1, 1);
  o.now += 10s; // of which it said nothing
  CHECK(std::holds_alternative<permit>(o.core.admit(1, o.now, end_of_time)));
  REQUIRE(o.core.nodes() == 1);
  o.core.on_tick(o.now);
  REQUIRE(o.core.nodes() == 0);
  REQUIRE(o.core.circuit().probes() == 0);
  CHECK(std::holds_alternative<permit>(o.core.admit(1, o.now, end_of_time)));
  o.core.lose(1, o.now);
  CHECK(o.core.circuit().probes() == 0);
}

TEST_CASE("what is said of another probe of the same number leaves the probe its place [D17]",
          "[shared_circuit]") {
  owner_fixture o;
  o.report(1, 1, 0, 1);
  o.report(1, 2, 1, 1);
  o.now += 10s;
  o.report(1, 3, 1, 2);
  const auto leave = std::get<permit>(o.core.admit(1, o.now, end_of_time));
  o.core.on_outcome({.generation = leave.generation - 1, .probe = leave.probe}, {.failed = true},
                    o.now);
  CHECK(o.core.circuit().state() == circuit_state::half_open);
  o.core.on_outcome(leave, {.failed = true}, o.now);
  CHECK(o.open());
}

TEST_CASE("a word that a later one has overtaken says nothing [D17]", "[shared_circuit]") {
  node_fixture n;
  n.say(2, circuit_state::closed, 3);
  n.say(1, circuit_state::open, 2);
  CHECK(n.own.state() == circuit_state::closed);
}

TEST_CASE(
    "a node that follows does not go on by its own clock and one whose owner is silent does [D17] "
    "[D18]",
    "[shared_circuit]") {
  node_fixture n;
  n.say(1, circuit_state::open, 2);
  SECTION("it follows") {
    n.say(2, circuit_state::open, 2, 0s); // probes are the owner's to give
    n.own.on_tick(n.now);
    CHECK(n.own.state() == circuit_state::open);
  }
  SECTION("the owner is silent") {
    n.now += 10s;
    n.share.on_change(n.now);
    n.own.on_tick(n.now);
    CHECK(n.own.state() == circuit_state::half_open);
  }
}

TEST_CASE("what an operator said at a node while the owner was away ends when it is back [D18]",
          "[shared_circuit]") {
  node_fixture n;
  const auto by_hand = GENERATE(circuit_state::forced_open, circuit_state::disabled);
  if (by_hand == circuit_state::forced_open)
    n.own.force_open(n.now);
  else
    n.own.disable(n.now);
  n.share.on_change(n.now);
  n.say(1, circuit_state::closed, 1);
  // Else nobody could: whoever says it here from now on says it to the owner, whose circuit is closed.
  CHECK(n.own.state() == circuit_state::closed);
}

TEST_CASE("a lease ends a 64th before its time for clocks do not run alike [D13]", "[lease]") {
  const instant start{1h};
  lease held;
  held.begin();
  const auto asked = held.stamp(start);
  CHECK_FALSE(held.held());
  REQUIRE(held.renew(asked, 64s));
  CHECK(held.until() == start + 63s); // from when it was asked for, whenever the answer came
}

TEST_CASE("an owner's word that makes no sense is none and no time overflows by it [Z1]",
          "[shared_circuit]") {
  node_fixture n;
  circuit_word word{.answers = n.last.stamp,
                    .number = 1,
                    .state = circuit_state::open,
                    .generation = 2,
                    .policy = n.own.policy(),
                    .lease_time = 1s};
  SECTION("a time that is none") {
    word.probes_in = GENERATE(as<timespan>{}, -1ns, timespan::min(), timespan::max());
  }
  SECTION("a policy out of range") {
    word.policy.open_for = GENERATE(as<timespan>{}, 0s, -1s, timespan::min(), timespan::max());
  }
  SECTION("a lease time out of range") {
    word.lease_time = GENERATE(as<timespan>{}, 0s, -1s, 2h, timespan::min(), timespan::max());
  }
  n.share.on_word(word, n.now);
  CHECK_FALSE(n.share.leased());
  CHECK(n.own.state() == circuit_state::closed);
  n.share.on_line(false, n.now); // goes on from where it is, by its own rules
  CHECK(n.own.state() == circuit_state::closed);
  CHECK(n.own.since() == instant{1h});
}

TEST_CASE("a circuit's owner that ends tells its nodes and they go on by themselves [D18]",
          "[shared_circuit]") {
  owner_fixture o;
  o.report(1, 1, 0, 0);
  o.core.close(o.now);
  CHECK(o.words[1].closed_down);
  node_fixture n;
  auto end = o.words[1];
  end.answers = n.last.stamp;
  n.share.on_word(end, n.now); // it had none yet: nothing is lost
  CHECK_FALSE(n.share.leased());
  n.say(1, circuit_state::open, 3);
  REQUIRE(n.own.following());
  end.answers = n.last.stamp;
  n.share.on_word(end, n.now);
  CHECK_FALSE(n.share.leased());
  CHECK_FALSE(n.own.following());
}

TEST_CASE("a report without a session is none [Z1]", "[shared_circuit]") {
  owner_fixture o;
  o.core.on_report(1, {.stamp = {.session = 0, .serial = 1}, .trips = 1}, o.now);
  CHECK(o.words.empty());
  CHECK(o.core.nodes() == 0);
}

TEST_CASE("what an operator says to a circuit's owner holds on all nodes [D17]",
          "[shared_circuit]") {
  owner_fixture o;
  o.report(1, 1, 0, 0);
  o.core.disable(o.now);
  CHECK(o.words[1].state == circuit_state::disabled);
  o.core.force_open(o.now);
  CHECK(o.words[1].state == circuit_state::forced_open);
  o.core.reset(o.now);
  CHECK(o.words[1].state == circuit_state::closed);
}

TEST_CASE("a probe that is given back leaves its place to another [D17]", "[shared_circuit]") {
  owner_fixture o;
  o.report(1, 1, 0, 1);
  o.report(1, 2, 1, o.core.circuit().generation());
  REQUIRE(o.open());
  o.now += 10s;
  const auto first = o.core.admit(1, o.now, o.now + 1s);
  REQUIRE(std::holds_alternative<permit>(first));
  CHECK(std::holds_alternative<rejection>(o.core.admit(1, o.now, o.now + 1s)));
  o.core.on_outcome(std::get<permit>(first), {}, o.now);
  CHECK(std::holds_alternative<permit>(o.core.admit(1, o.now, o.now + 1s)));
}

TEST_CASE("a circuit that is open for all grows and is limited by the owner's policy [C33]",
          "[shared_circuit]") {
  struct growing final : shared_circuit_effects, circuit_observer {
    void say(node_key, const circuit_word& word) override { last = word; }
    void on_transition(const circuit_transition&) override {}
    circuit_word last;
  } told;
  auto now = instant{1h};
  shared_circuit core{
      {.open_for = 10s, .half_open_calls = 1, .open_growth = 2.0, .max_half_open_for = 3s},
      {.trips_for = trip_scope::any},
      told,
      told,
      now};
  core.on_report(1, {.stamp = {.session = 1, .serial = 1}, .seen = 1}, now);
  core.on_report(1, {.stamp = {.session = 1, .serial = 2}, .trips = 1, .tripped = true, .seen = 1},
                 now);
  CHECK(told.last.probes_in == 10s);
  now += 10s;
  static_cast<void>(core.admit(1, now, end_of_time));
  CHECK(told.last.state == circuit_state::half_open);
  now += 3s;
  core.on_tick(now); // the probe has come to no end
  CHECK(told.last.state == circuit_state::open);
  CHECK(told.last.probes_in == 20s);
}

TEST_CASE("a node ramps once the owner has closed [C33]", "[shared_circuit]") {
  node_fixture n;
  auto policy = n.own.policy();
  policy.ramp_for = 5s;
  n.own.change_policy(policy, n.now);
  n.say(1, circuit_state::open, 2);
  n.say(2, circuit_state::closed, 4);
  circuit_view view;
  n.own.publish(view);
  CHECK(view.read().state == circuit_state::closed);
  CHECK(view.read().ramping);
}

TEST_CASE("in metrics_only for all each node tells what it would have done [C33]",
          "[shared_circuit]") {
  node_fixture n;
  n.say(1, circuit_state::metrics_only, 2);
  CHECK(n.own.state() == circuit_state::metrics_only);
  const auto generation = n.own.generation();
  n.own.record_failure(n.now);
  CHECK(n.own.generation() == generation + 1);
  CHECK(n.own.state() == circuit_state::metrics_only);
  n.say(2, circuit_state::closed, 3);
  CHECK(n.own.state() == circuit_state::closed);
}

TEST_CASE("a call that was no probe has nothing to tell the owner [D17]", "[shared_circuit]") {
  node_fixture n;
  n.say(1, circuit_state::half_open, 3);
  REQUIRE(n.share.owner_decides());
  CHECK_FALSE(n.share.to_owners({.generation = n.own.generation(), .probe = 0}));
  CHECK(n.share.to_owners({.generation = n.own.generation(), .probe = 4}));
}

TEST_CASE("what is said of probes while the owner's timer is late is that they are due [D17]",
          "[shared_circuit]") {
  owner_fixture o;
  o.report(1, 1, 0, 1);
  o.report(1, 2, 1, o.core.circuit().generation());
  REQUIRE(o.open());
  o.now += 11s;
  o.core.change_policy({.open_for = 10s}, o.now);
  CHECK(o.words[1].state == circuit_state::open);
  CHECK(o.words[1].probes_in == timespan{0});
}
