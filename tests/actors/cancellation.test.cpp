#include "support/guards.hpp"
#include "support/real_system.hpp"

#include <atomic>
#include <future>
#include <stop_token>

// What happens to work that nobody waits for any more, down the chain.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

guard_policy one_at_a_time(bool watches = false) {
  return {.bulkhead = bulkhead_policy{.max_workers = 1, .queue_size = 10},
          .cancel = cancel_signal::on,
          .watches_callers = watches};
}

} // namespace

TEST_CASE("a timeout goes down the chain and what waits there is never started [R36]",
          "[cancellation]") {
  guard_fixture f;
  auto inner = f.guard(one_at_a_time(), "inner");
  auto outer = f.node->guard("outer", inner, guard_policy{.deadline = 1s});
  auto first = f.sys.ask(outer, ask_atom_v, std::int32_t{1});
  auto second = f.sys.ask(outer, ask_atom_v, std::int32_t{2});
  REQUIRE(f.target.log->questions.size() == 1);
  f.sys.advance(1s + 5ms);
  CHECK(is(first, errc::timed_out));
  CHECK(is(second, errc::timed_out));
  CHECK(f.target.log->questions.size() == 1);
  CHECK(f.target.log->cancelled.size() == 1);
  const auto books = f.stats(inner);
  CHECK(books.cut == 1);
  CHECK(books.saved == 1);
  CHECK(books.calls.in_flight == 0);
}

TEST_CASE("a cancel goes through a front door to the guard of that name [R36]", "[cancellation]") {
  guard_fixture f;
  auto guard = f.guard(one_at_a_time());
  const auto door = f.node->front_door();
  const auto ask = [&](const std::string& name) {
    return f.sys.ask(door, call_atom_v, name, call_context{},
                     caf::make_message(ask_atom_v, std::int32_t{1}));
  };
  // As a guard of another node does it: the request's number, in the name of who sent it.
  struct port : caf::event_based_actor {
    using caf::event_based_actor::event_based_actor;
    caf::behavior make_behavior() override {
      return {[](caf::unit_t) {}};
    }
  };
  auto stranger = f.sys->spawn<port>();
  auto caller = f.sys->spawn<port>();
  const auto request = caf::make_message_id(7);
  const auto say = [&](const caf::actor& who, caf::message_id id, caf::message content) {
    compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(door),
                    caf::actor_cast<caf::strong_actor_ptr>(who), id, std::move(content), nullptr);
    f.sys.run();
  };
  say(caller, request,
      caf::make_message(call_atom_v, std::string{"db"}, call_context{},
                        caf::make_message(ask_atom_v, std::int32_t{1})));
  REQUIRE(f.target.log->questions.size() == 1);
  auto waiting = ask("db");
  const auto cancel = [&](const caf::actor& who, const std::string& name) {
    say(who, caf::make_message_id(),
        caf::make_message(cancel_atom_v, name, request.integer_value()));
  };
  cancel(stranger, "db"); // not its call
  cancel(caller, "nobody");
  CHECK(f.target.log->cancelled.empty());
  CHECK(f.stats(guard).calls.cancelled == 0);
  cancel(caller, "db");
  CHECK(f.target.log->cancelled.size() == 1);
  CHECK(f.stats(guard).calls.cancelled == 1);
  CHECK(f.target.log->questions.size() == 2); // who waited has its turn
  f.sys.answer(f.target, 1, std::int32_t{42});
  CHECK(waiting->as<std::int32_t>() == 42);
  f.sys.kill(stranger);
  f.sys.kill(caller);
}

TEST_CASE("where the policy asks for it a caller's death takes its calls back [R37]",
          "[cancellation]") {
  guard_fixture f;
  auto guard = f.guard(one_at_a_time(true));
  auto first = f.sys.ask(guard, ask_atom_v, std::int32_t{1});
  const auto running = f.sys.last_caller();
  auto second = f.sys.ask(guard, ask_atom_v, std::int32_t{2});
  const auto waiting = f.sys.last_caller();
  auto third = f.sys.ask(guard, ask_atom_v, std::int32_t{3});
  f.sys.kill(waiting);
  CHECK(f.stats(guard).saved == 1);
  CHECK(f.target.log->questions.size() == 1);
  f.sys.kill(running);
  CHECK(f.stats(guard).cut == 1);
  CHECK(f.target.log->cancelled.size() == 1);
  CHECK(f.stats(guard).calls.cancelled == 2);
  REQUIRE(f.target.log->questions.size() == 2);
  CHECK(f.question(1) == 3);
  f.sys.answer(f.target, 1, std::int32_t{42});
  CHECK(third->as<std::int32_t>() == 42);
  CHECK(f.stats(guard).calls.in_flight == 0);
}

TEST_CASE("a caller whose calls are answered may end without any effect [R37]", "[cancellation]") {
  guard_fixture f;
  auto guard = f.guard(one_at_a_time(true));
  auto first = f.sys.ask(guard, ask_atom_v, std::int32_t{1});
  f.sys.answer(f.target, 0, std::int32_t{42});
  const auto done = f.sys.last_caller();
  auto second = f.sys.ask(guard, ask_atom_v, std::int32_t{2}); // in the slot of the first
  f.sys.kill(done);
  CHECK(f.stats(guard).calls.cancelled == 0);
  f.sys.answer(f.target, 1, std::int32_t{43});
  CHECK(second->as<std::int32_t>() == 43);
}

TEST_CASE("without it a dead caller's call goes on [R37]", "[cancellation]") {
  guard_fixture f;
  auto guard = f.guard(one_at_a_time());
  f.sys.ask(guard, ask_atom_v, std::int32_t{1});
  f.sys.kill(f.sys.last_caller());
  CHECK(f.stats(guard).calls.cancelled == 0);
  f.sys.answer(f.target, 0, std::int32_t{42});
  CHECK(f.stats(guard).calls.succeeded == 1);
}

// -- functions -----------------------------------------------------------------------------

TEST_CASE("a function that asks for it sees that its time is up [R38]", "[cancellation]") {
  real_system sys;
  bulwark::node node{*sys};
  auto part = node.bulkhead("cpu", {.max_workers = 1, .queue_size = 3});
  std::promise<bool> stopped;
  auto answer = sys.send(part, execute_atom_v,
                         make_work(
                             [&stopped](const std::stop_token& stop, int x) {
                               std::promise<void> told;
                               std::stop_callback when{stop, [&told] { told.set_value(); }};
                               told.get_future().wait();
                               stopped.set_value(stop.stop_requested());
                               return x;
                             },
                             42),
                         timespan{50ms});
  answer->wait();
  CHECK(is(answer, errc::timed_out));
  CHECK(stopped.get_future().get());
}

TEST_CASE("a function that asks for it runs like any other [R38]", "[cancellation]") {
  real_system sys;
  bulwark::node node{*sys};
  auto part = node.bulkhead("cpu", {.max_workers = 1, .queue_size = 3});
  auto answer = sys.send(
      part, execute_atom_v,
      make_work([](std::stop_token stop, int x) { return stop.stop_requested() ? 0 : 2 * x; }, 21));
  answer->wait();
  CHECK(answer->as<int>() == 42);
  // One that takes anything gets what it was given.
  auto any = sys.send(part, execute_atom_v,
                      make_work([](auto... xs) { return static_cast<int>(sizeof...(xs)); }, 1, 2));
  any->wait();
  CHECK(any->as<int>() == 2);
}
