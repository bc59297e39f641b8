#include "support/guards.hpp"

#include <caf/actor_registry.hpp>

#include <algorithm>

// What a guard is to those who use it: as good as the target itself, and it always answers.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

TEST_CASE("a message goes through unchanged and so does its reply [G1]", "[guard]") {
  virtual_system sys;
  auto target = sys->spawn(doubling_target);
  virtual_node node{sys};
  auto guard = node->guard("db", target, whole_policy());
  CHECK(sys.get<std::int32_t>(guard, ask_atom_v, 21) == 42);
  CHECK(sys.get<payload>(guard, payload{"as it was"}).text == "as it was");
}

TEST_CASE("an error of the target comes back unchanged with its context [G1]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.deadline = 5s});
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.answer(f.target, 0, caf::make_error(target_error::broken, "the disk", 7));
  REQUIRE(answer->count() == 1);
  CHECK(answer->error() == target_error::broken);
  CHECK(to_string(answer->error())
        == to_string(caf::make_error(target_error::broken, "the disk", 7)));
}

TEST_CASE("a message that the target does not know is answered as the target answers it [G1]",
          "[guard]") {
  virtual_system sys;
  auto target = sys->spawn(doubling_target);
  virtual_node node{sys};
  auto guard = node->guard("db", target, whole_policy());
  auto direct = sys.ask(target, std::string{"what"});
  auto guarded = sys.ask(guard, std::string{"what"});
  REQUIRE(guarded->count() == 1);
  CHECK(guarded->error() == caf::sec::unexpected_message);
  CHECK(guarded->error() == direct->error());
}

TEST_CASE("a reply of several values or of none goes through [G1]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard(whole_policy());
  auto many = f.sys.ask(guard, ask_atom_v, 1);
  auto none = f.sys.ask(guard, ask_atom_v, 2);
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(f.target.handle), answer_atom_v,
               std::uint64_t{0}, caf::make_message(1, std::string{"two"}, payload{"three"}));
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(f.target.handle), answer_atom_v,
               std::uint64_t{1}, caf::make_message());
  f.sys.run();
  REQUIRE(many->count() == 1);
  CHECK(many->content().match_elements<int, std::string, payload>());
  REQUIRE(none->count() == 1);
  CHECK(none->content().empty());
}

TEST_CASE("an urgent request reaches the target as an urgent one [G1]", "[guard]") {
  guard_fixture f;
  auto urgent = std::make_shared<bool>(false);
  auto target = f.sys->spawn([urgent](caf::event_based_actor* self) -> caf::behavior {
    return {[self, urgent](ask_atom, std::int32_t x) {
      *urgent = self->current_mailbox_element()->mid.category()
                == caf::message_id::urgent_message_category;
      return x;
    }};
  });
  auto guard = f.node->guard("urgent", target, whole_policy());
  auto answer = std::make_shared<reply>();
  auto caller_actor = f.sys->spawn<caller>(caf::actor_cast<caf::strong_actor_ptr>(guard),
                                           caf::make_message(ask_atom_v, 1), answer);
  f.sys.run();
  CHECK_FALSE(*urgent);
  const auto id = caf::make_message_id(77).with_high_priority();
  compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(guard),
                  caf::actor_cast<caf::strong_actor_ptr>(caller_actor), id,
                  caf::make_message(ask_atom_v, 2), nullptr);
  f.sys.run();
  CHECK(*urgent);
  CHECK(answer->count() == 2);
}

TEST_CASE("a typed target gives a handle of the same type [G2]", "[guard]") {
  virtual_system sys;
  virtual_node node{sys};
  auto target = sys->spawn([](typed_target::pointer) -> typed_target::behavior_type {
    return {[](ask_atom, std::int32_t x) { return x * 2; }};
  });
  auto guard = node->guard("typed", target, whole_policy());
  STATIC_REQUIRE(std::is_same_v<decltype(guard), typed_target>);
  CHECK(sys.get<std::int32_t>(guard, ask_atom_v, 21) == 42);
  CHECK(caf::actor_cast<caf::strong_actor_ptr>(guard)->get()->message_types()
        == caf::actor_cast<caf::strong_actor_ptr>(target)->get()->message_types());
}

