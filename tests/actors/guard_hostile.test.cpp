#include "support/guards.hpp"

#include <algorithm>
#include <utility>
#include <vector>

// Callers that die or take back their calls, and messages that are meant to confuse.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

struct pool_fixture : guard_fixture {
  caf::actor pool = node->bulkhead("p", {.max_workers = 1, .queue_size = 10});
  caf::actor guarded = guard(
      {.deadline = 10s,
       .retry = retry_policy{.max_attempts = 2, .base_delay = 1s, .jitter = jitter_kind::none},
       .bulkhead = pool});

  caf::actor ask_and_forget(std::int32_t x) {
    sys.ask(guarded, ask_atom_v, x);
    return sys.last_caller();
  }

  std::uint32_t free() { return sys.get<std::uint32_t>(pool, available_capacity_atom_v); }
};

void tell_cancel(virtual_system& sys, const caf::actor& caller, const caf::actor& guard) {
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(caller), cancel_atom_v, guard);
  sys.run();
}

// Replies with whatever it is told to, first.
caf::actor parrot(virtual_system& sys, caf::message reply) {
  return sys->spawn([reply](caf::event_based_actor* self) -> caf::behavior {
    return {[self, reply](ask_atom, std::int32_t) {
      const auto& element = *self->current_mailbox_element();
      compat::deliver(element.sender, caf::strong_actor_ptr{self->ctrl()},
                      element.mid.response_id(), reply, self->context());
      return caf::delegated<caf::message>{};
    }};
  });
}

} // namespace

TEST_CASE("a caller that dies in flight leaves no permit behind [G3]", "[guard]") {
  pool_fixture f;
  f.sys.kill(f.ask_and_forget(1));
  CHECK(f.free() == 0); // the target is still at it
  f.sys.advance(11s);
  CHECK(f.free() == 1);
  CHECK(f.stats(f.guarded).calls.in_flight == 0);
}

TEST_CASE("a caller that dies in the queue leaves no permit behind [G3 M9]", "[guard]") {
  pool_fixture f;
  auto first = f.sys.ask(f.guarded, ask_atom_v, 1);
  f.sys.advance(2s);
  f.sys.kill(f.ask_and_forget(2));
  f.sys.advance(9s); // the first is timed out
  CHECK(is(first, errc::timed_out));
  f.sys.advance(10s);
  CHECK(f.free() == 1);
  CHECK(f.stats(f.guarded).calls.balanced());
}

TEST_CASE("a caller that dies in backoff leaves no permit behind [G3]", "[guard]") {
  pool_fixture f;
  auto caller = f.ask_and_forget(1);
  f.sys.answer(f.target, 0, caf::make_error(target_error::busy, error_mark::transient));
  f.sys.kill(caller);
  CHECK(f.free() == 1);
  f.sys.advance(1100ms);
  f.sys.answer(f.target, 1, std::int32_t{2});
  CHECK(f.free() == 1);
  CHECK(f.stats(f.guarded).calls.succeeded == 1);
}

TEST_CASE("a call that is cancelled in flight is answered and the permit comes back [C14 G3]",
          "[guard]") {
  pool_fixture f;
  auto answer = f.sys.ask(f.guarded, ask_atom_v, 1);
  tell_cancel(f.sys, f.sys.last_caller(), f.guarded);
  CHECK(is(answer, errc::cancelled));
  CHECK(f.free() == 1);
  CHECK(f.stats(f.guarded).calls.cancelled == 1);
  f.sys.answer(f.target, 0, std::int32_t{2});
  CHECK(answer->count() == 1);
  CHECK(f.stats(f.guarded).late_replies == 1);
}

TEST_CASE("a call that is cancelled in the queue is never started [M9]", "[guard]") {
  pool_fixture f;
  f.sys.ask(f.guarded, ask_atom_v, 1);
  auto answer = f.sys.ask(f.guarded, ask_atom_v, 2);
  tell_cancel(f.sys, f.sys.last_caller(), f.guarded);
  CHECK(is(answer, errc::cancelled));
  f.sys.answer(f.target, 0, std::int32_t{2});
  CHECK(f.target.log->questions.size() == 1);
  CHECK(f.free() == 1);
}

