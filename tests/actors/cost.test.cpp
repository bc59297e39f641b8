#include "support/catch.hpp"
#include "support/virtual_system.hpp"

#include <malloc.h>

#include <atomic>

/// @file What a healthy guarded call costs, in what can be counted exactly: messages, allocations,
/// entries in CAF's clock. Times are for ./dev bench; these are gates.

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BULWARK_COUNTS_ALLOCATIONS 0
#else
#define BULWARK_COUNTS_ALLOCATIONS 1
#endif

#if BULWARK_COUNTS_ALLOCATIONS
namespace {
std::atomic<std::uint64_t> allocations{0};
} // namespace

// CAF takes a message's memory from malloc itself. glibc keeps this entry for who takes its name over.
extern "C" void* __libc_malloc(std::size_t size); // NOLINT(bugprone-reserved-identifier)

extern "C" void* malloc(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}
#endif

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

constexpr int rounds = 1000;

guard_policy everything() {
  return {.deadline = 60s,
          .attempt_timeout = 30s,
          .retry = retry_policy{},
          .breaker = circuit_breaker_policy{},
          .bulkhead = bulkhead_policy{.max_workers = 10}};
}

// One request after the other.
class sequential_caller : public caf::event_based_actor {
public:
  sequential_caller(caf::actor_config& config, caf::actor target)
      : caf::event_based_actor(config), target_(std::move(target)) {}

protected:
  caf::behavior make_behavior() override {
    return {[this](answer_atom, int calls) {
      left_ = calls;
      next();
    }};
  }

private:
  void next() {
    if (left_-- == 0)
      return;
    BULWARK_DEPRECATED_BEGIN
    request(target_, caf::infinite, ask_atom_v, std::int32_t{1})
        .then([this](std::int32_t) { next(); }, [](const caf::error&) {});
    BULWARK_DEPRECATED_END
  }

  caf::actor target_;
  int left_ = 0;
};

struct costs {
  virtual_system sys;
  virtual_node node{sys};
  caf::actor target = sys->spawn(doubling_target);
  caf::actor guard = node->guard("db", target, everything());

  std::uint64_t messages() {
    return static_cast<std::uint64_t>(sys->base_metrics().processed_messages->value());
  }

  void call(const caf::actor& caller, int times) {
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(caller), answer_atom_v, times);
    sys.run();
  }
};

} // namespace

TEST_CASE("a healthy guarded call is four messages, as many as any proxy needs [G8]", "[cost]") {
  costs c;
  auto caller = c.sys->spawn<sequential_caller>(c.guard);
  c.call(caller, 10); // the first asks for a lease and for a wake-up
  const auto before = c.messages();
  c.call(caller, rounds);
  CHECK(c.messages() - before == 4 * rounds + 1); // and the one that started them
}

TEST_CASE(
    "with a window a healthy call is still four messages, and one in 25 calls, or in the 8 that "
    "a small window allows, has its breaker told [C20]",
    "[cost]") {
  costs c;
  const auto per_thousand = [&](const std::string& name, const circuit_breaker_policy& breaker) {
    auto policy = everything();
    policy.breaker = breaker;
    auto guard = c.node->guard(name, c.target, policy);
    auto caller = c.sys->spawn<sequential_caller>(guard);
    c.call(caller, 10);
    const auto before = c.messages();
    c.call(caller, rounds);
    return c.messages() - before - 1;
  };
  CHECK(per_thousand("by count", {.count_window = count_window{}}) <= 4 * rounds + rounds / 25 + 1);
  CHECK(per_thousand("by time", {.time_window = time_window{}}) <= 4 * rounds + rounds / 8 + 1);
}

#if BULWARK_COUNTS_ALLOCATIONS
TEST_CASE("a healthy guarded call takes at most three allocations beyond those of a bare one [G8]",
          "[cost]") {
  costs c;
  const auto count = [&](const caf::actor& to) {
    auto caller = c.sys->spawn<sequential_caller>(to);
    c.call(caller, 10);
    const auto before = allocations.load();
    c.call(caller, rounds);
    return allocations.load() - before;
  };
  const auto bare = count(c.target);
  const auto guarded = count(c.guard);
  CHECK(guarded - bare <= 3 * rounds);
}

TEST_CASE("an idle guard takes at most three times the memory of a bare actor [G8]", "[cost]") {
  costs c;
  auto policy = everything();
  policy.breaker = c.node->circuit_breaker("shared");
  policy.bulkhead = c.node->bulkhead("shared");
  std::vector<caf::actor> kept;
  kept.reserve(2 * rounds);
  const auto bytes_of = [&](auto make) {
    const auto before = mallinfo2().uordblks;
    for (auto i = 0; i < rounds; ++i)
      kept.push_back(make(i));
    c.sys.run();
    return mallinfo2().uordblks - before;
  };
  const auto bare = bytes_of([&](int) { return c.sys->spawn(doubling_target); });
  const auto guards =
      bytes_of([&](int i) { return c.node->guard("g" + std::to_string(i), c.target, policy); });
  INFO(guards / rounds << " bytes against " << bare / rounds);
  CHECK(guards <= 3 * bare);
}
#endif

TEST_CASE("CAF's clock has one entry for the timeout manager whatever is in flight [M7]",
          "[cost]") {
  costs c;
  auto hole = c.sys.spawn_manual();
  auto slow = c.node->guard("slow", hole.handle, {.deadline = 60s, .attempt_timeout = 30s});
  for (auto i = 0; i < 100; ++i)
    c.sys.ask(slow, ask_atom_v, i);
  CHECK(c.sys.clock_entries() == 1);
  c.sys.advance(61s);
  CHECK(c.sys.clock_entries() == 0);
}
