// The registry: what all guards and parts of a node have counted.

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
  auto balanced = false;
  bulwark::node node{sys};
  auto safe_db = node.guard("db", sys.spawn(database), {.deadline = 5s});
  caf::scoped_actor self{sys};
  const auto print = [](const caf::error& why) { std::cout << caf::to_string(why) << '\n'; };
  self->request(safe_db, caf::infinite, bulwark::get_atom_v, 1).receive([](int) {}, print);
  // [registry]
  self->request(node.registry(), caf::infinite, bulwark::get_all_stats_atom_v)
      .receive(
          [&](const bulwark::node_stats& stats) {
            for (const auto& guard : stats.guards)
              std::cout << guard.name << ": " << guard.calls.calls << " calls, "
                        << guard.calls.succeeded << " succeeded, p99 "
                        << bulwark::to_text(guard.latency.quantile(0.99)) << '\n';
            balanced = stats.total.balanced();
          },
          print);
  // [/registry]
  return balanced ? EXIT_SUCCESS : EXIT_FAILURE;
}

CAF_MAIN(caf::id_block::bulwark)
