#include "showcase/database.hpp"
#include "showcase/scenes.hpp"

#include <algorithm>

namespace showcase {

using namespace bulwark;

void registry_scene(stage& on) {
  const auto feels = std::make_shared<mood>();
  const auto db = on.system().spawn(database, feels);
  const auto registry = on.node().registry();
  const auto knows = [&](const std::string& name, part_kind kind) {
    const auto parts = on.ask<std::vector<part_info>>(registry, list_atom_v).value();
    return std::any_of(parts.begin(), parts.end(),
                       [&](const part_info& x) { return x.name == name && x.kind == kind; });
  };

  const auto counted = on.keep(on.node().guard(
      "counted", db, {.breaker = circuit_breaker_policy{.failure_threshold = 100}}));
  on.claim(knows("counted", part_kind::guard) && knows("counted", part_kind::circuit_breaker),
           "it lists the guard 'counted', and the breaker that came with it");

  for (std::int32_t row = 0; row < 10; ++row)
    static_cast<void>(on.ask(counted, read_atom_v, row));
  feels->broken = true;
  for (std::int32_t row = 0; row < 3; ++row)
    static_cast<void>(on.ask(counted, read_atom_v, row));
  const auto stats = on.ask<node_stats>(registry, get_atom_v, std::string{"counted"}).value();
  const auto& calls = stats.guards.at(0).calls;
  on.claim(calls.calls == 13 && calls.succeeded == 10 && calls.failed == 3 && calls.balanced(),
           "of 13 calls 10 succeeded and 3 failed");
  on.claim(stats.guards.at(0).latency.count() == 13,
           "their times are in a histogram: p99 "
               + bulwark::to_text(stats.guards.at(0).latency.quantile(0.99)));

  const auto unknown = on.ask<node_stats>(registry, get_atom_v, std::string{"nobody"});
  on.say("get 'nobody': " + to_text(unknown));
  on.claim(is(unknown, errc::unknown_name), "an unknown name is an error");
}

} // namespace showcase
