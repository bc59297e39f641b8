#include "support/catch.hpp"
#include "support/virtual_system.hpp"

#include <algorithm>
#include <string>
#include <vector>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

/// A bulkhead of its own node, with a target that answers on command.
struct bench {
  explicit bench(const bulkhead_policy& policy = {.max_workers = 2, .queue_size = 3})
      : target(sys.spawn_manual()), part(node->bulkhead("db", policy)) {}

  virtual_system sys;
  virtual_node node{sys};
  virtual_system::manual target;
  caf::actor part;

  reply_ptr call(std::int32_t x) {
    return sys.ask(part, call_atom_v, target.handle, caf::make_message(ask_atom_v, x));
  }

  caf::actor guard(const std::string& name, const guard_policy& policy = {}) {
    auto with = policy;
    with.bulkhead = part;
    return node->guard(name, target.handle, with);
  }

  void answer(std::uint64_t which) { sys.answer(target, which, std::int32_t{7}); }

  std::int32_t asked(std::size_t n) const {
    return target.log->questions.at(n).get_as<std::int32_t>(1);
  }

  bulkhead_stats stats() { return sys.get<bulkhead_stats>(part, get_stats_atom_v); }

  std::uint32_t capacity() { return sys.get<std::uint32_t>(part, available_capacity_atom_v); }
};

std::uint64_t ended(const bulkhead_stats& s) {
  return s.completed + s.failed + s.rejected + s.timed_out + s.cancelled;
}

/// What must hold at every moment; `running` are functions that nobody waits for any more.
void check_books(const bulkhead_stats& s, std::uint32_t capacity, std::uint32_t running = 0) {
  CHECK(s.calls == ended(s) + s.active + s.queued - running);
  CHECK(s.active + capacity == s.max_workers);
  CHECK(s.queued <= s.queue_size);
  if (s.queued > 0)
    CHECK(capacity == 0);
}

} // namespace

TEST_CASE("a call through a bulkhead alone gets the target's reply [P1]", "[bulkhead]") {
  bench b;
  auto target = b.sys->spawn(doubling_target);
  CHECK(b.sys.get<std::int32_t>(b.part, call_atom_v, target, caf::make_message(ask_atom_v, 21))
        == 42);
  auto failed = b.sys.ask(b.part, call_atom_v, target, caf::make_message(ask_atom_v, -1));
  CHECK(failed->error() == target_error::broken);
  const auto s = b.stats();
  CHECK(s.completed == 1);
  CHECK(s.failed == 1);
  check_books(s, b.capacity());
}

TEST_CASE("at most max_workers calls are in progress over all guards [B1] [K2]", "[bulkhead]") {
  bench b;
  auto one = b.guard("one");
  auto two = b.guard("two");
  std::vector<reply_ptr> replies;
  for (const auto& to : {one, two, b.part, one, two}) {
    if (to == b.part)
      replies.push_back(b.call(1));
    else
      replies.push_back(b.sys.ask(to, ask_atom_v, 1));
    CHECK(b.target.log->questions.size() <= 2);
  }
  for (std::uint64_t i = 0; i < 5; ++i) {
    CHECK(b.target.log->questions.size() == std::min<std::size_t>(5, i + 2));
    check_books(b.stats(), b.capacity());
    b.answer(i);
  }
  for (const auto& each : replies)
    CHECK(each->count() == 1);
  CHECK(b.stats().completed == 5);
  CHECK(b.capacity() == 2);
}

TEST_CASE("the call after a full queue is rejected at once [B2] [K3]", "[bulkhead]") {
  bench b;
  std::vector<reply_ptr> replies;
  for (int i = 0; i < 5; ++i)
    replies.push_back(b.call(i));
  auto rejected = b.call(5);
  REQUIRE(rejected->count() == 1);
  CHECK(rejected->error() == errc::bulkhead_full);
  const auto report = report_of(rejected->error());
  REQUIRE(report);
  CHECK(report->part == "db");
  for (const auto& each : replies)
    CHECK(each->count() == 0);
  const auto s = b.stats();
  CHECK(s.active == 2);
  CHECK(s.queued == 3);
  CHECK(s.rejected == 1);
  check_books(s, b.capacity());
}

TEST_CASE("without a queue a busy bulkhead rejects at once [B2]", "[bulkhead]") {
  bench b{{.max_workers = 1, .queue_size = 0}};
  auto first = b.call(1);
  CHECK(b.call(2)->error() == errc::bulkhead_full);
  b.answer(0);
  CHECK(first->count() == 1);
  auto third = b.call(3);
  CHECK(third->count() == 0);
  CHECK(b.target.log->questions.size() == 2);
}

