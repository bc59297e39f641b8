#include "support/catch.hpp"
#include "support/real_system.hpp"

#include <atomic>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

caf::behavior failing_target(caf::event_based_actor*, std::atomic<int>* asked) {
  return {[asked](ask_atom, std::int32_t) -> caf::result<std::int32_t> {
    ++*asked;
    return caf::make_error(target_error::broken);
  }};
}

} // namespace

TEST_CASE("one call after the other on real threads: the failure that reaches the threshold is the "
          "last that the target sees [C1 C9]",
          "[guard]") {
  real_system sys;
  node n{*sys};
  std::atomic<int> asked{0};
  auto target = sys->spawn(failing_target, &asked);
  for (auto round = 0; round < 100; ++round) {
    asked = 0;
    auto guard = n.guard("target" + std::to_string(round), target,
                         {.breaker = circuit_breaker_policy{.failure_threshold = 3}});
    for (auto call = 0; call < 3; ++call)
      CHECK(sys.ask(guard, ask_atom_v, 1)->error() == target_error::broken);
    CHECK(sys.ask(guard, ask_atom_v, 1)->error() == errc::circuit_open);
    CHECK(asked == 3);
  }
}
