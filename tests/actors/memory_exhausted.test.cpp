// Each allocation of a call in turn is refused, wherever it is made: in the guard, in its parts, in
// the timeout manager, on a bulkhead's threads, in CAF. A program of its own, for it has its own
// malloc.
#include "support/refused_memory.hpp"

#include "support/guards.hpp"
#include "support/real_system.hpp"

#include "bulwark/sync.hpp"

#include <future>
#include <iostream>
#include <latch>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

// What came for a call. Taking it allocates nothing: else the refusal would hit the test.
struct answers {
  std::atomic<int> count = 0;
  caf::message first;

  [[nodiscard]] bool is_error() const { return first.match_elements<caf::error>(); }
};

class asker : public caf::event_based_actor {
public:
  asker(caf::actor_config& config, caf::actor to, caf::message content, answers* result)
      : caf::event_based_actor(config),
        to_(std::move(to)),
        content_(std::move(content)),
        result_(result) {}

  bool enqueue(caf::mailbox_element_ptr element, compat::enqueue_context* context) override {
    if (!element->mid.is_response())
      return caf::event_based_actor::enqueue(std::move(element), context);
    if (result_->count == 0)
      result_->first = std::move(element->payload);
    ++result_->count;
    result_->count.notify_all();
    return true;
  }

protected:
  caf::behavior make_behavior() override {
    compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(to_), ctrl(),
                    new_request_id(caf::message_priority::normal), std::move(content_), context());
    to_ = nullptr;
    return {[](caf::unit_t) {}};
  }

private:
  caf::actor to_;
  caf::message content_;
  answers* result_;
};

// Doubles what it is asked; fails for what is negative. Threads or not.
caf::behavior doubling(caf::event_based_actor*) {
  return {[](ask_atom, std::int32_t x) -> caf::result<std::int32_t> {
    if (x < 0)
      return caf::make_error(caf::sec::runtime_error);
    return 2 * x;
  }};
}

// What must not be is collected, a sentence each.
class complaints {
public:
  void require(bool holds, const std::string& sentence) {
    if (!holds)
      text_ += sentence + "; ";
  }
  [[nodiscard]] const std::string& text() const { return text_; }

private:
  std::string text_;
};

// Has the n-th allocation of `trial` fail, for every n, until there are not so many.
void for_every_allocation(const std::function<trial_end(std::int64_t)>& trial, std::int64_t least) {
  std::int64_t n = 0;
  std::int64_t by_caf = 0;
  for (auto more = true; more;) {
    const auto end = run_trial([&] { return trial(n + 1); });
    more = end.refused;
    n += more ? 1 : 0;
    INFO("allocation " << n);
    by_caf += end.by_caf ? 1 : 0;
    CHECK(end.complaint == "");
    CHECK(end.crash == "");
  }
  std::cout << n << " allocations were refused, " << by_caf << " of them CAF's own" << std::endl;
  CHECK(n >= least);
}