TEST_CASE("a permit that a guard keeps unused is no reason to reject another's call [B1] [B2]",
          "[bulkhead]") {
  bench b{{.max_workers = 3, .queue_size = 0}};
  auto one = b.guard("one");
  auto two = b.guard("two");
  auto first = b.sys.ask(one, ask_atom_v, 1); // takes one permit and is leased the others
  auto second = b.sys.ask(two, ask_atom_v, 2);
  auto third = b.sys.ask(two, ask_atom_v, 3);
  CHECK(b.target.log->questions.size() == 3);
  auto fourth = b.sys.ask(two, ask_atom_v, 4);
  CHECK(fourth->error() == errc::bulkhead_full);
}

TEST_CASE("available_capacity is exact while a guard keeps unused permits [B5] [K2]",
          "[bulkhead]") {
  bench b{{.max_workers = 10, .queue_size = 3}};
  auto one = b.guard("one");
  auto first = b.sys.ask(one, ask_atom_v, 1);
  CHECK(b.capacity() == 9);
  auto second = b.sys.ask(one, ask_atom_v, 2);
  CHECK(b.capacity() == 8);
  CHECK(b.stats().active == 2);
  b.answer(0);
  b.answer(1);
  CHECK(b.capacity() == 10);
}

TEST_CASE("what was sent before a question is in its answer [B5] [K1]", "[bulkhead]") {
  bench b{{.max_workers = 10, .queue_size = 3}};
  // Nothing runs in between: all of it lies in mailboxes together.
  auto first = b.sys.send(b.part, call_atom_v, b.target.handle, caf::make_message(ask_atom_v, 1));
  auto second = b.sys.send(b.part, call_atom_v, b.target.handle, caf::make_message(ask_atom_v, 2));
  auto capacity = b.sys.send(b.part, available_capacity_atom_v);
  auto books = b.sys.send(b.part, get_stats_atom_v);
  b.sys.run();
  CHECK(capacity->as<std::uint32_t>() == 8);
  CHECK(books->as<bulkhead_stats>().active == 2);
  CHECK(books->as<bulkhead_stats>().calls == 2);
  // Afterwards leases are given again.
  b.answer(0);
  b.answer(1);
  CHECK(b.capacity() == 10);
}

TEST_CASE("the queue is first in first out over all supervisors [B8]", "[bulkhead]") {
  bench b{{.max_workers = 1, .queue_size = 10}};
  auto one = b.guard("one");
  auto two = b.guard("two");
  b.sys.ask(one, ask_atom_v, 0);
  b.sys.ask(two, ask_atom_v, 1);
  b.call(2);
  b.sys.ask(one, ask_atom_v, 3);
  b.call(4);
  b.sys.ask(two, ask_atom_v, 5);
  b.sys.ask(one, ask_atom_v, 6);
  for (std::uint64_t i = 0; i < 7; ++i) {
    REQUIRE(b.target.log->questions.size() == i + 1);
    CHECK(b.asked(i) == static_cast<std::int32_t>(i));
    b.answer(i);
  }
}

TEST_CASE("queue_timeout bounds the wait in the queue and such a call is never started [B3] [M9]",
          "[bulkhead]") {
  bench b{{.max_workers = 1, .queue_size = 3, .queue_timeout = 1s}};
  auto first = b.call(1);
  auto waiting = b.call(2);
  b.sys.advance(999ms);
  CHECK(waiting->count() == 0);
  b.sys.advance(2ms);
  REQUIRE(waiting->count() == 1);
  CHECK(waiting->error() == errc::timed_out);
  b.answer(0);
  CHECK(first->count() == 1); // in progress it isn't bounded
  CHECK(b.target.log->questions.size() == 1);
  const auto s = b.stats();
  CHECK(s.timed_out == 1);
  CHECK(s.completed == 1);
  check_books(s, b.capacity());
}

