#include "models/lease_world.hpp"
#include "support/catch.hpp"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <string>

/// @file One bulkhead over many nodes, on random histories: see lease_world.hpp.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

/// How many histories of each kind; BULWARK_HISTORIES asks for more.
std::uint64_t histories() {
  const char* wish = std::getenv("BULWARK_HISTORIES");
  return wish != nullptr ? std::strtoull(wish, nullptr, 10) : 12;
}

constexpr std::array what_happens{
    "its line is lost",          "its line is cut", "its line is cut in one direction",
    "it is stopped for a while", "it is killed",    "the owner is killed",
    "the limit changes"};

/// What all histories have to end with: nobody waits, and owner and nodes agree on every permit.
void require_order(lease_world& world, std::uint32_t nodes) {
  world.let_calls_come(false);
  world.mend_the_network();
  world.run_for(30s);
  REQUIRE(world.wrong == std::vector<std::string>{});
  REQUIRE(world.running() == 0);
  REQUIRE(world.calls == world.answered);
  REQUIRE(world.owner().queued() == 0);
  std::uint64_t held = 0;
  for (std::uint32_t i = 0; i < nodes; ++i) {
    INFO("node " << i);
    REQUIRE(world.share(i).state() == bulkhead_share::mode::leased);
    REQUIRE(world.held_at_owner(i) == world.local(i).policy().max_workers);
    REQUIRE(world.local(i).leased() == world.at_supervisors(i)); // none is lost on its way
    held += world.held_at_owner(i);
  }
  REQUIRE(held == world.owner().leased());
  REQUIRE(held <= world.owner().policy().max_workers);
  // And it still works: nobody has been left without permits.
  const auto before = world.served;
  const auto token = world.newest_token();
  world.let_calls_come(true);
  world.run_for(2s);
  REQUIRE(world.served > before + nodes);
  REQUIRE_FALSE(world.target_takes(token.number)); // all have heard of newer permits
  world.let_calls_come(false);
  world.run_for(10s);
  REQUIRE(world.wrong == std::vector<std::string>{});
}

} // namespace

TEST_CASE("over a network that loses nothing never more than the limit are at once in the target, "
          "and all of it is used [D12]",
          "[shared_bulkhead]") {
  for (std::uint64_t seed = 1; seed <= histories(); ++seed) {
    CAPTURE(seed);
    world_settings with{.seed = seed, .nodes = 1 + std::uint32_t(seed % 5)};
    with.policy.max_workers = 1 + std::uint32_t(seed * 7 % 12);
    with.between_calls = seed % 2 == 0 ? 2ms : 20ms;
    lease_world world{with};
    world.let_calls_come(true);
    world.run_for(3s);
    CHECK(world.most_running <= with.policy.max_workers);
    CHECK(world.started_alone == 0);
    // On its way a permit serves nobody: 5 ms to the next, 8 ms there, more where it is overtaken.
    const auto possible =
        std::min(double(with.policy.max_workers) * 3s / with.service, double(world.calls));
    CHECK(double(world.served) > 0.35 * possible);
    require_order(world, with.nodes);
  }
}

TEST_CASE("messages that are lost, doubled or overtaken do the limit no harm [D12]",
          "[shared_bulkhead]") {
  for (std::uint64_t seed = 1; seed <= histories(); ++seed) {
    CAPTURE(seed);
    world_settings with{.seed = seed, .nodes = 2 + std::uint32_t(seed % 4)};
    with.policy.max_workers = 1 + std::uint32_t(seed * 5 % 12);
    with.policy.queue_size = seed % 3 == 0 ? 3 : 1'000;
    with.between_calls = seed % 2 == 0 ? 3ms : 20ms;
    with.network.in_order = false;
    with.network.lost = 0.1;
    with.network.doubled = 0.1;
    with.network.most_delay = 20ms;
    lease_world world{with};
    world.let_calls_come(true);
    world.run_for(5s);
    require_order(world, with.nodes);
  }
}

TEST_CASE(
    "a word that has been on its way for longer than the lease, and comes before a timer that "
    "is late, prolongs nothing that the owner has taken back [D13]",
    "[shared_bulkhead]") {
  for (std::uint64_t seed = 1; seed <= 4 * histories(); ++seed) {
    CAPTURE(seed);
    world_settings with{.seed = seed, .nodes = 3};
    with.policy.max_workers = 5;
    with.between_calls = 300ms;
    with.service = 300ms;
    with.network = {
        .most_delay = 600ms, .in_order = seed % 2 == 0, .lost = 0.5, .timers_late = 600ms};
    lease_world world{with};
    world.let_calls_come(true);
    world.run_for(60s);
    world.network = {};
    require_order(world, with.nodes);
  }
}

