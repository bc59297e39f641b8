#include "bulwark/all.hpp"

#include <caf/all.hpp>

#include <cstdlib>
#include <iostream>

using namespace std::chrono_literals;

int caf_main(caf::actor_system& sys) {
  auto code = EXIT_FAILURE;
  bulwark::node node{sys};
  auto db = sys.spawn(
      []() -> caf::behavior { return {[](caf::get_atom, int key) { return key * 100; }}; });
  auto safe_db = node.guard("db", db,
                            {.deadline = 60s,
                             .retry = bulwark::retry_policy{.max_attempts = 3},
                             .breaker = bulwark::circuit_breaker_policy{.failure_threshold = 5},
                             .bulkhead = bulwark::bulkhead_policy{.max_workers = 10}});
  caf::scoped_actor self{sys};
  self->request(safe_db, caf::infinite, caf::get_atom_v, 42)
      .receive(
          [&code](int value) {
            std::cout << "the database says " << value << '\n';
            code = value == 4200 ? EXIT_SUCCESS : EXIT_FAILURE;
          },
          [](const caf::error& why) { std::cout << caf::to_string(why) << '\n'; });
  return code;
}

CAF_MAIN(caf::id_block::bulwark)