TEST_CASE("without queue_timeout a guard's deadline bounds the wait [B3] [B9] [M9]", "[bulkhead]") {
  bench b{{.max_workers = 1, .queue_size = 3}};
  auto guard = b.guard("one", {.deadline = 5s});
  b.call(1);
  auto waiting = b.sys.ask(guard, ask_atom_v, 2);
  auto behind = b.call(3);
  b.sys.advance(4999ms);
  CHECK(waiting->count() == 0);
  b.sys.advance(2ms);
  REQUIRE(waiting->count() == 1);
  CHECK(waiting->error() == errc::timed_out);
  CHECK(b.stats().queued == 1);
  b.answer(0);
  REQUIRE(b.target.log->questions.size() == 2);
  CHECK(b.asked(1) == 3); // whoever was behind it moved up
  check_books(b.stats(), b.capacity());
}

TEST_CASE("trap 9: a waiter's timeout that crosses its permit destroys none [B10]", "[bulkhead]") {
  bench b{{.max_workers = 1, .queue_size = 3, .queue_timeout = 1s}};
  for (int round = 0; round < 3; ++round) {
    auto first = b.call(1);
    auto waiting = b.call(2);
    b.sys.advance(999ms);
    // The answer, which frees the permit, and the timeout come at the same time.
    bulwark::compat::tell(caf::actor_cast<caf::strong_actor_ptr>(b.target.handle), answer_atom_v,
                          b.target.log->questions.size() - 1, caf::make_message(std::int32_t{1}));
    b.sys.advance(1ms);
    b.sys.advance(1ms);
    if (b.target.log->questions.size() > b.target.log->answered)
      b.answer(b.target.log->questions.size() - 1);
    CHECK(first->count() == 1);
    CHECK(waiting->count() == 1);
    CHECK(b.capacity() == 1);
    check_books(b.stats(), 1);
  }
}

TEST_CASE("a killed guard gives back what it held and waits no longer [B10]", "[bulkhead]") {
  bench b;
  auto one = b.guard("one");
  std::vector<reply_ptr> replies;
  for (int i = 0; i < 4; ++i)
    replies.push_back(b.sys.ask(one, ask_atom_v, i));
  auto other = b.call(9);
  CHECK(b.stats().queued == 3);
  b.sys.kill(one);
  for (const auto& each : replies)
    CHECK(each->error() == errc::shutting_down);
  CHECK(b.asked(2) == 9);
  CHECK(b.capacity() == 1);
  check_books(b.stats(), 1);
  b.answer(2);
  CHECK(other->count() == 1);
  CHECK(b.capacity() == 2);
}

TEST_CASE("a target that is killed gives the permit back [B10]", "[bulkhead]") {
  bench b;
  auto first = b.call(1);
  auto second = b.call(2);
  auto waiting = b.call(3);
  b.sys.kill(b.target.handle);
  for (const auto& each : {first, second, waiting}) {
    REQUIRE(each->count() == 1);
    CHECK(each->is_error());
  }
  CHECK(b.call(4)->error() == errc::target_lost); // dead before the call
  CHECK(b.capacity() == 2);
  CHECK(b.stats().failed == 4);
  check_books(b.stats(), 2);
}

TEST_CASE("a target that throws gives the permit back [B10]", "[bulkhead]") {
  bench b;
  for (int i = 0; i < 5; ++i) {
    auto target = b.sys->spawn(doubling_target);
    auto thrown = b.sys.ask(b.part, call_atom_v, target, caf::make_message(throw_atom_v));
    REQUIRE(thrown->count() == 1);
    CHECK(thrown->is_error());
  }
  CHECK(b.capacity() == 2);
  CHECK(b.stats().failed == 5);
}

TEST_CASE("an invalid handle as the target is a lost target [P1] [B10]", "[bulkhead]") {
  bench b;
  auto lost = b.sys.ask(b.part, call_atom_v, caf::actor{}, caf::make_message(ask_atom_v, 1));
  REQUIRE(lost->count() == 1);
  CHECK(lost->error() == errc::target_lost);
  CHECK(b.capacity() == 2);
  check_books(b.stats(), 2);
}

TEST_CASE("a caller that dies in the queue takes no permit with it [B10]", "[bulkhead]") {
  bench b{{.max_workers = 1, .queue_size = 3}};
  b.call(1);
  auto orphan = b.call(2);
  b.sys.kill(b.sys.last_caller());
  auto behind = b.call(3);
  b.answer(0);
  b.answer(1);
  b.answer(2);
  CHECK(behind->count() == 1);
  CHECK(b.capacity() == 1);
  check_books(b.stats(), 1);
}

