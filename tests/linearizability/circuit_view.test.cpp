#include "bulwark/circuit_breaker.hpp"

#include "linearizability/clients.hpp"
#include "support/catch.hpp"

#include <array>
#include <atomic>
#include <map>
#include <optional>
#include <vector>

/// @file A circuit's published view, read by many threads while the circuit changes as fast as it can.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

// All that a breaker ever was, by generation.
struct chronicle final : circuit_observer {
  std::map<std::uint64_t, circuit_state> states{{1, circuit_state::closed}};
  void on_transition(const circuit_transition& change) override {
    states[change.generation] = change.to;
  }
};

struct sighting {
  circuit_view::reading seen;
  std::optional<instant> probes_from; // where it was open
};

// Calls that mostly fail, and an operator now and then: every state, again and again.
void live(circuit_breaker& breaker, circuit_view& view, std::map<std::uint64_t, instant>& probes) {
  dice chance{1};
  instant now{1h};
  for (auto step = 0; step < 300'000; ++step) {
    now += chance.below(3) * 1us;
    const auto leave = breaker.admit(now);
    if (const auto* given = std::get_if<permit>(&leave)) {
      if (chance.below(3) == 0)
        breaker.on_success(*given, now);
      else
        breaker.on_failure(*given, now);
    }
    if (chance.below(500) == 0)
      breaker.force_open(now);
    else if (chance.below(100) == 0)
      breaker.reset(now);
    if (breaker.state() == circuit_state::open)
      probes[breaker.generation()] = breaker.due();
    breaker.publish(view);
  }
}

} // namespace

TEST_CASE("who reads a circuit's view never sees a state older than one seen before nor one that "
          "never was [L3]",
          "[linearizability]") {
  constexpr std::size_t readers = 3;
  chronicle all;
  circuit_view view;
  circuit_breaker breaker{
      {.failure_threshold = 2, .success_threshold = 2, .open_for = 5us, .half_open_calls = 1},
      all,
      instant{1h}};
  breaker.publish(view);
  std::map<std::uint64_t, instant> probes; // from when on, by generation that was open
  std::atomic<bool> over{false};
  std::array<std::vector<sighting>, readers> sightings;
  client_threads threads{readers + 1};
  threads.run([&](std::size_t i) {
    threads.meet();
    if (i == readers) {
      live(breaker, view, probes);
      over = true;
      return;
    }
    auto& mine = sightings.at(i);
    do {
      const auto seen = view.read();
      if (!mine.empty() && mine.back().seen.generation == seen.generation
          && mine.back().seen.failing == seen.failing)
        continue;
      mine.push_back({seen, seen.state == circuit_state::open ? std::optional{view.probes_from()}
                                                              : std::nullopt});
    } while (!over);
  });
  std::uint64_t changes = 0;
  for (const auto& each : sightings) {
    std::uint64_t last = 0;
    auto wrong = 0;
    for (const auto& [seen, probes_from] : each) {
      wrong += seen.generation < last ? 1 : 0;
      last = seen.generation;
      const auto was = all.states.find(seen.generation);
      wrong += was == all.states.end() || was->second != seen.state ? 1 : 0;
      wrong += seen.failing && seen.state != circuit_state::closed ? 1 : 0;
      // The one of that generation, or of a later one that was open.
      wrong += probes_from && *probes_from < probes.at(seen.generation) ? 1 : 0;
    }
    CHECK(wrong == 0);
    changes += each.size();
  }
  CHECK(all.states.size() > 10'000);
  CHECK(changes > 100); // they have looked while it changed
}