TEST_CASE("a call whose time is up in the queue is never started [M9]", "[guard]") {
  pool_fixture f;
  f.sys.ask(f.guarded, ask_atom_v, 1);
  f.sys.advance(1s);
  auto answer = f.sys.ask(f.guarded, ask_atom_v, 2);
  auto holder = f.node->guard("holder", f.target.handle, {.bulkhead = f.pool});
  auto held = f.sys.ask(holder, ask_atom_v, 3);
  f.sys.advance(
      9005ms); // the first is timed out, the second gets its turn for the rest of its time
  CHECK(f.target.log->questions.size() == 2);
  f.sys.advance(1s);
  CHECK(is(answer, errc::timed_out));
  REQUIRE(f.target.log->questions.size() == 3);
  CHECK(f.question(2) == 3);
  auto late = f.sys.ask(f.guarded, ask_atom_v, 4); // behind one that never ends
  f.sys.advance(11s);
  CHECK(is(late, errc::timed_out));
  f.sys.answer(f.target, 2, std::int32_t{6});
  CHECK(held->as<std::int32_t>() == 6);
  CHECK(f.target.log->questions.size() == 3);
}

TEST_CASE("a call that is cancelled in backoff makes no further attempt [C14]", "[guard]") {
  pool_fixture f;
  auto answer = f.sys.ask(f.guarded, ask_atom_v, 1);
  auto caller = f.sys.last_caller();
  f.sys.answer(f.target, 0, caf::make_error(target_error::busy, error_mark::transient));
  tell_cancel(f.sys, caller, f.guarded);
  CHECK(is(answer, errc::cancelled));
  f.sys.advance(10s);
  CHECK(f.target.log->questions.size() == 1);
}

TEST_CASE("traps 2 and 3: a cancelled probe neither closes nor reopens and goes back [C14]",
          "[guard]") {
  guard_fixture f;
  auto breaker = f.node->circuit_breaker(
      "b", {.failure_threshold = 1, .success_threshold = 1, .open_for = 1s, .half_open_calls = 1});
  auto guard = f.guard({.breaker = breaker});
  f.sys.ask(breaker, record_failure_atom_v);
  f.sys.advance(2s);
  auto probe = f.sys.ask(guard, ask_atom_v, 1);
  auto caller = f.sys.last_caller();
  CHECK(f.breaker_stats(breaker).probes == 1);
  tell_cancel(f.sys, caller, guard);
  CHECK(is(probe, errc::cancelled));
  auto books = f.breaker_stats(breaker);
  CHECK(books.state == circuit_state::half_open);
  CHECK(books.probes == 0);
  CHECK(books.calls.failed == 0);
  CHECK(books.calls.cancelled == 1);
  auto next = f.sys.ask(guard, ask_atom_v, 2);
  f.sys.answer(f.target, 1, std::int32_t{4});
  CHECK(next->as<std::int32_t>() == 4);
  CHECK(f.breaker_stats(breaker).state == circuit_state::closed);
}

TEST_CASE("nobody can cancel another one's call and cancelling twice or late does nothing [G3]",
          "[guard]") {
  pool_fixture f;
  auto mine = f.sys.ask(f.guarded, ask_atom_v, 1);
  auto caller = f.sys.last_caller();
  f.sys.ask(f.guarded, cancel_atom_v, std::uint64_t{1}); // the same request id, another sender
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(f.guarded), cancel_atom_v, std::uint64_t{1});
  f.sys.run();
  CHECK(mine->count() == 0);
  tell_cancel(f.sys, caller, f.guarded);
  tell_cancel(f.sys, caller, f.guarded);
  CHECK(is(mine, errc::cancelled));
  auto next = f.sys.ask(f.guarded, ask_atom_v, 2);
  tell_cancel(f.sys, caller, f.guarded);
  CHECK(next->count() == 0);
  CHECK(f.stats(f.guarded).calls.cancelled == 1);
}

TEST_CASE("calls that were accepted before and after the first cancel can be cancelled [G3]",
          "[guard]") {
  guard_fixture f;
  auto guard = f.guard({});
  std::vector<std::pair<reply_ptr, caf::actor>> calls;
  const auto call = [&] {
    auto answer = f.sys.ask(guard, ask_atom_v, 1);
    calls.emplace_back(answer, f.sys.last_caller());
  };
  call();
  call();
  tell_cancel(f.sys, calls[0].second, guard);
  call();
  tell_cancel(f.sys, calls[2].second, guard);
  tell_cancel(f.sys, calls[1].second, guard);
  for (const auto& [answer, caller] : calls)
    CHECK(is(answer, errc::cancelled));
}