// Four calls, of which two have a permit at a time, go through a guard with everything on.
trial_end guarded_calls(std::int64_t n, std::int32_t first, std::int32_t step) {
  virtual_system sys;
  virtual_node node{sys};
  auto target = sys->spawn(doubling);
  auto policy = whole_policy();
  policy.breaker = circuit_breaker_policy{.failure_threshold = 2, .open_for = 200ms};
  policy.bulkhead = node->bulkhead("pool", {.max_workers = 2, .queue_size = 100});
  auto guard = node->guard("db", target, policy);
  sys.run();
  std::array<answers, 4> all;
  std::vector<caf::actor> callers;
  for (std::int32_t i = 0; i < 4; ++i)
    callers.push_back(sys->spawn<asker>(guard, caf::make_message(ask_atom_v, first + i * step),
                                        &all[static_cast<std::size_t>(i)]));
  for (std::size_t i = 0; i < all.size(); ++i)
    sys.step(); // the callers have sent them
  complaints found;
  begin_refusing(n);
  sys.run();
  sys.advance(20s);
  const auto refused = end_refusing();
  sys.advance(20s);
  for (const auto& each : all)
    found.require(each.count == 1, std::to_string(each.count) + " answers");
  const auto stats = sys.ask(guard, get_stats_atom_v);
  if (!stats->is_error()) {
    const auto books = stats->as<guard_stats>().calls;
    found.require(books.balanced() && books.in_flight == 0, "the guard's books");
  }
  // What had to end is made anew by the same names.
  guard = nullptr;
  policy = {};
  sys.run();
  auto fresh = sys->spawn(doubling);
  const auto again = node->guard(
      "db", fresh,
      {.deadline = 5s, .bulkhead = node->bulkhead("pool", {.max_workers = 2, .queue_size = 100})});
  const auto answer = sys.ask(again, ask_atom_v, 7);
  sys.advance(20s);
  found.require(answer->count() == 1 && !answer->is_error(),
                "a call afterwards is " + to_string(answer->error()));
  return {.refused = refused, .complaint = found.text()};
}

} // namespace

TEST_CASE(
    "whichever allocation of a call is refused each call has one answer and the books balance "
    "[X2] [G6] [K1]",
    "[guard]") {
  SECTION("calls that succeed") {
    for_every_allocation([](std::int64_t n) { return guarded_calls(n, 1, 1); }, 50);
  }
  SECTION("calls that fail, are tried again, and find the circuit open") {
    for_every_allocation([](std::int64_t n) { return guarded_calls(n, -1, -1); }, 50);
  }
  SECTION("some of both") {
    for_every_allocation([](std::int64_t n) { return guarded_calls(n, -2, 1); }, 50);
  }
}

namespace {

int work_or_throw(int x) {
  if (x < 0)
    throw std::runtime_error{"thrown by a function"};
  return 2 * x;
}

// A call from outside actors ends: with what it returned, or by an exception.
template <class F>
void call(F f) {
  try {
    f();
  } catch (const std::exception&) {
  }
}

// Three functions for the threads of a bulkhead that has two.
trial_end functions_of(sync::bulkhead& pool, std::int64_t n) {
  complaints found;
  std::vector<std::future<int>> all;
  all.reserve(3);
  begin_refusing(n);
  for (auto i = -1; i < 2; ++i)
    call([&] { all.push_back(pool.execute(work_or_throw, i)); });
  for (auto& each : all)
    call([&] { each.get(); });
  const auto refused = end_refusing();
  const auto end = std::chrono::steady_clock::now() + 5s;
  while (pool.available_capacity() < 2 && std::chrono::steady_clock::now() < end)
    std::this_thread::yield();
  const auto stats = pool.get_stats();
  found.require(stats.active == 0 && stats.queued == 0, "permits are not back");
  found.require(stats.calls
                    == stats.completed + stats.failed + stats.rejected + stats.timed_out
                           + stats.cancelled,
                "the bulkhead's books");
  found.require(pool.execute(work_or_throw, 4).get() == 8, "a call afterwards");
  return {.refused = refused, .complaint = found.text()};
}

trial_end guarded_functions(sync::circuit_breaker& breaker, std::int64_t n) {
  complaints found;
  begin_refusing(n);
  for (auto i = -1; i < 3; ++i)
    call([&] { breaker.call(work_or_throw, i); });
  const auto refused = end_refusing();
  const auto stats = breaker.stats();
  found.require(stats.calls.balanced() && stats.calls.in_flight == 0, "the breaker's books");
  breaker.reset();
  found.require(breaker.call(work_or_throw, 4) == 8, "a call afterwards");
  return {.refused = refused, .complaint = found.text()};
}

trial_end timed_functions(sync::timeout_manager& timeouts, std::int64_t n) {
  complaints found;
  begin_refusing(n);
  for (auto i = -1; i < 2; ++i)
    call([&] { timeouts.run(10s, work_or_throw, i); });
  const auto refused = end_refusing();
  found.require(timeouts.run(10s, work_or_throw, 4) == 8, "a call afterwards");
  return {.refused = refused, .complaint = found.text()};
}

trial_end retried_functions(std::int64_t n) {
  complaints found;
  const sync::retry retry{{.max_attempts = 3, .base_delay = 1ns, .retry_on = always}};
  begin_refusing(n);
  for (auto i = -1; i < 2; ++i)
    call([&] { retry.call(work_or_throw, i); });
  const auto refused = end_refusing();
  found.require(retry.call(work_or_throw, 4) == 8, "a call afterwards");
  return {.refused = refused, .complaint = found.text()};
}

} // namespace

