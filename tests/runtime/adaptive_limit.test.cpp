#include "bulwark/adaptive_limit.hpp"

#include "support/catch.hpp"

using namespace bulwark;
using namespace std::chrono_literals;

TEST_CASE("an adaptive limit out of range is refused with its field [B13]", "[adaptive_limit]") {
  const auto mistakes_of = [](const adaptive_limit_policy& policy) {
    const auto all = find_mistakes(policy);
    return all.empty() ? std::string{} : all.at(0).field;
  };
  CHECK(mistakes_of({}).empty());
  CHECK(mistakes_of({.floor = 0}) == "adaptive_limit.floor");
  CHECK(mistakes_of({.initial = 0}) == "adaptive_limit.initial");
  CHECK(mistakes_of({.tolerance = 0.9}) == "adaptive_limit.tolerance");
  CHECK(mistakes_of({.smoothing = 0}) == "adaptive_limit.smoothing");
  CHECK(mistakes_of({.decrease = 1}) == "adaptive_limit.decrease");
  CHECK(mistakes_of({.latency_limit = 0ns}) == "adaptive_limit.latency_limit");
  CHECK(mistakes_of({.window = 0ns}) == "adaptive_limit.window");
  CHECK(mistakes_of({.remeasure = 0ns}) == "adaptive_limit.remeasure");
}

TEST_CASE("calls that nobody waited for leave the limit as it is [B13]", "[adaptive_limit]") {
  adaptive_limit limit{{.initial = 20}, 1'000, instant{}, 1};
  instant now{};
  for (auto i = 0; i < 1'000; ++i) {
    now += 20ms;
    CHECK(!limit.on_samples({.first = now, .count = 50, .total = 500ms}, false, now));
  }
  CHECK(limit.limit() == 20);
  CHECK(limit.unloaded() == 10ms);
}
