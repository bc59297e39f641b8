// A circuit breaker that several nodes use, in virtual time: the nodes are in one process, and the
// line between them is the test's own.
#include "support/guards.hpp"
#include "support/listener.hpp"

#include <array>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

// What a connection looks like from the other side: hands on what comes until it is lost.
template <class Said>
void hand_on(caf::event_based_actor* self, const caf::actor& door, const std::string& part,
             const Said& said) {
  compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(door), self->current_sender(),
                  caf::make_message_id(), caf::make_message(part, said), self->context());
}

caf::behavior line_to(caf::event_based_actor* self, caf::actor door) {
  return {
      [=](const std::string& part, const circuit_report& x) { hand_on(self, door, part, x); },
      [=](const std::string& part, const circuit_probe_request& x) {
        hand_on(self, door, part, x);
      },
      [=](const std::string& part, const outcome_report& x) { hand_on(self, door, part, x); },
      [=](const std::string& part, const circuit_command& x) { hand_on(self, door, part, x); },
  };
}

struct fixture {
  virtual_system sys;
  std::array<virtual_node, 3> nodes{virtual_node{sys}, virtual_node{sys}, virtual_node{sys}};
  std::array<virtual_system::manual, 3> targets{sys.spawn_manual(), sys.spawn_manual(),
                                                sys.spawn_manual()};
  std::array<caf::actor, 3> lines; // none to the first: it is the owner
  std::array<caf::actor, 3> parts;
  std::array<caf::actor, 3> guards;
  caf::actor owner;

  explicit fixture(trip_scope trips_for, owner_lost when_lost = owner_lost::local) {
    const circuit_breaker_policy policy{
        .failure_threshold = 2, .success_threshold = 1, .open_for = 10s, .half_open_calls = 1};
    parts[0] =
        nodes[0]->shared_circuit_breaker("db", policy, {.lease_time = 1s, .trips_for = trips_for});
    owner = nodes[0]->directory()->find_shared(part_kind::circuit_breaker, "db");
    for (std::size_t i = 1; i < 3; ++i) {
      lines[i] = sys->spawn(line_to, nodes[0]->front_door());
      parts[i] = nodes[i]->directory()->circuit_breaker_of(
          "owner/db", {},
          {.line = {.part = "db", .door = caf::actor_cast<caf::strong_actor_ptr>(lines[i])},
           .when_lost = when_lost});
    }
    for (std::size_t i = 0; i < 3; ++i)
      guards[i] = nodes[i]->guard("guard", targets[i].handle, {.breaker = parts[i]});
    sys.run();
  }

  reply_ptr call(std::size_t node) { return sys.ask(guards[node], ask_atom_v, 0); }

  // One call that the node's target answers.
  template <class Answer>
  reply_ptr call_and_answer(std::size_t node, Answer answer) {
    auto result = call(node);
    REQUIRE(result->count() == 0);
    sys.answer(targets[node], targets[node].log->questions.size() - 1, std::move(answer));
    return result;
  }

  void fail_twice(std::size_t node) {
    for (int i = 0; i < 2; ++i)
      call_and_answer(node, caf::make_error(target_error::broken));
  }

  circuit_state state(std::size_t node) {
    return sys.get<circuit_state>(parts[node], state_atom_v);
  }

  void lose_line(std::size_t node) { sys.kill(lines[node]); }

  void connect_again(std::size_t node) {
    lines[node] = sys->spawn(line_to, nodes[0]->front_door());
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(parts[node]),
                 door_change{.door = caf::actor_cast<caf::strong_actor_ptr>(lines[node])});
    sys.run();
  }
};

} // namespace

TEST_CASE("any: one node's failures open the circuit for all at once [D16] [D17]",
          "[shared_circuit]") {
  fixture f{trip_scope::any};
  f.fail_twice(1);
  for (std::size_t i = 0; i < 3; ++i) {
    auto answer = f.call(i);
    REQUIRE(is(answer, errc::circuit_open));
    CHECK(report_of(answer->error())->retry_after == 10s);
  }
}

TEST_CASE("own: one node's failures open the circuit for it alone [D16]", "[shared_circuit]") {
  fixture f{trip_scope::own};
  f.fail_twice(1);
  f.fail_twice(2);
  CHECK(is(f.call(1), errc::circuit_open));
  CHECK(f.call(0)->count() == 0); // with the target
  CHECK(f.sys.get<circuit_state>(f.owner, state_atom_v) == circuit_state::closed);
}

TEST_CASE(
    "quorum: the circuit opens for all when those of more than half of the nodes are open [D16]",
    "[shared_circuit]") {
  fixture f{trip_scope::quorum};
  f.fail_twice(1);
  CHECK(f.state(1) == circuit_state::open);
  CHECK(f.state(0) == circuit_state::closed);
  f.fail_twice(2);
  CHECK(f.state(0) == circuit_state::open);
  CHECK(is(f.call(0), errc::circuit_open));
}

TEST_CASE(
    "probes of a shared circuit are bounded over all nodes and one that succeeds closes it for all "
    "[D17]",
    "[shared_circuit]") {
  fixture f{trip_scope::any};
  f.fail_twice(1);
  f.sys.advance(10s);
  auto probe = f.call(2);
  CHECK(probe->count() == 0); // with the target
  CHECK(is(f.call(1), errc::circuit_open));
  CHECK(is(f.call(0), errc::circuit_open));
  f.sys.answer(f.targets[2], 0, std::int32_t{7});
  CHECK(probe->as<std::int32_t>() == 7);
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(f.state(i) == circuit_state::closed);
  CHECK(f.call_and_answer(1, std::int32_t{8})->as<std::int32_t>() == 8);
}

