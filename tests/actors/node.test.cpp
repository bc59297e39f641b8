#include "support/catch.hpp"
#include "support/real_system.hpp"

#include <algorithm>
#include <atomic>
#include <future>
#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

class gate {
public:
  void wait() const { open_.wait(); }
  void let_go() { opened_.set_value(); }

private:
  std::promise<void> opened_;
  std::shared_future<void> open_{opened_.get_future()};
};

/// A target that never answers. It keeps no promise: on CAF 1.1 one keeps its actor alive.
caf::behavior silent_target() {
  return {[](ask_atom, std::int32_t) { return caf::delegated<std::int32_t>{}; }};
}

/// Runs `f` and gives the code that it throws with.
template <class F>
std::optional<errc> refusal(F f) {
  try {
    f();
  } catch (const resilience_error& error) {
    return error.code();
  }
  return std::nullopt;
}

} // namespace

TEST_CASE(
    "a node ends with a thousand queued calls and running functions and all are answered [G5]",
    "[node]") {
  constexpr int calls = 1000;
  real_system sys;
  auto target = sys->spawn(silent_target);
  std::optional<bulwark::node> node{std::in_place, *sys};
  auto part = node->bulkhead("db", {.max_workers = 2, .queue_size = 10'000});
  auto guard = node->guard("guard", target, {.bulkhead = part});
  std::vector<reply_ptr> functions;
  gate door;
  std::atomic<int> returned{0};
  std::latch begun{2};
  for (int i = 0; i < 2; ++i)
    functions.push_back(sys.send(part, execute_atom_v, make_work([&] {
                                   begun.count_down();
                                   door.wait();
                                   return ++returned;
                                 })));
  begun.wait();
  std::vector<reply_ptr> replies;
  std::atomic<bool> started{false};
  for (int i = 0; i < calls; ++i) {
    replies.push_back(
        sys.send(part, call_atom_v, target, caf::make_message(ask_atom_v, std::int32_t{1})));
    replies.push_back(sys.send(guard, ask_atom_v, std::int32_t{1}));
    replies.push_back(sys.send(part, execute_atom_v, make_work([&] { started = true; })));
  }
  CHECK(sys.get<bulkhead_stats>(part, get_stats_atom_v).queued > 0);
  std::thread opener{[&] {
    for (const auto& each : replies) // answered while the functions still run
      each->wait();
    door.let_go();
  }};
  node.reset();
  opener.join();
  CHECK(returned == 2); // the threads have been waited for
  for (const auto& each : functions) {
    each->wait();
    CHECK(each->count() == 1);
    CHECK_FALSE(each->is_error()); // the node's end waits for them anyway: they give their results
  }
  for (const auto& each : replies) {
    REQUIRE(each->count() == 1);
    REQUIRE(each->error() == errc::shutting_down);
  }
  CHECK_FALSE(started);
}

TEST_CASE("a call in progress at a target that never answers does not outlive its node [G5]",
          "[node]") {
  real_system sys;
  auto target = sys->spawn(silent_target);
  std::vector<reply_ptr> replies;
  {
    bulwark::node node{*sys};
    auto content = caf::make_message(ask_atom_v, std::int32_t{1});
    replies.push_back(sys.send(node.bulkhead("db"), call_atom_v, target, content));
    replies.push_back(sys.send(node.circuit_breaker("db"), call_atom_v, target, content));
    replies.push_back(sys.send(node.timeout_manager(), run_atom_v, target, timespan{1h}, content));
    replies.push_back(
        sys.send(node.guard("db", target, {.deadline = 1h}), ask_atom_v, std::int32_t{1}));
    for (const auto& part : {node.bulkhead("db"), node.circuit_breaker("db")})
      sys.ask(part, get_stats_atom_v);
  }
  for (const auto& each : replies) {
    each->wait();
    CHECK(each->count() == 1);
    CHECK(each->error() == errc::shutting_down);
  }
}

TEST_CASE("a function's timeout holds while its node ends [B11] [G5]", "[node]") {
  real_system sys;
  gate door;
  std::latch begun{1};
  std::optional<bulwark::node> node{std::in_place, *sys};
  auto part = node->bulkhead("cpu");
  auto cut = sys.send(part, execute_atom_v, make_work([&] {
                        begun.count_down();
                        door.wait();
                      }),
                      timespan{5ms});
  begun.wait();
  std::thread ending{[&] { node.reset(); }};
  cut->wait(); // while the node waits for the function
  CHECK(cut->error() == errc::timed_out);
  door.let_go();
  ending.join();
  CHECK(cut->count() == 1);
}

TEST_CASE("a node is shut down twice and by many threads and destroyed after it [G5]", "[node]") {
  real_system sys;
  bulwark::node node{*sys};
  auto part = node.bulkhead("cpu");
  gate door;
  std::latch begun{1};
  std::atomic<bool> returned{false};
  auto running = sys.send(part, execute_atom_v, make_work([&] {
                            begun.count_down();
                            door.wait();
                            returned = true;
                          }));
  begun.wait();
  std::atomic<int> too_early{0};
  std::vector<std::thread> threads;
  std::latch all{5};
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      all.arrive_and_wait();
      node.shut_down();
      too_early += returned ? 0 : 1;
    });
  all.arrive_and_wait();
  std::thread opener{[&] { door.let_go(); }};
  for (auto& thread : threads)
    thread.join();
  opener.join();
  CHECK(too_early == 0);
  node.shut_down();
  running->wait();
  CHECK(running->count() == 1);
}

