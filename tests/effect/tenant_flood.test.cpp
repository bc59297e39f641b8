#include "effect/picture.hpp"
#include "support/catch.hpp"

#include <fmt/format.h>

using namespace bulwark_effect;
using namespace std::chrono_literals;

TEST_CASE("when one tenant sends a hundred times as much the others don't notice [B20]",
          "[effect]") {
  picture drawn{"tenant_flood", "One of ten tenants sends a hundred times as much",
                "the others' calls a second that had their reply in time"};
  drawn.phase(2, 10, "flood");
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    random_stream chance{seed};
    const target_settings target{.servers = static_cast<std::uint32_t>(15 + 30 * chance.unit()),
                                 .service = 0.005 + 0.01 * chance.unit()};
    const auto capacity = target.servers / target.service;
    constexpr auto tenants = 10;
    const auto share = 0.3 * capacity / tenants; // of each, when nobody floods
    const auto run = [&](const char* name, bool fair, bool flood) {
      world all{{.limits = {.deadline = 1s},
                 .bulkhead = bulkhead_policy{.max_workers = target.servers,
                                             .queue_size = 200,
                                             .fair_by_tenant = fair}},
                target,
                seed};
      for (std::uint64_t tenant = 1; tenant <= tenants; ++tenant)
        all.calls({.calls_per_second = share, .as = {.tenant = tenant}}, 0, 10);
      if (flood)
        all.calls({.calls_per_second = 99 * share, .as = {.tenant = 1}}, 2, 10);
      all.run(12);
      const auto others = all.between_of_others(2, 10, 1);
      fmt::print(
          "tenant flood, seed {:2}, {:<8}: others' goodput {:.3f} of their calls, p99 {:6.1f} ms\n",
          seed, name, others.goodput / others.offered, others.p99 * 1e3);
      if (seed == 1 && flood)
        drawn.curve(name, 0, 10, 0.2, [&all](seconds from, seconds to) {
          return all.between_of_others(from, to, 1).goodput;
        });
      return others;
    };
    const auto calm = run("no flood", true, false);
    const auto naive = run("naive", false, true);
    const auto guarded = run("guarded", true, true);
    INFO("seed " << seed);
    CHECK(naive.goodput < 0.5 * naive.offered);
    CHECK(guarded.goodput >= 0.99 * guarded.offered);
    CHECK(guarded.p99 <= 1.5 * calm.p99);
  }
  drawn.draw();
}