TEST_CASE("a caller takes its queued call back and it is never started [B10] [M9]", "[bulkhead]") {
  bench b{{.max_workers = 1, .queue_size = 3}};
  b.call(1);
  auto waiting = b.call(2);
  auto canceller = b.sys.last_caller();
  auto behind = b.call(3);
  b.sys.ask(canceller, cancel_atom_v, b.part);
  REQUIRE(waiting->count() == 1);
  CHECK(waiting->error() == errc::cancelled);
  b.answer(0);
  CHECK(b.asked(1) == 3);
  const auto s = b.stats();
  CHECK(s.cancelled == 1);
  check_books(s, b.capacity());
}

TEST_CASE("shutdown with wait finishes what runs and what is queued [B6]", "[bulkhead]") {
  bench b;
  std::vector<reply_ptr> replies;
  for (int i = 0; i < 5; ++i)
    replies.push_back(b.call(i));
  auto done = b.sys.ask(b.part, shutdown_atom_v, true);
  auto again = b.sys.ask(b.part, shutdown_atom_v, true);
  auto late = b.call(6);
  REQUIRE(late->count() == 1);
  CHECK(late->error() == errc::shutting_down);
  const auto s = b.stats();
  CHECK(s.rejected == 1);
  check_books(s, 0);
  for (std::uint64_t i = 0; i < 5; ++i) {
    CHECK(done->count() == 0);
    CHECK(replies[i]->count() == 0);
    b.answer(i);
    CHECK(replies[i]->as<std::int32_t>() == 7);
  }
  CHECK(done->count() == 1);
  CHECK_FALSE(done->is_error());
  CHECK(again->count() == 1);
  CHECK_FALSE(again->is_error());
  CHECK(b.call(7)->is_error()); // it has ended: CAF says so
}

TEST_CASE("shutdown with wait finishes what was sent before it [B6]", "[bulkhead]") {
  bench b;
  std::vector<reply_ptr> replies;
  for (int i = 0; i < 5; ++i) // nothing runs in between
    replies.push_back(
        b.sys.send(b.part, call_atom_v, b.target.handle, caf::make_message(ask_atom_v, i)));
  auto done = b.sys.send(b.part, shutdown_atom_v, true);
  auto late = b.sys.send(b.part, call_atom_v, b.target.handle, caf::make_message(ask_atom_v, 9));
  b.sys.run();
  CHECK(late->error() == errc::shutting_down);
  for (std::uint64_t i = 0; i < 5; ++i) {
    REQUIRE(b.target.log->questions.size() > i);
    CHECK(done->count() == 0);
    b.answer(i);
  }
  for (const auto& each : replies)
    CHECK(each->as<std::int32_t>() == 7);
  CHECK(done->count() == 1);
}

TEST_CASE("shutdown with wait of an idle bulkhead is done at once [B6]", "[bulkhead]") {
  bench b;
  CHECK_FALSE(b.sys.ask(b.part, shutdown_atom_v, true)->is_error());
  bench used;
  used.call(1);
  used.answer(0);
  CHECK_FALSE(used.sys.ask(used.part, shutdown_atom_v, true)->is_error());
}

TEST_CASE("shutdown with wait lets a guard's queued calls finish [B6]", "[bulkhead]") {
  bench b{{.max_workers = 1, .queue_size = 3}};
  auto guard = b.guard("one");
  auto running = b.sys.ask(guard, ask_atom_v, 1);
  auto queued = b.sys.ask(guard, ask_atom_v, 2);
  auto done = b.sys.ask(b.part, shutdown_atom_v, true);
  auto late = b.sys.ask(guard, ask_atom_v, 3);
  CHECK(late->error() == errc::shutting_down);
  b.answer(0);
  CHECK(done->count() == 0);
  b.answer(1);
  CHECK(done->count() == 1);
  CHECK(running->as<std::int32_t>() == 7);
  CHECK(queued->as<std::int32_t>() == 7);
  CHECK(b.sys.ask(guard, ask_atom_v, 4)->error() == errc::shutting_down);
}

TEST_CASE("shutdown without wait answers the queued and leaves the running [B7]", "[bulkhead]") {
  // Both messages: without a word about waiting it doesn't.
  const int said = GENERATE(values({0, 1}));
  bench b;
  std::vector<reply_ptr> replies;
  for (int i = 0; i < 5; ++i)
    replies.push_back(b.call(i));
  auto done =
      said == 1 ? b.sys.ask(b.part, shutdown_atom_v, false) : b.sys.ask(b.part, shutdown_atom_v);
  CHECK(done->count() == 1);
  CHECK_FALSE(done->is_error());
  for (std::size_t i = 2; i < 5; ++i) {
    REQUIRE(replies[i]->count() == 1);
    CHECK(replies[i]->error() == errc::shutting_down);
  }
  b.answer(0);
  b.answer(1);
  CHECK(replies[0]->as<std::int32_t>() == 7);
  CHECK(replies[1]->as<std::int32_t>() == 7);
  CHECK(b.target.log->questions.size() == 2);
}

