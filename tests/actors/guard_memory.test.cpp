#include "support/guards.hpp"

#include <cstdlib>
#include <new>

// What a guard does where memory is refused. A program of its own, as it has its own operator new.

namespace {

// The allocation from now that fails, and how many fail in a row; 0: none does.
std::size_t countdown = 0;
std::size_t width = 1;
bool refused = false;

void* allocate(std::size_t size) {
  if (countdown > 0 && --countdown == 0) {
    refused = true;
    if (--width > 0)
      countdown = 1;
    throw std::bad_alloc{};
  }
  if (auto* result = std::malloc(size == 0 ? 1 : size))
    return result;
  throw std::bad_alloc{};
}

} // namespace

void* operator new(std::size_t size) {
  return allocate(size);
}
void* operator new[](std::size_t size) {
  return allocate(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(size == 0 ? 1 : size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete[](void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}
void operator delete[](void* p, std::size_t) noexcept {
  std::free(p);
}

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

struct outcome {
  bool refused = false;
  std::size_t answers = 0; ///< Of the call whose memory was refused.
  caf::error error;
  std::size_t earlier_answers = 0; ///< Of the calls that were in flight.
  bool alive = false;              ///< The guard, afterwards.
  bool balanced = false;
  std::uint64_t rejected = 0;
  bool works = false; ///< A call afterwards has the target's reply.
};

// A guard with `in_flight` calls takes one more, and the n-th allocation while it does so fails.
outcome refuse(std::size_t n, std::size_t in_a_row, std::int32_t in_flight, guard_policy policy,
               bool open = false) {
  guard_fixture f;
  if (open) {
    policy.breaker = f.node->circuit_breaker("open");
    f.sys.ask(std::get<caf::actor>(policy.breaker), force_open_atom_v);
  }
  auto guard = f.guard(policy);
  std::vector<reply_ptr> earlier;
  for (std::int32_t i = 0; i < in_flight; ++i)
    earlier.push_back(f.sys.ask(guard, ask_atom_v, i));
  auto answer = f.sys.send(guard, ask_atom_v, in_flight);
  f.sys.step(); // the caller has sent it: the next to run is the guard
  refused = false;
  countdown = n;
  width = in_a_row;
  f.sys.step();
  countdown = 0;
  outcome result;
  result.refused = refused;
  f.sys.run();
  for (std::size_t i = 0; i < f.target.log->questions.size(); ++i)
    f.sys.answer(f.target, i, f.question(i) * 2);
  f.sys.advance(10s);
  result.answers = answer->count();
  if (answer->count() > 0)
    result.error = answer->error();
  for (const auto& each : earlier)
    result.earlier_answers += each->count();
  auto stats = f.sys.ask(guard, get_stats_atom_v);
  result.alive = stats->count() == 1 && !stats->is_error();
  if (result.alive) {
    const auto books = stats->as<guard_stats>().calls;
    result.balanced = books.balanced() && books.in_flight == 0;
    result.rejected = books.rejected;
    const auto asked = f.target.log->questions.size();
    auto next = f.sys.ask(guard, ask_atom_v, 7);
    if (f.target.log->questions.size() > asked)
      f.sys.answer(f.target, asked, std::int32_t{14});
    result.works = next->count() == 1 && next->is_error() == open;
  }
  return result;
}

void check_every_allocation(std::int32_t in_flight, const guard_policy& policy) {
  std::size_t n = 0;
  std::size_t refusals = 0;
  for (auto more = true; more;) {
    const auto result = refuse(++n, 1, in_flight, policy);
    more = result.refused;
    INFO("allocation " << n << " with " << in_flight << " in flight: " << to_string(result.error));
    CHECK(result.answers == 1);
    CHECK(result.earlier_answers == static_cast<std::size_t>(in_flight));
    CHECK((!result.alive || (result.balanced && result.works)));
    if (result.alive && result.error == errc::bulkhead_full) {
      ++refusals;
      CHECK(result.rejected == 1);
      CHECK(report_of(result.error)->guard == "db");
      CHECK(to_string(result.error).find("no memory left") != std::string::npos);
    }
  }
  CHECK(refusals > 0);
  CHECK(n > refusals);
}

} // namespace

TEST_CASE("a call whose memory is refused is answered and the guard goes on [G6]", "[guard]") {
  SECTION("the first call of a bare guard") {
    check_every_allocation(0, {});
  }
  SECTION("one that needs new pages") {
    check_every_allocation(32, {.deadline = 5s});
  }
  SECTION("one that has everything on") {
    check_every_allocation(1, whole_policy());
  }
  SECTION("one that is queued") {
    check_every_allocation(
        2, {.deadline = 5s, .bulkhead = bulkhead_policy{.max_workers = 1, .queue_size = 10}});
  }
}

TEST_CASE("where memory is refused for the slot the guard itself survives [G6]", "[guard]") {
  // The first allocations of a first call are those for its slot and its record.
  for (const auto for_the_answer_too : {false, true}) {
    const auto result = refuse(1, for_the_answer_too ? 2 : 1, 0, {});
    CHECK(result.refused);
    CHECK(result.alive);
    CHECK(result.error == errc::bulkhead_full);
    REQUIRE(report_of(result.error));
    CHECK(report_of(result.error)->last_error == "no memory left");
    // The answer that is ready for all guards knows no name.
    CHECK(report_of(result.error)->guard == (for_the_answer_too ? "" : "db"));
    CHECK(result.works);
  }
}

TEST_CASE("memory that is refused while a reply is handled leaves nobody without an answer [G6 G3]",
          "[guard]") {
  const std::vector<caf::message> replies{
      caf::make_message(std::int32_t{2}), caf::make_message(caf::make_error(target_error::broken)),
      caf::make_message(caf::make_error(target_error::busy, error_mark::transient))};
  for (const auto& reply : replies) {
    std::size_t deaths = 0;
    auto more = true;
    for (std::size_t n = 1; more; ++n) {
      guard_fixture f;
      auto policy = whole_policy();
      policy.bulkhead = bulkhead_policy{.max_workers = 2, .queue_size = 10};
      auto guard = f.guard(policy);
      std::vector<reply_ptr> answers;
      for (std::int32_t i = 0; i < 4; ++i)
        answers.push_back(f.sys.ask(guard, ask_atom_v, i));
      compat::tell(caf::actor_cast<caf::strong_actor_ptr>(f.target.handle), answer_atom_v,
                   std::uint64_t{0}, reply);
      f.sys.step(); // the target: the next to run is the guard
      refused = false;
      countdown = n;
      width = 1;
      f.sys.step();
      countdown = 0;
      more = refused;
      f.sys.advance(20s);
      INFO("allocation " << n << ", reply " << to_string(reply));
      for (const auto& answer : answers)
        CHECK(answer->count() == 1);
      deaths += f.sys.ask(guard, get_stats_atom_v)->is_error() ? 1 : 0;
    }
    CHECK(deaths > 0); // after acceptance there is no call to refuse: the guard ends, and says so
  }
}

TEST_CASE("where memory is refused twice in a row everybody still has one answer [G6 G3]",
          "[guard]") {
  // The second time it is the answer that says so: then CAF must not give one more beside ours.
  const auto open = GENERATE(false, true);
  auto more = true;
  for (std::size_t n = 1; more; ++n) {
    const auto result = refuse(n, 2, open ? 0 : 1, {.deadline = 5s}, open);
    more = result.refused;
    INFO("allocations " << n << " and " << n + 1 << ": " << to_string(result.error));
    CHECK(result.answers == 1);
    CHECK(result.earlier_answers == (open ? 0U : 1U));
  }
}

TEST_CASE("memory that is refused where equal calls share one leaves nobody without an answer "
          "[F5 G6]",
          "[guard]") {
  // What happens next to a guard whose leader has two followers.
  const std::vector<std::function<void(guard_fixture&, const caf::actor&, std::vector<reply_ptr>&,
                                       const caf::actor& leader)>>
      events{
          [](guard_fixture& f, const caf::actor& guard, std::vector<reply_ptr>& answers,
             const caf::actor&) {
            answers.push_back(f.sys.send(guard, ask_atom_v, std::int32_t{1}));
          },
          [](guard_fixture& f, const caf::actor&, std::vector<reply_ptr>&, const caf::actor&) {
            compat::tell(caf::actor_cast<caf::strong_actor_ptr>(f.target.handle), answer_atom_v,
                         std::uint64_t{0}, caf::make_message(std::int32_t{2}));
          },
          [](guard_fixture&, const caf::actor& guard, std::vector<reply_ptr>&,
             const caf::actor& leader) {
            compat::tell(caf::actor_cast<caf::strong_actor_ptr>(leader), cancel_atom_v, guard);
          },
      };
  for (const auto& event : events) {
    auto more = true;
    for (std::size_t n = 1; more; ++n) {
      guard_fixture f;
      auto guard =
          f.guard({.deadline = 5s,
                   .reply_sharing = reply_sharing_policy{.fresh_for = 1s, .stale_for = 1s}});
      std::vector<reply_ptr> answers;
      answers.push_back(f.sys.ask(guard, ask_atom_v, std::int32_t{1}));
      const auto leader = f.sys.last_caller();
      for (auto i = 0; i < 2; ++i)
        answers.push_back(f.sys.ask(guard, ask_atom_v, std::int32_t{1}));
      event(f, guard, answers, leader);
      f.sys.step(); // the next to run is the guard
      refused = false;
      countdown = n;
      width = 1;
      f.sys.step();
      countdown = 0;
      more = refused;
      f.sys.advance(20s);
      INFO("event " << &event - events.data() << ", allocation " << n);
      for (const auto& answer : answers)
        CHECK(answer->count() == 1);
      const auto stats = f.sys.ask(guard, get_stats_atom_v);
      if (!stats->is_error()) {
        CHECK(stats->as<guard_stats>().calls.balanced());
        CHECK(stats->as<guard_stats>().calls.in_flight == 0);
        CHECK(stats->as<guard_stats>().calls.calls == answers.size());
      }
    }
  }
}
