// The guard in ten lines: the program that the README quotes.

#include "bulwark/all.hpp"

#include <caf/all.hpp>

#include <cstdlib>
#include <iostream>

using namespace std::chrono_literals;

namespace {

caf::behavior database() {
  return {[](bulwark::get_atom, int key) { return key * 100; }};
}

} // namespace

int caf_main(caf::actor_system& sys) {
  auto code = EXIT_FAILURE;
  caf::scoped_actor self{sys};
  // clang-format off
  // [guard]
  bulwark::node node{sys};           // the registry and the timeout manager of this actor system
  auto db = sys.spawn(database);     // any actor, typed or not
  auto safe_db = node.guard("db", db, {
    .deadline = 5s,
    .retry    = bulwark::retry_policy{.max_attempts = 3, .base_delay = 100ms},
    .breaker  = bulwark::circuit_breaker_policy{.failure_threshold = 5, .open_for = 60s},
    .bulkhead = bulwark::bulkhead_policy{.max_workers = 10, .queue_size = 100},
  });
  self->request(safe_db, caf::infinite, bulwark::get_atom_v, 42) // nothing changes for the caller
  // [/guard]
      // clang-format on
      .receive(
          [&](int value) {
            std::cout << "the database says " << value << '\n';
            code = value == 4200 ? EXIT_SUCCESS : EXIT_FAILURE;
          },
          [&](const caf::error& why) { std::cout << caf::to_string(why) << '\n'; });
  return code;
}

CAF_MAIN(caf::id_block::bulwark)
