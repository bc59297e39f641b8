#include "effect/picture.hpp"
#include "support/catch.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <numbers>

using namespace bulwark_effect;
using namespace std::chrono_literals;

namespace {

/// What came of a hundred clients.
struct result {
  std::size_t calls; // on the record
  seconds done;      // the last of them
};

/// A record with a version, a network away: an attempt reads it, and writes where nobody else has
/// meanwhile. One of those who have read the same version wins.
class record {
public:
  explicit record(world& all) : all_(all) {}

  void attempt(attempt_end done) {
    all_.after(delay(), [this, done = std::move(done)]() mutable {
      const auto seen = version_;
      all_.after(delay() + delay(), [this, seen, done = std::move(done)]() mutable {
        const auto won = seen == version_;
        version_ += won ? 1 : 0;
        all_.after(delay(), [won, done = std::move(done)] { done(!won); });
      });
    });
  }

private:
  // 10 ms, with a deviation of 2.
  seconds delay() {
    const auto radius = std::sqrt(-2 * std::log(1 - all_.chance().unit()));
    const auto normal = radius * std::cos(2 * std::numbers::pi * all_.chance().unit());
    return std::abs(0.010 + 0.002 * normal);
  }

  world& all_;
  std::uint64_t version_ = 0;
};

std::vector<std::pair<seconds, double>> done_by(const world& all) {
  std::vector<std::pair<seconds, double>> points{{0, 0}};
  for (const auto& each : all.outcomes())
    points.emplace_back(each.ended, points.back().second + 1);
  return points;
}

} // namespace

// Whoever has lost comes again: at once, after waits that double, or after waits that chance spreads.
// (At once makes the most calls, yet all are soon done, for the record doesn't mind being asked.)

TEST_CASE("a hundred clients with one record are done with half the calls and ten times sooner by "
          "full jitter [V4]",
          "[effect]") {
  picture drawn{"contention", "A hundred clients, one contended record", "clients done"};
  std::array<seconds, 2> sum{};
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto run = [&](const char* name, jitter_kind jitter, timespan base_delay) {
      world all{{.limits = {.retry = retry_limits{.max_attempts = 10'000,
                                                  .base_delay = base_delay,
                                                  .max_delay = 2s,
                                                  .jitter = jitter}}},
                {},
                seed};
      record contended{all};
      all.serve_by([&](attempt_end done) { contended.attempt(std::move(done)); });
      all.at(0, [&] {
        for (auto client = 0; client < 100; ++client)
          all.call();
      });
      all.run(200);
      CHECK(all.outcomes().size() == 100);
      const result came{all.arrivals().size(), all.outcomes().back().ended};
      fmt::print("contention, seed {:2}, {:<11}: {:5} calls, all done after {:6.2f} s\n", seed,
                 name, came.calls, came.done);
      if (seed == 1)
        drawn.curve(name, done_by(all));
      return came;
    };
    const auto naive = run("no jitter", jitter_kind::none, 10ms);
    const auto guarded = run("full jitter", jitter_kind::full, 10ms);
    const auto at_once = run("at once", jitter_kind::none, 0ms);
    INFO("seed " << seed);
    CHECK(2 * guarded.calls <= at_once.calls);
    CHECK(2 * guarded.calls <= naive.calls);
    CHECK(7 * guarded.done < naive.done); // of one seed, much is chance
    sum[0] += naive.done;
    sum[1] += guarded.done;
  }
  fmt::print("contention: done {:.1f} times sooner\n", sum[0] / sum[1]);
  CHECK(sum[0] >= 10 * sum[1]);
  drawn.draw();
}