TEST_CASE("the target hears each request once and the caller one answer [G3]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard(whole_policy());
  std::vector<reply_ptr> answers;
  for (std::int32_t i = 0; i < 10; ++i)
    answers.push_back(f.sys.ask(guard, ask_atom_v, i));
  REQUIRE(f.target.log->questions.size() == 10);
  for (std::uint64_t i = 10; i-- > 0;) // in the other order
    f.sys.answer(f.target, i, f.question(i) * 2);
  f.sys.advance(10s);
  for (std::int32_t i = 0; i < 10; ++i) {
    REQUIRE(answers[static_cast<std::size_t>(i)]->count() == 1);
    CHECK(answers[static_cast<std::size_t>(i)]->as<std::int32_t>() == 2 * i);
  }
  CHECK(f.stats(guard).calls.succeeded == 10);
}

TEST_CASE("a target that was dead before the guard was made is a lost target [G4]", "[guard]") {
  guard_fixture f;
  f.sys.kill(f.target.handle);
  auto guard = f.guard({.deadline = 5s});
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  CHECK(is(answer, errc::target_lost));
  CHECK(f.stats(guard).calls.failed == 1);
}

TEST_CASE("a target that dies before the call is a lost target [G4]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.deadline = 5s});
  f.sys.kill(f.target.handle);
  CHECK(is(f.sys.ask(guard, ask_atom_v, 1), errc::target_lost));
}

TEST_CASE("a target that dies during the call is a lost target for all in flight [G4]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.deadline = 5s});
  std::vector<reply_ptr> answers;
  for (std::int32_t i = 0; i < 20; ++i)
    answers.push_back(f.sys.ask(guard, ask_atom_v, i));
  f.sys.ask(f.target.handle, die_atom_v);
  CHECK(std::all_of(answers.begin(), answers.end(),
                    [](const reply_ptr& answer) { return is(answer, errc::target_lost); }));
  auto books = f.stats(guard).calls;
  CHECK(books.failed == 20);
  CHECK(books.balanced());
}

TEST_CASE("a target that dies after the call changes nothing for it [G4]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard(whole_policy());
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.answer(f.target, 0, std::int32_t{2});
  f.sys.kill(f.target.handle);
  f.sys.advance(10s);
  REQUIRE(answer->count() == 1);
  CHECK(answer->as<std::int32_t>() == 2);
}

TEST_CASE("what a target throws reaches its caller and the others lose their target [G4]",
          "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.deadline = 5s});
  auto waiting = f.sys.ask(guard, ask_atom_v, 1);
  auto thrown = f.sys.ask(guard, throw_atom_v);
  // CAF answers the request whose handler threw, and ends the actor.
  REQUIRE(thrown->count() == 1);
  CHECK(thrown->error() == caf::sec::runtime_error);
  CHECK(to_string(thrown->error()).find("thrown by the target") != std::string::npos);
  CHECK(is(waiting, errc::target_lost));
  CHECK(is(f.sys.ask(guard, ask_atom_v, 2), errc::target_lost));
  CHECK(f.stats(guard).calls.failed == 3);
}

TEST_CASE("a second reply to the same request is dropped and counted [G4]", "[guard]") {
  guard_fixture f;
  auto ids = std::make_shared<std::vector<caf::message_id>>();
  auto twice = f.sys->spawn([ids](caf::event_based_actor* self) -> caf::behavior {
    return {[self, ids](ask_atom, std::int32_t x) {
      const auto& element = *self->current_mailbox_element();
      ids->push_back(element.mid);
      compat::deliver(element.sender, caf::strong_actor_ptr{self->ctrl()},
                      element.mid.response_id(), caf::make_message(-x), self->context());
      return x;
    }};
  });
  auto guard = f.node->guard("twice", twice, whole_policy());
  auto first = f.sys.ask(guard, ask_atom_v, 1);
  auto second = f.sys.ask(guard, ask_atom_v, 2);
  f.sys.advance(10s);
  REQUIRE(first->count() == 1);
  CHECK(first->as<std::int32_t>() == -1);
  REQUIRE(second->count() == 1);
  CHECK(second->as<std::int32_t>() == -2);
  CHECK(f.stats(guard).late_replies == 2);
  CHECK(f.stats(guard).calls.succeeded == 2);
}

