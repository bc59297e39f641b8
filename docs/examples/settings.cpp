// Guards and parts from a configuration file, loaded again while calls go on.

#include "bulwark/all.hpp"

#include <caf/all.hpp>

#include <cstdlib>
#include <iostream>
#include <sstream>

using namespace std::chrono_literals;

namespace {

caf::behavior database() {
  return {[](bulwark::get_atom, int key) { return key * 100; }};
}

// Where a program has `caf::actor_system_config::parse_config_file("app.conf")`.
caf::settings read_file(const char* deadline) {
  std::istringstream file{std::string{R"(
    bulwark {
      circuit-breakers { disks { failure-threshold = 5, open-for = 1min } }
      guards {
        db {
          deadline = )"} + deadline
                          + R"(
          retry { max-attempts = 3, base-delay = 100ms }
          circuit-breaker = "disks"
        }
      }
    })"};
  return caf::actor_system_config::parse_config(file).value();
}

} // namespace

int caf_main(caf::actor_system& sys) {
  auto db = sys.spawn(database);
  auto answered = false;
  auto mistakes = 0;
  caf::scoped_actor self{sys};
  // [load]
  bulwark::node node{sys};
  node.load(read_file("5s"));          // or caf::content(sys.config())
  auto safe_db = node.guard("db", db); // as bulwark.guards.db says
  try {
    node.load(read_file("2s")); // changes the guard while it works
    node.load(read_file("0s")); // changes nothing
  } catch (const bulwark::settings_error& error) {
    for (const auto& each : error.mistakes())
      std::cerr << each << '\n'; // bulwark.guards.db.deadline = 0s: must be 1ns .. 36500d
    mistakes = static_cast<int>(error.mistakes().size());
  }
  // [/load]
  self->request(safe_db, caf::infinite, bulwark::get_atom_v, 42)
      .receive([&](int value) { answered = value == 4200; },
               [&](const caf::error& why) { std::cout << caf::to_string(why) << '\n'; });
  std::cout << (answered ? "the database has answered" : "no answer") << '\n';
  return answered && mistakes == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}

CAF_MAIN(caf::id_block::bulwark)
