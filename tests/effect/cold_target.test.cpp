#include "effect/picture.hpp"
#include "support/catch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

using namespace bulwark_effect;
using namespace std::chrono_literals;

// The target is down for ten seconds and comes back with empty caches: calls take five times as long,
// until it has served enough of them, about as many as it can in a second when it is warm. Callers want
// 70 % of that.

namespace {

constexpr seconds down = 5;
constexpr seconds up_again = 15;
constexpr seconds end = 45;

/// The more it has served, the less is missing in its caches: after each `needs` calls a third of before.
class cold_target {
public:
  cold_target(world& all, const target_settings& warm, double needs)
      : all_(all), warm_(warm), needs_(needs), served_before_(all.served()) {
    all.target = warm;
    warm_up();
  }

private:
  void warm_up() {
    const auto served = static_cast<double>(all_.served() - served_before_);
    all_.target.service = warm_.service * (1 + 4 * std::exp(-served / needs_));
    all_.after(0.01, [this] { warm_up(); });
  }

  world& all_;
  target_settings warm_;
  double needs_;
  std::uint64_t served_before_;
};

struct result {
  std::ptrdiff_t trips; // once it was up again
  double goodput;       // share of the calls from then on
};

bool is_second_trip(const transition& each) {
  return each.when > up_again && each.from == circuit_state::closed
         && each.to == circuit_state::open;
}

} // namespace

TEST_CASE("a target that comes back cold isn't flattened again where the breaker ramps [V5]",
          "[effect]") {
  picture drawn{"cold_target", "Back from an outage, with empty caches",
                "calls a second that had their reply in time"};
  drawn.phase(down, up_again, "target is down");
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    random_stream chance{seed};
    const target_settings warm{.servers = static_cast<std::uint32_t>(15 + 30 * chance.unit()),
                               .service = 0.005 + 0.005 * chance.unit()};
    const auto capacity = warm.servers / warm.service;
    const auto needs = (0.75 + 0.5 * chance.unit()) * capacity;
    const auto run = [&](const char* name, std::optional<timespan> ramp_for) {
      world all{{.limits = {.deadline = 1s, .attempt_timeout = 500ms},
                 .breaker = circuit_breaker_limits{.open_for = 2s, .ramp_for = ramp_for}},
                warm,
                seed};
      std::optional<cold_target> cold;
      all.calls({.calls_per_second = 0.7 * capacity}, 0, end);
      all.at(down, [&] { all.target.failure_share = 1; });
      all.at(up_again, [&] { cold.emplace(all, warm, needs); });
      all.run(end + 2);
      const auto after = all.between(up_again, end);
      const result came{.trips = std::count_if(all.transitions().begin(), all.transitions().end(),
                                               is_second_trip),
                        .goodput = after.goodput / after.offered};
      fmt::print("cold target, seed {:2}, {:<7}: {} more trips, goodput {:.3f} of the calls\n",
                 seed, name, came.trips, came.goodput);
      if (seed == 1)
        drawn.curve(name, 0, end, 0.5,
                    [&all](seconds from, seconds to) { return all.between(from, to).goodput; });
      return came;
    };
    const auto naive = run("naive", std::nullopt);
    const auto guarded = run("guarded", 10s);
    INFO("seed " << seed);
    CHECK(naive.trips >= 1);
    CHECK(guarded.trips == 0);
    CHECK(guarded.goodput > naive.goodput);
  }
  drawn.draw();
}