TEST_CASE("a target that understands cancel is told what was timed out or cancelled [M8]",
          "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.deadline = 1s, .cancel = cancel_signal::on});
  f.sys.ask(guard, ask_atom_v, 1);
  f.sys.advance(2s);
  CHECK(f.target.log->cancelled.size() == 1);
  f.sys.ask(guard, ask_atom_v, 2);
  tell_cancel(f.sys, f.sys.last_caller(), guard);
  CHECK(f.target.log->cancelled.size() == 2);
  CHECK(f.target.log->cancelled[0] != f.target.log->cancelled[1]);
}

TEST_CASE("a target of which nobody knows that it understands cancel is told nothing [M8]",
          "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.deadline = 1s});
  f.sys.ask(guard, ask_atom_v, 1);
  f.sys.advance(2s);
  CHECK(f.target.log->cancelled.empty());
  CHECK(f.target.log->questions.size() == 1);
}

TEST_CASE("a typed target whose interface has cancel is told unless the policy says off [M8]",
          "[guard]") {
  using cancellable = caf::typed_actor<caf::result<std::int32_t>(ask_atom, std::int32_t),
                                       caf::result<void>(bulwark::cancel_atom, std::uint64_t)>;
  guard_fixture f;
  auto told = std::make_shared<std::vector<std::uint64_t>>();
  auto ids = std::make_shared<std::vector<std::uint64_t>>();
  auto target = f.sys->spawn([told, ids](cancellable::pointer self) -> cancellable::behavior_type {
    auto kept = std::make_shared<std::vector<caf::typed_response_promise<std::int32_t>>>();
    return {[self, kept, ids](ask_atom, std::int32_t) {
              ids->push_back(self->current_mailbox_element()->mid.integer_value());
              kept->push_back(self->make_response_promise<std::int32_t>());
              return kept->back();
            },
            [told](cancel_atom, std::uint64_t request) { told->push_back(request); }};
  });
  auto guard = f.node->guard("typed", target, {.deadline = 1s});
  f.sys.ask(guard, ask_atom_v, 1);
  f.sys.advance(2s);
  CHECK(told->size() == 1);
  CHECK(*told == *ids);
  auto quiet = f.node->guard("quiet", target, {.deadline = 1s, .cancel = cancel_signal::off});
  f.sys.ask(quiet, ask_atom_v, 1);
  f.sys.advance(2s);
  CHECK(told->size() == 1);
  // Whoever is the target: a call that names its own tells it too.
  auto run = f.sys.ask(f.node->timeout_manager(), run_atom_v, caf::actor_cast<caf::actor>(target),
                       timespan{1s}, caf::make_message(ask_atom_v, 1));
  f.sys.advance(2s);
  CHECK(is(run, errc::timed_out));
  CHECK(told->size() == 2);
  CHECK(*told == std::vector<std::uint64_t>{ids->at(0), ids->at(2)});
  f.sys.kill(
      caf::actor_cast<caf::actor>(target)); // with its promises it holds itself alive (CAF 1.1)
}

TEST_CASE("of several targets in turn each that understands cancel is told and no other [M8]",
          "[guard]") {
  pool_fixture f; // its guard understands, its target doesn't
  const auto time_out = [&](const caf::actor& target) {
    auto run = f.sys.ask(f.node->timeout_manager(), run_atom_v, target, timespan{100ms},
                         caf::make_message(ask_atom_v, 1));
    f.sys.advance(200ms);
    CHECK(is(run, errc::timed_out));
  };
  time_out(f.target.handle);
  time_out(f.guarded);
  time_out(f.target.handle);
  time_out(f.guarded);
  CHECK(f.stats(f.guarded).calls.cancelled == 2);
  CHECK(f.target.log->cancelled.empty());
}

TEST_CASE("a guard that is the target of a timed call is told and frees its permit [M8]",
          "[guard]") {
  pool_fixture f;
  auto run = f.sys.ask(f.node->timeout_manager(), run_atom_v, f.guarded, timespan{1s},
                       caf::make_message(ask_atom_v, 1));
  CHECK(f.free() == 0);
  f.sys.advance(1100ms);
  CHECK(is(run, errc::timed_out));
  CHECK(f.free() == 1);
  CHECK(f.stats(f.guarded).calls.cancelled == 1);
}

