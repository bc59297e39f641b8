#include "effect/picture.hpp"
#include "support/catch.hpp"

#include <fmt/format.h>

using namespace bulwark_effect;
using namespace std::chrono_literals;

namespace {

struct result {
  figures before;
  figures soon;
  figures after;
};

guard_settings adaptive() {
  return {.limits = {.deadline = 1s},
          .bulkhead = bulkhead_policy{.max_workers = 1'000,
                                      .queue_size = 1'000,
                                      .adaptive = adaptive_limit_policy{},
                                      .shed = queue_delay_policy{.target = 5ms, .interval = 20ms}}};
}

} // namespace

TEST_CASE("when 1.4 times as many calls come as can be served, as many are served as can be, in "
          "time [B19]",
          "[effect]") {
  picture drawn{"overload_step", "1.4 times as many calls as can be served",
                "calls a second that had their reply in time"};
  drawn.phase(5, 15, "140 % of capacity");
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    random_stream chance{seed};
    const target_settings target{.servers = static_cast<std::uint32_t>(15 + 30 * chance.unit()),
                                 .service = 0.005 + 0.01 * chance.unit()};
    const auto capacity = target.servers / target.service;
    const auto run = [&](const char* name, const guard_settings& guard) {
      world all{guard, target, seed};
      all.calls({.calls_per_second = 0.7 * capacity}, 0, 5);
      all.calls({.calls_per_second = 1.4 * capacity}, 5, 15);
      all.run(17);
      result r{.before = all.between(2, 5),
               .soon = all.between(5.2, 6.2),
               .after = all.between(5.2, 15)};
      fmt::print(
          "overload step, seed {:2}, {:<7}: capacity {:5.0f}/s, goodput {:.3f} of it ({:.3f} in "
          "the first second), p99 {:6.1f} ms, unloaded {:5.1f} ms, limit {}\n",
          seed, name, capacity, r.after.goodput / capacity, r.soon.goodput / capacity,
          r.after.p99 * 1e3, r.before.p99 * 1e3, all.limit());
      if (seed == 1)
        drawn.curve(name, 0, 15, 0.2,
                    [&all](seconds from, seconds to) { return all.between(from, to).goodput; });
      return r;
    };
    const auto naive = run("naive", {.limits = {.deadline = 1s}});
    const auto guarded = run("guarded", adaptive());
    INFO("seed " << seed);
    CHECK(naive.after.goodput < 0.5 * capacity);
    CHECK(guarded.after.goodput >= 0.95 * capacity);
    CHECK(guarded.after.p99 <= 2 * guarded.before.p99);
    // Stable within 200 ms: what comes from then on fares as well. (Chance makes more of a second.)
    CHECK(guarded.soon.goodput >= 0.9 * capacity);
    CHECK(guarded.soon.p99 <= 2 * guarded.before.p99);
  }
  drawn.draw();
}
