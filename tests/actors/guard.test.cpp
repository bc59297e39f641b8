#include "support/catch.hpp"
#include "support/virtual_system.hpp"

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

// Everything on.
guard_policy whole() {
  return {.deadline = 5s,
          .attempt_timeout = 1s,
          .retry =
              retry_policy{.max_attempts = 3, .base_delay = 100ms, .jitter = jitter_kind::none},
          .breaker = circuit_breaker_policy{.failure_threshold = 5, .open_for = 60s},
          .bulkhead = bulkhead_policy{.max_workers = 10, .queue_size = 100}};
}

} // namespace

TEST_CASE("a message goes through unchanged and so does its reply [G1]", "[guard]") {
  virtual_system sys;
  auto target = sys->spawn(doubling_target);
  virtual_node node{sys};
  auto guard = node->guard("db", target, whole());
  CHECK(sys.get<std::int32_t>(guard, ask_atom_v, 21) == 42);
  CHECK(sys.get<payload>(guard, payload{"as it was"}).text == "as it was");
}
