#include "models/circuit_world.hpp"
#include "support/catch.hpp"

#include <cstdlib>

/// @file One circuit breaker over many nodes, on random histories: messages are late, lost, doubled
/// and overtaken, nodes come and go, the owner's process too. All cores are the real ones.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

std::uint64_t histories() {
  const char* wish = std::getenv("BULWARK_HISTORIES");
  return wish != nullptr ? std::strtoull(wish, nullptr, 10) : 400;
}

} // namespace

TEST_CASE(
    "when a node's circuit opens those of all nodes do or of none or when more than half have as "
    "trip_scope says [D16]",
    "[shared_circuit]") {
  const auto scope = GENERATE(trip_scope::own, trip_scope::quorum, trip_scope::any);
  CAPTURE(to_string(scope));
  circuit_world_settings with{.nodes = 5};
  with.sharing.trips_for = scope;
  circuit_world w{with};
  w.keep_calling(5ms);
  w.run_for(1s);
  for (std::uint32_t sick = 1; sick <= 3; ++sick) {
    w.sick.insert(sick);
    w.run_for(300ms);
    CHECK(w.nodes[sick]->own.state() == circuit_state::open);
    const auto for_all = scope == trip_scope::any || (scope == trip_scope::quorum && sick == 3);
    CHECK((w.owner->circuit().state() == circuit_state::open) == for_all);
    CHECK((w.nodes[0]->own.state() == circuit_state::open) == for_all);
    if (for_all)
      break;
  }
  w.sick.clear();
  w.run_for(5s);
  for (const auto& n : w.nodes)
    CHECK(n->own.state() == circuit_state::closed);
  if (scope == trip_scope::own)
    CHECK(w.changes.empty());
}

TEST_CASE(
    "a shared circuit is open on every node at most two messages after one has opened it [D17]",
    "[shared_circuit]") {
  circuit_world_settings with{.nodes = 20};
  circuit_world w{with};
  w.keep_calling(5ms);
  w.run_for(1s);
  w.sick.insert(7);
  w.run_for(200ms);
  const auto began = w.nodes[7]->opened;
  for (const auto& n : w.nodes) {
    CHECK(n->own.state() == circuit_state::open);
    CHECK(n->opened - began <= 2 * with.network.most_delay);
  }
}

TEST_CASE("whatever happens to lines, processes and owner of a shared circuit probes are bounded "
          "over all "
          "nodes and in the end all nodes see what the owner says [D17] [D18]",
          "[shared_circuit]") {
  std::uint64_t transitions = 0;
  std::uint64_t probes = 0;
  std::uint64_t outdated = 0;
  for (std::uint64_t seed = 1; seed <= histories(); ++seed) {
    CAPTURE(seed);
    random_stream chance{seed};
    circuit_world_settings with{.seed = seed, .nodes = 2 + std::uint32_t(seed % 5)};
    with.sharing.trips_for = static_cast<trip_scope>(seed % 3);
    with.when_lost = static_cast<owner_lost>(seed / 3 % 3);
    with.network.lost = chance.next() % 2 == 0 ? 0.05 : 0;
    with.network.doubled = with.network.lost;
    if (seed % 4 == 0) { // words that are longer on their way than a lease is long
      with.sharing.lease_time = 300ms;
      with.network.most_delay = 400ms;
    }
    circuit_world w{with};
    w.keep_calling(20ms);
    const auto kinds = chance.next();
    for (int step = 0; step < 25; ++step) {
      w.run_for(w.between(1ms, 400ms));
      const auto i = w.any(with.nodes);
      const auto what = w.any(7);
      if ((kinds >> what & 1U) == 0)
        continue;
      switch (what) {
      case 0:
        w.sick.insert(i);
        break;
      case 1:
        w.sick.erase(i);
        break;
      case 2:
        w.lose_line(i, w.between(0ms, 2s));
        break;
      case 3:
        w.crash(i, w.between(60ms, 2s));
        break;
      case 4:
        if (w.owner)
          w.crash_owner(w.between(60ms, 2s), step % 2 == 0);
        break;
      case 5:
        if (w.owner)
          w.owner->force_open(w.now);
        break;
      default:
        if (w.owner)
          w.change_policy({.failure_threshold = 1 + w.any(4),
                           .success_threshold = 1 + w.any(3),
                           .open_for = w.between(100ms, 800ms),
                           .half_open_calls = 1 + w.any(3)});
      }
    }
    w.mend_the_network();
    w.network.most_delay = 10ms;
    w.run_for(6s);
    REQUIRE(w.wrong == std::vector<std::string>{});
    REQUIRE(w.owner);
    w.run_for(1s);
    for (const auto& n : w.nodes) {
      REQUIRE(n);
      const auto all = w.owner->circuit().state();
      if (all == circuit_state::forced_open)
        CHECK(n->own.state() == all);
      CHECK(n->own.policy() == w.with.policy);
    }
    // And it recovers: nobody is left behind.
    w.sick.clear();
    w.owner->reset(w.now);
    w.run_for(8s);
    for (const auto& n : w.nodes)
      CHECK(n->own.state() == circuit_state::closed);
    CHECK(w.owner->circuit().state() == circuit_state::closed);
    REQUIRE(w.wrong == std::vector<std::string>{});
    transitions += w.changes.size();
    probes += w.probes;
    outdated += w.outdated;
  }
  // The histories have been what they should be.
  CHECK(transitions > histories());
  CHECK(probes > histories());
  CHECK(outdated > 0);
}

TEST_CASE("what comes of a probe counts only while it is one in the process of the owner that gave "
          "it leave, however late it comes [D17]",
          "[shared_circuit]") {
  std::uint64_t outdated = 0;
  for (std::uint64_t seed = 1; seed <= histories(); ++seed) {
    CAPTURE(seed);
    circuit_world_settings with{.seed = seed, .nodes = 3};
    with.policy = {.failure_threshold = 1, .open_for = 50ms, .half_open_calls = 2};
    circuit_world w{with};
    w.sick = {0, 1, 2};
    w.keep_calling(10ms);
    for (int life = 0; life < 10; ++life) {
      w.run_for(w.between(300ms, 1s));
      if (w.owner) // else it isn't back yet
        w.crash_owner(60ms);
    }
    REQUIRE(w.wrong == std::vector<std::string>{});
    outdated += w.outdated;
  }
  CHECK(outdated > histories());
}