TEST_CASE("a guard around a guard passes on calls and replies and what was timed out [G1 M8]",
          "[guard]") {
  pool_fixture f;
  auto outer = f.node->guard("outer", f.guarded, {.deadline = 1s});
  auto good = f.sys.ask(outer, ask_atom_v, 1);
  f.sys.answer(f.target, 0, std::int32_t{2});
  CHECK(good->as<std::int32_t>() == 2);
  auto slow = f.sys.ask(outer, ask_atom_v, 2);
  f.sys.advance(1100ms);
  CHECK(is(slow, errc::timed_out));
  CHECK(f.free() == 1);
  // Its own time is up first: it inherits what the outer one has left.
  CHECK(f.stats(f.guarded).calls.timed_out == 1);
  f.sys.ask(f.guarded, shutdown_atom_v);
  CHECK(is(f.sys.ask(outer, ask_atom_v, 3), errc::target_lost));
}

TEST_CASE("a call that names a target which throws or dies or is none is answered [G4]",
          "[guard]") {
  guard_fixture f;
  auto breaker = f.node->circuit_breaker("b", {.failure_threshold = 100});
  auto pool = f.node->bulkhead("p", {.max_workers = 10});
  for (const auto& part : {breaker, pool}) {
    auto none = f.sys.ask(part, call_atom_v, caf::actor{}, caf::make_message(ask_atom_v, 1));
    CHECK(is(none, errc::target_lost));
    auto target = f.sys.spawn_manual();
    auto waiting = f.sys.ask(part, call_atom_v, target.handle, caf::make_message(ask_atom_v, 1));
    auto thrown = f.sys.ask(part, call_atom_v, target.handle, caf::make_message(throw_atom_v));
    REQUIRE(thrown->count() == 1);
    CHECK(thrown->error() == caf::sec::runtime_error);
    CHECK(is(waiting, errc::target_lost));
    auto dead = f.sys.ask(part, call_atom_v, target.handle, caf::make_message(ask_atom_v, 1));
    CHECK(is(dead, errc::target_lost));
  }
  CHECK(f.sys.get<std::uint32_t>(pool, available_capacity_atom_v) == 10);
}

TEST_CASE("a named target that ends without a word is lost for its calls alone [G4]", "[guard]") {
  guard_fixture f;
  auto pool = f.node->bulkhead("p", {.max_workers = 2});
  // Keeps the request by hand, as nothing of CAF's would answer for it.
  auto silent = f.sys->spawn([](caf::event_based_actor*) -> caf::behavior {
    return {[](ask_atom, std::int32_t) { return caf::delegated<std::int32_t>{}; }};
  });
  auto lost = f.sys.ask(pool, call_atom_v, silent, caf::make_message(ask_atom_v, 1));
  auto other = f.sys.ask(pool, call_atom_v, f.target.handle, caf::make_message(ask_atom_v, 2));
  f.sys.kill(silent);
  CHECK(is(lost, errc::target_lost));
  CHECK(other->count() == 0);
  CHECK(f.sys.get<std::uint32_t>(pool, available_capacity_atom_v) == 1);
  f.sys.answer(f.target, 0, std::int32_t{4});
  CHECK(other->as<std::int32_t>() == 4);
}

TEST_CASE("a reply that looks like CAF's own or like bulwark's goes through [G1]", "[guard]") {
  guard_fixture f;
  auto stranger = f.sys->spawn(doubling_target);
  const std::vector<caf::message> all{
      caf::make_message(caf::exit_msg{stranger->address(), caf::exit_reason::kill}),
      caf::make_message(caf::down_msg{f.target.handle->address(), caf::exit_reason::kill}),
      caf::make_message(shutdown_atom_v),
      caf::make_message(shutdown_atom_v, true),
      caf::make_message(get_stats_atom_v),
      caf::make_message(wake_up_atom_v),
      caf::make_message(cancel_atom_v, std::uint64_t{1}),
      caf::make_message(guard_stats{}),
      caf::make_message(permit_refusal{}),
      caf::make_message(caf::error{}), // which says that there is none
      caf::make_message(failed_reply{.reason = caf::make_error(errc::cancelled), .lost = true}),
      caf::make_message(caf::make_message(shutdown_atom_v)),
      caf::make_message(caf::make_message(1))};
  int n = 0;
  for (const auto& reply : all) {
    auto guard = f.node->guard("g" + std::to_string(n++), parrot(f.sys, reply), whole_policy());
    auto answer = f.sys.ask(guard, ask_atom_v, 1);
    INFO(to_string(reply));
    REQUIRE(answer->count() == 1);
    CHECK(to_string(answer->content()) == to_string(reply));
    CHECK(answer->content().types() == reply.types());
    CHECK(f.stats(guard).calls.succeeded == 1); // and it is alive
  }
}