TEST_CASE(
    "whichever allocation of a call from outside actors is refused the call ends and the books "
    "balance [X2] [K1]",
    "[sync]") {
  SECTION("circuit breaker") {
    for_every_allocation(
        [](std::int64_t n) {
          sync::circuit_breaker alone{{.failure_threshold = 1, .open_for = 10s}};
          return guarded_functions(alone, n);
        },
        1);
  }
  SECTION("retry") {
    for_every_allocation(retried_functions, 1);
  }
  SECTION("bulkhead") {
    for_every_allocation(
        [](std::int64_t n) {
          sync::bulkhead alone{{.max_workers = 2, .queue_size = 10}};
          return functions_of(alone, n);
        },
        5);
  }
  SECTION("timeout manager") {
    for_every_allocation(
        [](std::int64_t n) {
          sync::timeout_manager alone;
          return timed_functions(alone, n);
        },
        3);
  }
}

namespace {

// Four functions on the threads of a node's bulkhead, two at a time; memory is refused from when
// the first two are about to end.
trial_end functions_on_threads(std::int64_t n) {
  real_system sys;
  node node{*sys};
  const bulkhead_policy policy{.max_workers = 2, .queue_size = 10};
  const auto pool = node.bulkhead("pool", policy);
  std::latch begun{2};
  std::latch may_end{1};
  std::atomic<int> runs = 0;
  const auto function = [&]() -> std::int32_t {
    if (++runs <= 2) {
      begun.count_down();
      may_end.wait();
    }
    return 1;
  };
  std::array<answers, 4> all;
  std::vector<caf::actor> callers;
  for (auto& each : all)
    callers.push_back(
        sys->spawn<asker>(pool, caf::make_message(execute_atom_v, make_work(function)), &each));
  begun.wait();
  while (sys.get<bulkhead_stats>(pool, get_stats_atom_v).queued < 2)
    std::this_thread::yield();
  begin_refusing(n);
  may_end.count_down();
  for (auto& each : all)
    each.count.wait(0);
  const auto refused = end_refusing();
  complaints found;
  const auto stats = sys.ask(pool, get_stats_atom_v);
  if (!stats->is_error()) {
    const auto books = stats->as<bulkhead_stats>();
    found.require(books.calls
                      == books.completed + books.failed + books.rejected + books.timed_out
                             + books.cancelled,
                  "the bulkhead's books");
  }
  // What ended for want of memory answers that it has, until the node knows it too.
  reply_ptr afterwards;
  do
    afterwards =
        sys.ask(node.bulkhead("pool", policy), execute_atom_v, make_work([] { return 7; }));
  while (afterwards->is_error() && afterwards->error() == errc::shutting_down);
  found.require(!afterwards->is_error() && afterwards->as<std::int32_t>() == 7,
                "a call afterwards");
  for (const auto& each : all)
    found.require(each.count == 1, std::to_string(each.count) + " answers");
  return {.refused = refused, .complaint = found.text()};
}

} // namespace

TEST_CASE("whichever allocation is refused while functions run on threads each has one answer "
          "[X2] [B10]",
          "[bulkhead]") {
  for_every_allocation(functions_on_threads, 10);
}