TEST_CASE("after its end a node makes nothing and says why [G13]", "[node]") {
  real_system sys;
  auto target = sys->spawn(doubling_target);
  bulwark::node node{*sys};
  auto breaker = node.circuit_breaker("a");
  auto bulkhead = node.bulkhead("a");
  node.shut_down();
  CHECK(refusal([&] { static_cast<void>(node.circuit_breaker("a")); }) == errc::shutting_down);
  CHECK(refusal([&] { static_cast<void>(node.circuit_breaker("b")); }) == errc::shutting_down);
  CHECK(refusal([&] { static_cast<void>(node.bulkhead("a")); }) == errc::shutting_down);
  CHECK(refusal([&] { static_cast<void>(node.bulkhead("b")); }) == errc::shutting_down);
  CHECK(refusal([&] { static_cast<void>(node.guard("b", target, {})); }) == errc::shutting_down);
  CHECK(
      refusal([&] { static_cast<void>(node.guard("c", target, {.bulkhead = bulkhead_policy{}})); })
      == errc::shutting_down);
  for (const auto& part :
       {breaker, bulkhead, node.timeout_manager(), node.registry(), node.bulkhead_registry()})
    CHECK(sys.ask(part, get_stats_atom_v)->is_error());
  try {
    static_cast<void>(node.bulkhead("late"));
  } catch (const resilience_error& error) {
    const std::string text = error.what();
    CHECK(text.find("late") != std::string::npos);
    CHECK(text.find("shut down") != std::string::npos);
  }
}

TEST_CASE("a node ends although its registry was killed [G5]", "[node]") {
  real_system sys;
  auto target = sys->spawn(silent_target);
  bulwark::node node{*sys};
  auto part = node.bulkhead("db");
  auto guard = node.guard("db", target, {.bulkhead = part});
  auto alone = sys.send(part, call_atom_v, target, caf::make_message(ask_atom_v, std::int32_t{1}));
  auto guarded = sys.send(guard, ask_atom_v, std::int32_t{1});
  sys.kill(node.registry());
  node.shut_down();
  guarded->wait();
  CHECK(guarded->error() == errc::shutting_down);
  alone->wait();
  CHECK(alone->error() == errc::shutting_down);
}

TEST_CASE("two nodes of one actor system know nothing of each other [Y1] [G12]", "[node]") {
  real_system sys;
  auto target = sys->spawn(doubling_target);
  bulwark::node one{*sys};
  std::optional<bulwark::node> two{std::in_place, *sys};
  auto part = one.bulkhead("db", {.max_workers = 1});
  auto other = two->bulkhead("db", {.max_workers = 2}); // the same name, another policy
  CHECK(part != other);
  auto guard = one.guard("db", target, {});
  auto other_guard = two->guard("db", target, {});
  CHECK(sys.get<std::int32_t>(other_guard, ask_atom_v, 1) == 2);
  two.reset();
  CHECK(sys.ask(other_guard, ask_atom_v, 1)->is_error());
  CHECK(sys.get<std::int32_t>(guard, ask_atom_v, 2) == 4);
  CHECK(sys.get<bulkhead_stats>(part, get_stats_atom_v).max_workers == 1);
}

TEST_CASE("nodes are made and ended at once by many threads [G5]", "[node]") {
  real_system sys;
  auto target = sys->spawn(doubling_target);
  std::vector<std::thread> threads;
  std::latch all{4};
  std::atomic<int> right{0};
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      all.arrive_and_wait();
      for (int round = 0; round < 20; ++round) {
        bulwark::node node{*sys};
        auto guard = node.guard("db", target, {.deadline = 5s, .bulkhead = bulkhead_policy{}});
        caf::scoped_actor self{*sys};
        compat::request(self, guard, ask_atom_v, std::int32_t{1})
            .receive([&](std::int32_t x) { right += x == 2 ? 1 : 0; }, [](const caf::error&) {});
        execute(self, node.bulkhead("cpu"), [] {
          return std::int32_t{1};
        }).receive([&](std::int32_t x) { right += x; }, [](const caf::error&) {});
      }
    });
  for (auto& thread : threads)
    thread.join();
  CHECK(right == 160);
}

TEST_CASE("parts made while the node ends are refused or ended with it [G5]", "[node]") {
  real_system sys;
  auto target = sys->spawn(doubling_target);
  for (int round = 0; round < 20; ++round) {
    bulwark::node node{*sys};
    std::vector<caf::actor> made;
    std::latch both{2};
    std::thread maker{[&] {
      both.arrive_and_wait();
      for (int i = 0;; ++i) {
        try {
          made.push_back(node.bulkhead("part " + std::to_string(i)));
          made.push_back(node.guard("guard " + std::to_string(i), target, {}));
        } catch (const resilience_error&) {
          return;
        }
      }
    }};
    both.arrive_and_wait();
    node.shut_down();
    maker.join();
    for (const auto& each : made)
      sys.wait_for_end(each); // hangs where one were left over
  }
}

TEST_CASE("guards come and go and their bulkheads' threads with them [B10] [B4]", "[node]") {
  real_system sys;
  auto target = sys->spawn(doubling_target);
  bulwark::node node{*sys};
  for (int i = 0; i < 100; ++i) {
    auto guard = node.guard("short", target, {.bulkhead = bulkhead_policy{.max_workers = 3}});
    CHECK(sys.get<std::int32_t>(guard, ask_atom_v, 4) == 8);
    auto part = sys.get<caf::actor>(node.bulkhead_registry(), get_atom_v, std::string{"short"});
    CHECK(sys.get<int>(part, execute_atom_v, make_work([i] { return i; })) == i);
    auto ended = caf::actor_cast<caf::actor_addr>(guard);
    caf::scoped_actor self{*sys};
    self->monitor(ended);
    guard = nullptr;
    self->receive([](const caf::down_msg&) {});
  }
}
