// What an idle guard takes.

#include "load.hpp"
#include "measure.hpp"

#include "report/books.hpp"

#include <fmt/format.h>

#include <malloc.h>

namespace bench {

namespace {

constexpr std::size_t count = 50'000;

double bytes_in_use() {
  const auto info = mallinfo2();
  return static_cast<double>(info.uordblks) + static_cast<double>(info.hblkhd);
}

// A guard with everything on, of which breaker and bulkhead are shared, as a million guards would:
// the target is one for all, so that the guard alone is weighed.
figure idle_guard_memory(const std::string& id) {
  system_of system{1};
  bulwark::node node{*system};
  auto target = system->spawn(increment);
  auto policy = everything();
  policy.breaker = node.circuit_breaker("shared");
  policy.bulkhead = node.bulkhead("shared", {.max_workers = 1000});
  return value(
      id, "x",
      [&] {
        std::vector<caf::actor> kept;
        kept.reserve(2 * count);
        const auto at_rest = [&] {
          apps::read_books(node); // everybody has worked off what was sent before, and answered
          return bytes_in_use();
        };
        const auto begin = at_rest();
        for (std::size_t i = 0; i < count; ++i)
          kept.push_back(system->spawn(increment));
        const auto with_actors = at_rest();
        for (std::size_t i = 0; i < count; ++i)
          kept.push_back(node.guard("g" + std::to_string(i), target, policy));
        const auto with_guards = at_rest();
        progress(fmt::format("{}: a guard takes {:.0f} bytes, a bare actor {:.0f}", id,
                             (with_guards - with_actors) / count, (with_actors - begin) / count));
        return (with_guards - with_actors) / (with_actors - begin);
      },
      1);
}

} // namespace

std::vector<benchmark> memory_benchmarks() {
  return {{"idle_guard_memory", "idle guard against a bare actor, memory", 3, 1.5, true,
           idle_guard_memory}};
}

} // namespace bench