TEST_CASE("a late reply is dropped and does not answer the call that took its place [G4]",
          "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.deadline = 1s});
  auto late = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.advance(2s);
  CHECK(is(late, errc::timed_out));
  auto next = f.sys.ask(guard, ask_atom_v, 2); // in the slot of the first
  f.sys.answer(f.target, 0, std::int32_t{111});
  CHECK(next->count() == 0);
  f.sys.answer(f.target, 1, std::int32_t{4});
  REQUIRE(next->count() == 1);
  CHECK(next->as<std::int32_t>() == 4);
  CHECK(late->count() == 1);
  CHECK(f.stats(guard).late_replies == 1);
}

TEST_CASE("a target that never replies is timed out [G4]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.deadline = 5s});
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.advance(5s - 1ms);
  CHECK(answer->count() == 0);
  f.sys.advance(3ms);
  CHECK(is(answer, errc::timed_out));
}

TEST_CASE("a target that drops its promise of a reply is as good as lost [G4]", "[guard]") {
  guard_fixture f;
  auto dropper = f.sys->spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](ask_atom, std::int32_t) {
      static_cast<void>(self->make_response_promise());
      return caf::delegated<std::int32_t>{};
    }};
  });
  auto guard = f.node->guard("dropper", dropper, {.deadline = 5s});
  CHECK(is(f.sys.ask(guard, ask_atom_v, 1), errc::target_lost));
}

TEST_CASE("a shutdown answers a thousand calls in flight [G5]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.retry = retry_policy{},
                        .bulkhead = bulkhead_policy{.max_workers = 100, .queue_size = 1000}});
  std::vector<reply_ptr> answers;
  for (std::int32_t i = 0; i < 1000; ++i)
    answers.push_back(f.sys.ask(guard, ask_atom_v, i));
  CHECK(f.target.log->questions.size() == 100);
  CHECK(f.stats(guard).calls.in_flight == 1000);
  auto done = f.sys.ask(guard, shutdown_atom_v);
  CHECK(done->count() == 1);
  CHECK(std::all_of(answers.begin(), answers.end(),
                    [](const reply_ptr& answer) { return is(answer, errc::shutting_down); }));
}

TEST_CASE("a guard that is killed answers what is in flight [G5]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard(whole_policy());
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.kill(guard);
  CHECK(is(answer, errc::shutting_down));
  CHECK(f.sys.ask(guard, ask_atom_v, 2)->count() == 1); // CAF's word for it
}

TEST_CASE("a shutdown that waits lets calls finish and refuses new ones [G5]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard(whole_policy());
  auto old = f.sys.ask(guard, ask_atom_v, 1);
  auto done = f.sys.ask(guard, shutdown_atom_v, true);
  CHECK(done->count() == 0);
  CHECK(is(f.sys.ask(guard, ask_atom_v, 2), errc::shutting_down));
  f.sys.answer(f.target, 0, std::int32_t{2});
  REQUIRE(old->count() == 1);
  CHECK(old->as<std::int32_t>() == 2);
  CHECK(done->count() == 1);
}

TEST_CASE("a guard killed during a shutdown that waits answers both [G5]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard(whole_policy());
  auto call = f.sys.ask(guard, ask_atom_v, 1);
  auto done = f.sys.ask(guard, shutdown_atom_v, true);
  f.sys.kill(guard);
  CHECK(is(call, errc::shutting_down));
  REQUIRE(done->count() == 1);
  CHECK_FALSE(done->is_error());
}

TEST_CASE("a send that wants no reply is guarded and its failure counted [G7]", "[guard]") {
  guard_fixture f;
  auto breaker = f.node->circuit_breaker("b", {.failure_threshold = 2});
  auto guard = f.guard({.deadline = 1s, .breaker = breaker});
  const auto to = caf::actor_cast<caf::strong_actor_ptr>(guard);
  for (std::int32_t i = 0; i < 3; ++i) {
    compat::tell(to, ask_atom_v, i);
    f.sys.run();
    if (i < 2)
      f.sys.answer(f.target, static_cast<std::uint64_t>(i), caf::make_error(target_error::broken));
  }
  CHECK(f.target.log->questions.size() == 2); // the third met an open circuit
  const auto books = f.stats(guard).calls;
  CHECK(books.calls == 3);
  CHECK(books.failed == 2);
  CHECK(books.rejected == 1);
  CHECK(f.breaker_stats(breaker).state == circuit_state::open);
}

