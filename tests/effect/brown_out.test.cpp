#include "effect/picture.hpp"
#include "support/catch.hpp"

#include <fmt/format.h>

#include <cmath>

using namespace bulwark_effect;
using namespace std::chrono_literals;

// The target can do only 30 % for ten seconds, at 80 % load: with some seeds it has lost servers, with
// others each of them has become slower. (The naive callers never come back: the retries are more
// than the target can do, so that all time out, so that all are retried.) An attempt may take 200 ms,
// for a server that has become slower takes up to 33 ms on average, and now and then 150.

TEST_CASE("in a brown-out the target does what it still can and afterwards all of it [B21]",
          "[effect]") {
  picture drawn{"brown_out", "Brown-out at 80 % load",
                "calls a second that had their reply in time"};
  drawn.phase(5, 15, "30 % of capacity");
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    random_stream chance{seed};
    const target_settings target{.servers = static_cast<std::uint32_t>(15 + 30 * chance.unit()),
                                 .service = 0.003 + 0.007 * chance.unit()};
    const auto loses_servers = seed % 2 == 0;
    const auto capacity = target.servers / target.service;
    const auto servers_left = static_cast<std::uint32_t>(std::lround(0.3 * target.servers));
    const auto run = [&](const char* name, const guard_settings& guard) {
      world all{guard, target, seed};
      all.calls({.calls_per_second = 0.8 * capacity}, 0, 30);
      all.at(5, [&] {
        if (loses_servers)
          all.target.servers = servers_left;
        else
          all.target.service = target.service / 0.3;
      });
      const auto left = loses_servers ? servers_left / target.service : 0.3 * capacity;
      all.at(15, [&] { all.target = target; });
      all.run(32);
      const auto during = all.between(5, 15);
      const auto after = all.between(16, 30);
      fmt::print(
          "brown-out, seed {:2}, {:<7}: goodput {:.3f} of the possible, afterwards {:.3f} of the "
          "calls; {:.2f} attempts a call\n",
          seed, name, during.goodput / left, after.goodput / after.offered, during.attempts);
      if (seed == 1)
        drawn.curve(name, 0, 30, 0.5,
                    [&all](seconds from, seconds to) { return all.between(from, to).goodput; });
      return std::pair{during.goodput / left, after.goodput / after.offered};
    };
    const supervisor_limits naive{
        .deadline = 1s,
        .attempt_timeout = 200ms,
        .retry = retry_limits{.max_attempts = 3, .base_delay = 10ms, .max_delay = 100ms}};
    const auto before = run("naive", {.limits = naive});
    const auto guarded = run(
        "guarded",
        {.limits = naive,
         .bulkhead = bulkhead_policy{.max_workers = 1'000,
                                     .queue_size = 1'000,
                                     .adaptive = adaptive_limit_policy{},
                                     .shed = queue_delay_policy{.target = 5ms, .interval = 20ms}}});
    INFO("seed " << seed);
    CHECK(before.second < 0.5);
    CHECK(guarded.first >= 0.9);
    CHECK(guarded.second >= 0.99);
  }
  drawn.draw();
}
