// A node that ends without haste: drain.
#include "support/catch.hpp"
#include "support/real_system.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

struct fixture {
  real_system sys;
  bulwark::node node{*sys};
  std::shared_ptr<target_log> log = std::make_shared<target_log>();
  caf::actor target = sys->spawn(manual_target, log);

  ~fixture() { sys.kill(target); }

  // Behind all that has been asked of it.
  void answer(std::uint64_t which) {
    sys.send(target, answer_atom_v, which, caf::make_message(std::int32_t{7}));
  }

  std::future<bool> drain() {
    auto result = std::async(std::launch::async, [this] { return node.drain(10min); });
    while (!node.directory()->closed())
      std::this_thread::yield();
    return result;
  }

  // For a guard that has a call in progress, and so doesn't end.
  void wait_until_refused(const caf::actor& guard) {
    for (auto refused = false; !refused;) { // each answer is an event
      const auto answer = sys.ask(guard, state_atom_v);
      refused = answer->is_error() && answer->error() == errc::shutting_down;
    }
  }
};

} // namespace

TEST_CASE("a node that drains finishes what is in progress and takes nothing new [D30]", "[node]") {
  fixture f;
  auto guard = f.node.guard("db", f.target, {.deadline = 10min});
  auto in_progress = f.sys.send(guard, ask_atom_v, std::int32_t{1});
  auto drained = f.drain();
  f.wait_until_refused(guard);
  CHECK(f.sys.ask(guard, ask_atom_v, std::int32_t{2})->error() == errc::shutting_down);
  CHECK(f.sys
            .ask(f.node.front_door(), call_atom_v, std::string{"db"}, call_context{},
                 caf::make_message(ask_atom_v, std::int32_t{3}))
            ->error()
        == errc::shutting_down);
  CHECK_THROWS_AS(f.node.guard("late", f.target, {}), resilience_error);
  f.answer(0);
  in_progress->wait();
  CHECK(in_progress->as<std::int32_t>() == 7);
  CHECK(drained.get());
}

TEST_CASE("calls that wait for a permit or for their next attempt are finished too [D30]",
          "[node]") {
  fixture f;
  std::atomic<int> asked{0};
  // Fails at first, so that the call has to wait and to try again.
  auto failing_first = f.sys->spawn([&asked]() -> caf::behavior {
    return {[&asked](ask_atom, std::int32_t x) -> caf::result<std::int32_t> {
      if (asked++ < 2)
        return caf::make_error(target_error::busy);
      return x;
    }};
  });
  auto guard = f.node.guard(
      "db", failing_first,
      {.deadline = 10min,
       .retry = retry_policy{.base_delay = 200ms, .jitter = jitter_kind::none, .retry_on = always},
       .bulkhead = bulkhead_policy{.max_workers = 1}});
  std::vector<reply_ptr> in_progress;
  for (std::int32_t i = 0; i < 10; ++i)
    in_progress.push_back(f.sys.send(guard, ask_atom_v, i));
  auto drained = f.drain();
  for (std::int32_t i = 0; i < 10; ++i) {
    const auto& answer = in_progress[static_cast<std::size_t>(i)];
    answer->wait();
    CHECK(answer->as<std::int32_t>() == i);
  }
  CHECK(drained.get());
}

TEST_CASE("when the time to drain is up the rest is answered with shutting_down [D30]", "[node]") {
  fixture f;
  auto guard = f.node.guard("db", f.target, {.deadline = 10min});
  std::vector<reply_ptr> in_progress;
  for (std::int32_t i = 0; i < 100; ++i)
    in_progress.push_back(f.sys.send(guard, ask_atom_v, i));
  CHECK_FALSE(f.node.drain(1ms));
  for (const auto& each : in_progress) {
    each->wait();
    CHECK(each->error() == errc::shutting_down);
    CHECK(each->count() == 1);
  }
}

TEST_CASE("a node at rest drains at once and once only [D30]", "[node]") {
  fixture f;
  auto bulkhead = f.node.bulkhead("writers");
  auto guard = f.node.guard("db", f.target, {.bulkhead = bulkhead});
  CHECK(f.node.drain(10min));
  CHECK_FALSE(f.node.drain(10min)); // nobody is left who could say that all have finished
  f.node.shut_down();
}