TEST_CASE(
    "a probe that fails opens a shared circuit again and one whose node is lost comes back [D17]",
    "[shared_circuit]") {
  fixture f{trip_scope::any};
  f.fail_twice(1);
  f.sys.advance(10s);
  SECTION("it fails") {
    f.call_and_answer(2, caf::make_error(target_error::broken));
    CHECK(f.state(0) == circuit_state::open);
    CHECK(f.state(1) == circuit_state::open);
  }
  SECTION("its node is lost") {
    f.call(2);
    CHECK(is(f.call(1), errc::circuit_open));
    f.sys.kill(f.parts[2]);
    CHECK(f.call(1)->count() == 0); // the next probe
  }
  SECTION("its guard ends") {
    f.call(2);
    f.sys.kill(f.guards[2]);
    CHECK(f.call(1)->count() == 0);
  }
}

TEST_CASE(
    "without its owner a node goes on from where the circuit is or opens it or lets all through as "
    "its policy says [D18]",
    "[shared_circuit]") {
  SECTION("local, closed: it counts for itself") {
    fixture f{trip_scope::any};
    f.lose_line(1);
    CHECK(f.call_and_answer(1, std::int32_t{1})->as<std::int32_t>() == 1);
    f.fail_twice(1);
    CHECK(f.state(1) == circuit_state::open);
    CHECK(f.state(0) == circuit_state::closed);
  }
  SECTION("local, open: it probes for itself") {
    fixture f{trip_scope::any};
    f.fail_twice(2);
    f.lose_line(1);
    CHECK(is(f.call(1), errc::circuit_open));
    f.sys.advance(10s);
    f.call_and_answer(1, std::int32_t{1});
    CHECK(f.state(1) == circuit_state::closed);
  }
  SECTION("fail_open") {
    fixture f{trip_scope::any, owner_lost::fail_open};
    f.fail_twice(2);
    f.lose_line(1);
    f.fail_twice(1);
    CHECK(f.call_and_answer(1, std::int32_t{1})->as<std::int32_t>() == 1);
  }
  SECTION("fail_closed") {
    fixture f{trip_scope::any, owner_lost::fail_closed};
    f.lose_line(1);
    CHECK(is(f.call(1), errc::circuit_open));
  }
}

TEST_CASE("when the owner is back its word holds again [D18]", "[shared_circuit]") {
  const auto when_lost =
      GENERATE(owner_lost::local, owner_lost::fail_open, owner_lost::fail_closed);
  fixture f{trip_scope::any, when_lost};
  f.lose_line(1);
  f.fail_twice(2);
  f.connect_again(1);
  CHECK(is(f.call(1), errc::circuit_open));
  f.sys.ask(f.owner, reset_atom_v);
  CHECK(f.state(1) == circuit_state::closed);
}

TEST_CASE(
    "an owner's part that is ended by whatever means tells its nodes and another is heard at once "
    "[D18]",
    "[shared_circuit]") {
  fixture f{trip_scope::any};
  f.sys.advance(5s); // some words have been said
  f.sys.kill(f.owner);
  f.sys.kill(f.parts[0]); // or its name is taken
  f.sys.run();
  f.nodes[0]->directory()->shared_circuit_breaker(
      "db", {.failure_threshold = 2, .success_threshold = 1, .open_for = 10s, .half_open_calls = 1},
      {.lease_time = 1s, .trips_for = trip_scope::any});
  f.sys.advance(300ms); // they say that they are there: a lease is a second
  f.fail_twice(2);
  CHECK(is(f.call(1), errc::circuit_open));
}

TEST_CASE(
    "a silent owner is lost when the lease has run out and calls that wait for it are answered "
    "[D18]",
    "[shared_circuit]") {
  fixture f{trip_scope::any};
  f.fail_twice(2);
  f.sys.advance(10s);
  f.sys.kill(f.owner);
  auto waiting = f.call(1); // asks for a probe
  f.sys.advance(2s);
  f.sys.answer(f.targets[1], 0, std::int32_t{3});
  CHECK(waiting->as<std::int32_t>() == 3);
}

TEST_CASE("an operator's word to any node's part of a shared circuit holds for all [D17]",
          "[shared_circuit]") {
  fixture f{trip_scope::own};
  f.sys.ask(f.parts[1], force_open_atom_v);
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(f.state(i) == circuit_state::forced_open);
  f.sys.ask(f.parts[2], reset_atom_v);
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(f.state(i) == circuit_state::closed);
}

TEST_CASE("each transition of a shared circuit is told on every node [D17]", "[shared_circuit]") {
  fixture f{trip_scope::any};
  auto heard = std::make_shared<told>();
  auto subscriber = f.sys->spawn(listener, f.nodes[2]->registry(), heard);
  f.sys.run();
  f.fail_twice(1);
  REQUIRE(heard->transitions.size() == 1);
  CHECK(heard->transitions[0].name == "owner/db");
  CHECK(heard->transitions[0].why == transition_cause::owner_said);
  f.sys.kill(subscriber);
}

TEST_CASE(
    "a change of a shared circuit's policy reaches all nodes and only the owner takes one [D17]",
    "[shared_circuit]") {
  fixture f{trip_scope::own};
  CHECK(is(f.sys.ask(f.parts[1], change_policy_atom_v, circuit_breaker_policy{}),
           errc::invalid_policy));
  CHECK(is(f.sys.ask(f.owner, change_policy_atom_v, circuit_breaker_policy{.failure_threshold = 0}),
           errc::invalid_policy));
  f.sys.ask(f.owner, change_policy_atom_v, circuit_breaker_policy{.failure_threshold = 1});
  f.call_and_answer(1, caf::make_error(target_error::broken));
  CHECK(f.state(1) == circuit_state::open);
}