TEST_CASE("shutdown without wait ends one that waits [B6] [B7]", "[bulkhead]") {
  bench b{{.max_workers = 1, .queue_size = 3}};
  auto running = b.call(1);
  auto queued = b.call(2);
  auto patient = b.sys.ask(b.part, shutdown_atom_v, true);
  auto impatient = b.sys.ask(b.part, shutdown_atom_v, false);
  CHECK(patient->count() == 1);
  CHECK(impatient->count() == 1);
  CHECK(queued->error() == errc::shutting_down);
  b.answer(0);
  CHECK(running->count() == 1);
}

TEST_CASE("a killed bulkhead answers who waits and whoever runs gets the reply [B10]",
          "[bulkhead]") {
  bench b{{.max_workers = 1, .queue_size = 3}};
  auto guard = b.guard("one");
  auto running = b.sys.ask(guard, ask_atom_v, 1);
  auto queued = b.call(2);
  auto queued_too = b.sys.ask(guard, ask_atom_v, 3);
  b.sys.kill(b.part);
  CHECK(queued->error() == errc::shutting_down);
  CHECK(queued_too->error() == errc::shutting_down);
  b.answer(0);
  CHECK(running->as<std::int32_t>() == 7);
}

TEST_CASE("a policy out of range is refused by message and names each field [P4] [G13]",
          "[bulkhead]") {
  bench b;
  struct {
    bulkhead_policy policy;
    std::string names;
    std::string value;
    std::string permitted;
  } const wrong[] = {
      {{.max_workers = 0}, "bulkhead.max_workers", "0", "1 .. 10000000"},
      {{.max_workers = 10'000'001}, "bulkhead.max_workers", "10000001", "1 .. 10000000"},
      {{.queue_size = 10'000'001}, "bulkhead.queue_size", "10000001", "0 .. 10000000"},
      {{.queue_timeout = timespan{0}}, "bulkhead.queue_timeout", "0s", "1ms .. 36500d"},
      {{.queue_timeout = timespan{-1}}, "bulkhead.queue_timeout", "-1ns", "1ms .. 36500d"},
      {{.queue_timeout = timespan::max()}, "bulkhead.queue_timeout", "106751d", "1ms .. 36500d"},
  };
  for (const auto& each : wrong) {
    auto refused = b.sys.ask(b.part, change_policy_atom_v, each.policy);
    REQUIRE(refused->count() == 1);
    CHECK(refused->error() == errc::invalid_policy);
    const auto text = caf::to_string(refused->error());
    INFO(text);
    CHECK(text.find(each.names) != std::string::npos);
    CHECK(text.find(each.value) != std::string::npos);
    CHECK(text.find(each.permitted) != std::string::npos);
    CHECK_THROWS_AS(b.node->bulkhead("new", each.policy), policy_error);
    auto created =
        b.sys.ask(b.node->bulkhead_registry(), create_atom_v, std::string{"new"}, each.policy);
    CHECK(created->error() == errc::invalid_policy);
  }
  auto all = b.sys.ask(
      b.part, change_policy_atom_v,
      bulkhead_policy{.max_workers = 0, .queue_size = 10'000'001, .queue_timeout = timespan{0}});
  for (const auto* field : {"max_workers", "queue_size", "queue_timeout"})
    CHECK(caf::to_string(all->error()).find(field) != std::string::npos);
  // The old one stays in force.
  CHECK(b.stats().max_workers == 2);
  CHECK(b.stats().queue_size == 3);
  CHECK(b.capacity() == 2);
}

TEST_CASE("a larger policy serves the queue at once [P4] [B1]", "[bulkhead]") {
  bench b;
  for (int i = 0; i < 5; ++i)
    b.call(i);
  auto changed =
      b.sys.ask(b.part, change_policy_atom_v, bulkhead_policy{.max_workers = 4, .queue_size = 3});
  CHECK_FALSE(changed->is_error());
  CHECK(b.target.log->questions.size() == 4);
  const auto s = b.stats();
  CHECK(s.max_workers == 4);
  CHECK(s.active == 4);
  CHECK(s.queued == 1);
  check_books(s, b.capacity());
}

