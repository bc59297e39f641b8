#include "simulation/shrink.hpp"
#include "simulation/world.hpp"

#include "support/catch.hpp"

#include <algorithm>

/// @file Worlds of nodes, with everything that goes wrong: a short share of what ./dev simulate does.

using namespace bulwark_simulation;

namespace {

/// Each of the seeds makes a world in which nothing is wrong.
void all_is_well(std::uint64_t first, std::uint64_t count) {
  for (auto seed = first; seed < first + count; ++seed) {
    const auto came = world{make_plan(seed)}.run();
    INFO("./dev simulate --seed " << seed << " --seeds 1: " << came.wrong << ": " << came.detail);
    REQUIRE(came.wrong.empty());
  }
}

} // namespace

// Each world is checked for all of it; four cases, so that they go on beside each other.

TEST_CASE("worlds 1 to 2500: whatever goes wrong, each call has one answer, and in time "
          "[G3 G4 G5 G8 G9 G10]",
          "[simulation]") {
  all_is_well(1, 2'500);
}

TEST_CASE("worlds 2501 to 5000: limits hold, queues keep their order, probes are bounded "
          "[B1 B13 B16 B17 B18 C4 K2 K3 K4]",
          "[simulation]") {
  all_is_well(2'501, 2'500);
}

TEST_CASE(
    "worlds 5001 to 7500: nodes stay within a limit that they share, and find their owner again "
    "[D12 D13 D14 D16 D17 D18]",
    "[simulation]") {
  all_is_well(5'001, 2'500);
}

TEST_CASE("worlds 7501 to 10000: books balance, over nodes too, and nothing is left over "
          "[K1 K5 D70 D72 D75]",
          "[simulation]") {
  all_is_well(7'501, 2'500);
}

TEST_CASE("the same seed gives the same history, to the last answer [K1]", "[simulation]") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const auto one = world{make_plan(seed)}.run();
    const auto other = world{make_plan(seed), true}.run();
    CHECK(one.fingerprint == other.fingerprint);
    CHECK(one.events == other.events);
  }
}

TEST_CASE("what a seed shows is made short, and can be read [G3]", "[simulation]") {
  // For want of a fault: a circuit that opens because its target fails.
  const auto opens = [](const plan& with) {
    const auto lines = world{with, true}.run().timeline;
    return std::any_of(lines.begin(), lines.end(), [](const std::string& line) {
      return line.find("closed to open, failure_threshold") != line.npos;
    });
  };
  std::uint64_t seed = 1;
  while (!opens(make_plan(seed)) || make_plan(seed).actions.size() < 100)
    ++seed;
  const auto shortest = shrink(make_plan(seed), opens);
  // A target that fails, and at most four calls.
  CHECK(shortest.actions.size() <= 5);
  CHECK(opens(shortest));
  for (const auto& line : world{shortest, true}.run().timeline)
    UNSCOPED_INFO(line);
  CHECK(world{shortest, true}.run().timeline.size() < 60);
}