TEST_CASE(
    "a node that has lost its owner begins no more than its share of the limit though permits lie "
    "unused with its supervisors, and word of the loss takes its time to them [D14]",
    "[shared_bulkhead]") {
  lease_world::tally seen;
  for (std::uint64_t seed = 1; seed <= histories(); ++seed) {
    CAPTURE(seed);
    world_settings with{.seed = seed, .nodes = 5, .idle = 4}; // so that one has more than its share
    with.policy.max_workers = 10 + std::uint32_t(seed % 10);
    with.between_calls = 3ms;
    with.service = 8ms;
    with.mail = 10ms;
    lease_world world{with};
    world.let_calls_come(true);
    for (int step = 0; step < 30; ++step) {
      world.run_for(world.between(50ms, 300ms));
      world.break_line(0, 50ms, world.between(0ms, 300ms));
    }
    require_order(world, with.nodes);
    seen.alone += world.started_alone;
  }
  CHECK(seen.alone > 100);
}

TEST_CASE(
    "a node that hears of a new line before it hears of the loss begins anew with what it has, "
    "and nobody waits for an owner that it may do without [D13] [D14]",
    "[shared_bulkhead]") {
  for (std::uint64_t seed = 1; seed <= histories(); ++seed) {
    CAPTURE(seed);
    world_settings with{.seed = seed, .nodes = 3};
    with.policy.max_workers = 3 + std::uint32_t(seed % 5);
    with.when_lost = static_cast<owner_lost>(seed % 3);
    with.between_calls = 3ms; // more than all that may be at once
    with.mail = seed % 2 == 0 ? 2ms : 0ms;
    lease_world world{with};
    world.let_calls_come(true);
    for (int step = 0; step < 30; ++step) {
      world.run_for(world.between(20ms, 200ms));
      world.break_line(world.any(with.nodes), 10ms, world.between(0ms, 30ms));
    }
    require_order(world, with.nodes);
  }
}

TEST_CASE(
    "whatever happens to lines, processes and owner the limit holds for all that the owner knows "
    "of, nobody begins work on a lease that has run out, and in the end all are in order "
    "[D12] [D13] [D14] [D15]",
    "[shared_bulkhead]") {
  lease_world::tally seen;
  for (std::uint64_t seed = 1; seed <= 3 * histories(); ++seed) {
    CAPTURE(seed);
    random_stream chance{seed};
    world_settings with{.seed = seed, .nodes = 2 + std::uint32_t(seed % 4)};
    with.policy.max_workers = 1 + std::uint32_t(chance.next() % 12);
    with.policy.queue_size = chance.next() % 3 == 0 ? 3 : 1'000;
    with.between_calls = chance.next() % 2 == 0 ? 3ms : 20ms;
    with.when_lost = static_cast<owner_lost>(seed % 3);
    if (chance.next() % 2 == 0) {
      with.network.in_order = false;
      with.network.lost = 0.05;
      with.network.doubled = 0.05;
    }
    if (chance.next() % 2 == 0)
      with.mail = 2ms;
    // Each history has its own mixture of what may happen.
    const auto kinds = chance.next();
    lease_world world{with};
    std::string history;
    world.let_calls_come(true);
    for (int step = 0; step < 20; ++step) {
      world.run_for(world.between(1ms, 600ms));
      const auto node = world.any(with.nodes);
      const auto what = world.any(7);
      if ((kinds >> what & 1U) == 0 || !world.has(node) || !world.has_owner())
        continue;
      history += fmt::format("\n{}: node {}: {}", to_text(world.now.time_since_epoch()), node,
                             what_happens[what]);
      switch (what) {
      case 0:
        world.break_line(node, 50ms, world.between(0ms, 2s));
        break;
      case 1:
        world.cut(node, world.between(0ms, 3s), true, true);
        break;
      case 2:
        world.cut(node, world.between(0ms, 3s), step % 2 == 0, step % 2 == 1);
        break;
      case 3:
        world.pause(node, world.between(0ms, 3s));
        break;
      case 4:
        world.crash(node, 50ms, world.between(60ms, 3s));
        break;
      case 5:
        world.crash_owner(50ms, world.between(60ms, 3s));
        break;
      default: {
        auto policy = with.policy;
        policy.max_workers = 1 + world.any(12);
        world.change_policy(policy);
      }
      }
    }
    world.run_for(5s);
    INFO(history);
    require_order(world, with.nodes);
    seen.alone += world.started_alone;
    seen.unheard += world.started_unheard;
    seen.calls += world.calls;
  }
  // The histories have been what they should be.
  CHECK(seen.alone > 100);
  CHECK(seen.unheard > 0);
}