TEST_CASE("a question that looks like CAF's own does not end or deafen the guard [G3]", "[guard]") {
  guard_fixture f;
  auto seen = std::make_shared<std::vector<std::string>>();
  auto pool = f.node->bulkhead("p");
  auto guard = f.guard({.deadline = 1s, .bulkhead = pool});
  auto stranger = f.sys->spawn(doubling_target);
  // The end of a stranger: no word on target or parts.
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(guard),
               caf::down_msg{stranger->address(), caf::exit_reason::kill});
  f.sys.run();
  auto fine = f.sys.ask(guard, ask_atom_v, 1);
  CHECK(f.target.log->questions.size() == 1);
  // As requests they are the target's, which never answers such a thing.
  auto down = f.sys.ask(guard, caf::down_msg{f.target.handle->address(), caf::exit_reason::kill});
  CHECK(fine->count() == 0);
  f.sys.advance(1100ms);
  CHECK(is(down, errc::timed_out));
  // It is the target that an error as a message ends, as it would without a guard.
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(guard), caf::make_error(errc::cancelled));
  f.sys.run();
  CHECK(is(f.sys.ask(guard, ask_atom_v, 2), errc::target_lost));
  CHECK(f.stats(guard).calls.balanced());
}

TEST_CASE("a message within a message goes through as it is [G1]", "[guard]") {
  guard_fixture f;
  auto seen = std::make_shared<std::string>();
  auto target = f.sys->spawn([seen](caf::event_based_actor*) -> caf::behavior {
    return {[seen](const caf::message& inner) {
      *seen = to_string(inner);
      return 1;
    }};
  });
  auto guard = f.node->guard("nested", target, {});
  for (const auto& inner : {caf::make_message(shutdown_atom_v), caf::make_message(1, 2),
                            caf::make_message(caf::make_error(errc::cancelled))}) {
    f.sys.ask(target, inner);
    const auto without_guard = *seen;
    seen->clear();
    CHECK(f.sys.ask(guard, inner)->count() == 1);
    CHECK(*seen == without_guard);
  }
}

TEST_CASE("a stray response and a forged word of a part change nothing [G3 K1]", "[guard]") {
  pool_fixture f;
  auto answer = f.sys.ask(f.guarded, ask_atom_v, 1);
  const auto to = caf::actor_cast<caf::strong_actor_ptr>(f.guarded);
  const auto from = caf::actor_cast<caf::strong_actor_ptr>(f.target.handle);
  for (std::uint64_t id : {1ULL, 12345ULL, (7ULL << 28) + 3, (1ULL << 59) + 5, ~0ULL >> 4})
    compat::deliver(to, from, caf::make_message_id(id).response_id(), caf::make_message(99),
                    nullptr);
  compat::tell(to, failed_reply{.reason = caf::make_error(errc::cancelled), .lost = true});
  compat::tell(to, failed_reply{});
  compat::tell(to, failed_reply{.lost = true});
  compat::tell(to, permit_refusal{.attempt = {.slot = 500, .serial = 9}});
  compat::tell(to, probe_decision{.attempt = {.slot = 500, .serial = 9}});
  compat::tell(to, wake_up_atom_v);
  f.sys.run();
  CHECK(answer->count() == 0);
  f.sys.answer(f.target, 0, std::int32_t{2});
  REQUIRE(answer->count() == 1);
  CHECK(answer->as<std::int32_t>() == 2);
  CHECK(f.stats(f.guarded).calls.balanced());
}

TEST_CASE("a guard that reaches itself through another is bounded by its bulkhead [G3 B1]",
          "[guard]") {
  virtual_system sys;
  virtual_node node{sys};
  auto entry = std::make_shared<caf::actor>();
  auto depth = std::make_shared<int>(0);
  auto target = sys->spawn([entry, depth](caf::event_based_actor* self) -> caf::behavior {
    return {[self, entry, depth](ask_atom, std::int32_t x) {
      ++*depth;
      auto promise = self->make_response_promise();
      compat::request(self, *entry, ask_atom_v, x)
          .then([promise](std::int32_t y) mutable { promise.deliver(y); },
                [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
      return promise;
    }};
  });
  auto inner = node->guard("inner", target,
                           {.bulkhead = bulkhead_policy{.max_workers = 3, .queue_size = 0}});
  *entry = node->guard("outer", inner, {.deadline = 5s});
  auto answer = sys.ask(*entry, ask_atom_v, 1);
  CHECK(is(answer, errc::bulkhead_full));
  CHECK(*depth == 3);
  CHECK(sys.get<guard_stats>(inner, get_stats_atom_v).calls.in_flight == 0);
  *entry = nullptr; // the ring is the test's own
}