TEST_CASE("a smaller policy takes hold as permits come home [P4] [B1] [B2]", "[bulkhead]") {
  bench b{{.max_workers = 4, .queue_size = 5}};
  std::vector<reply_ptr> replies;
  for (int i = 0; i < 9; ++i)
    replies.push_back(b.call(i));
  b.sys.ask(b.part, change_policy_atom_v, bulkhead_policy{.max_workers = 1, .queue_size = 2});
  // The newest beyond the smaller queue go; what runs goes on.
  for (std::size_t i = 6; i < 9; ++i)
    CHECK(replies[i]->error() == errc::bulkhead_full);
  CHECK(b.stats().queued == 2);
  CHECK(b.stats().active == 4);
  CHECK(b.capacity() == 0);
  for (std::uint64_t i = 0; i < 3; ++i) {
    b.answer(i);
    CHECK(b.target.log->questions.size() == 4);
  }
  check_books(b.stats(), b.capacity());
  b.answer(3);
  CHECK(b.target.log->questions.size() == 5);
  b.answer(4);
  b.answer(5);
  for (std::size_t i = 0; i < 6; ++i)
    CHECK(replies[i]->as<std::int32_t>() == 7);
  CHECK(b.capacity() == 1);
  check_books(b.stats(), 1);
}

TEST_CASE("a changed queue_timeout holds for guards too [P4] [B3]", "[bulkhead]") {
  bench b{{.max_workers = 1, .queue_size = 3}};
  auto guard = b.guard("one");
  b.call(1);
  b.sys.ask(b.part, change_policy_atom_v,
            bulkhead_policy{.max_workers = 1, .queue_size = 3, .queue_timeout = 1s});
  auto by_guard = b.sys.ask(guard, ask_atom_v, 2);
  auto alone = b.call(3);
  b.sys.advance(1001ms);
  CHECK(by_guard->count() == 1);
  CHECK(by_guard->error() == errc::timed_out);
  CHECK(alone->error() == errc::timed_out);
}

TEST_CASE("a message that a bulkhead doesn't know is answered with an error [P5]", "[bulkhead]") {
  bench b;
  auto running = b.call(1);
  auto unknown = b.sys.ask(b.part, std::string{"what is this"});
  REQUIRE(unknown->count() == 1);
  CHECK(unknown->is_error());
  CHECK(b.sys.ask(b.part, ask_atom_v, 1)->is_error());
  CHECK(b.stats().calls == 1);
  b.answer(0);
  CHECK(running->as<std::int32_t>() == 7);
}

TEST_CASE("words of supervisors that come from nobody change nothing [P5] [K2]", "[bulkhead]") {
  bench b;
  const auto to = caf::actor_cast<caf::strong_actor_ptr>(b.part);
  compat::tell(to, attach_atom_v);
  compat::tell(to, permit_request{});
  compat::tell(to, permit_withdrawal{});
  compat::tell(to, permit_return{.count = 5});
  compat::tell(to, lease_answer{.round = 1, .returned = 5});
  books_report books;
  books.round = 1;
  books.bulkhead.calls = 9;
  compat::tell(to, books);
  b.sys.run();
  CHECK(b.capacity() == 2);
  CHECK(b.stats().calls == 0);
}

TEST_CASE("an idle bulkhead is listed under its name and answers get_stats and shutdown [P2] [P3]",
          "[bulkhead]") {
  bench b;
  const auto listed = [&] {
    auto all = b.sys.get<std::vector<part_info>>(b.node->registry(), list_atom_v);
    return std::count_if(all.begin(), all.end(), [](const part_info& each) {
      return each.name == "db" && each.kind == part_kind::bulkhead;
    });
  };
  CHECK(listed() == 1);
  const auto s = b.stats();
  CHECK(s.name == "db");
  CHECK(s.max_workers == 2);
  CHECK(s.queue_size == 3);
  CHECK(s.calls == 0);
  CHECK_FALSE(b.sys.ask(b.part, shutdown_atom_v, true)->is_error());
  CHECK(listed() == 0);
}

TEST_CASE("a bare error sent to a bulkhead does not end it [P5]", "[bulkhead]") {
  bench b;
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(b.part),
               caf::make_error(target_error::broken));
  b.sys.run();
  CHECK(b.capacity() == 2);
}