TEST_CASE("a send that wants no reply is timed out and counted too [G7]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.deadline = 1s});
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(guard), ask_atom_v, 1);
  f.sys.advance(2s);
  CHECK(f.stats(guard).calls.timed_out == 1);
}

TEST_CASE(
    "a message that begins with a word of bulwark but is none of its own is the target's [G1]",
    "[guard]") {
  guard_fixture f;
  auto target = f.sys->spawn([]() -> caf::behavior {
    return {[](get_atom, std::int32_t x) { return x + 1; },
            [](shutdown_atom, std::int32_t x) { return x + 2; }};
  });
  auto guard = f.node->guard("words", target, {});
  CHECK(f.sys.get<std::int32_t>(guard, get_atom_v, std::int32_t{1}) == 2);
  CHECK(f.sys.get<std::int32_t>(guard, shutdown_atom_v, std::int32_t{1}) == 3);
}

TEST_CASE("a guard whose handle is dropped answers what is in flight and then ends [G16]",
          "[guard]") {
  guard_fixture f;
  f.sys.run();
  const auto before = f.sys->registry().running();
  auto answer = std::make_shared<reply>();
  {
    auto guard = f.node->guard("dropped", f.target.handle, whole_policy());
    f.sys->spawn<caller>(caf::actor_cast<caf::strong_actor_ptr>(guard),
                         caf::make_message(ask_atom_v, 1), answer);
    f.sys.run();
  }
  CHECK(answer->count() == 0);
  CHECK(f.sys->registry().running() > before);
  f.sys.answer(f.target, 0, std::int32_t{2});
  REQUIRE(answer->count() == 1);
  CHECK(answer->as<std::int32_t>() == 2);
  f.sys.advance(10s);
  CHECK(f.sys->registry().running() == before); // with its breaker and its bulkhead
  CHECK_NOTHROW(f.node->guard("dropped", f.target.handle, {}));
}

TEST_CASE("a guard whose handle is dropped between two attempts makes the second [G16]",
          "[guard]") {
  guard_fixture f;
  auto answer = std::make_shared<reply>();
  {
    auto guard = f.node->guard("dropped", f.target.handle, whole_policy());
    f.sys->spawn<caller>(caf::actor_cast<caf::strong_actor_ptr>(guard),
                         caf::make_message(ask_atom_v, 1), answer);
    f.sys.run();
  }
  // In its backoff nobody has the guard: not even a request that the target could answer.
  f.sys.answer(f.target, 0, caf::make_error(target_error::busy, error_mark::transient));
  f.sys.advance(200ms);
  REQUIRE(f.target.log->questions.size() == 2);
  f.sys.answer(f.target, 1, std::int32_t{2});
  REQUIRE(answer->count() == 1);
  CHECK(answer->as<std::int32_t>() == 2);
}

TEST_CASE("an idle guard lives as long as somebody has its handle [G16]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.deadline = 1s});
  f.sys.advance(1h);
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.answer(f.target, 0, std::int32_t{2});
  CHECK(answer->as<std::int32_t>() == 2);
}

TEST_CASE("a guard that has ended lets go of its target [G16]", "[guard]") {
  virtual_system sys;
  virtual_node node{sys};
  // The target holds the guard, the guard the target: without letting go neither would ever end.
  auto holder = sys->spawn([](caf::event_based_actor* self) -> caf::behavior {
    auto mine = std::make_shared<caf::actor>();
    return {[self, mine](const caf::actor& guard) {
      *mine = guard;
      static_cast<void>(self);
    }};
  });
  auto guard = node->guard("ring", holder, {});
  sys.ask(holder, guard);
  sys.ask(guard, shutdown_atom_v);
  const auto before = sys->registry().running();
  guard = nullptr;
  holder = nullptr;
  sys.run();
  CHECK(sys->registry().running() == before - 1);
}
