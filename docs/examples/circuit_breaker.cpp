// A circuit breaker alone: used by name, watched, and steered by hand.

#include "bulwark/all.hpp"

#include <caf/all.hpp>

#include <cstdlib>
#include <iostream>

using namespace std::chrono_literals;

namespace {

caf::behavior shaky_service() {
  return {[](bulwark::get_atom, int) -> caf::result<int> {
    return caf::make_error(caf::sec::runtime_error, "disk on fire");
  }};
}

} // namespace

int caf_main(caf::actor_system& sys) {
  auto was_open = false;
  bulwark::node node{sys};
  auto service = sys.spawn(shaky_service);
  caf::scoped_actor self{sys};
  const auto print = [](const caf::error& why) { std::cout << caf::to_string(why) << '\n'; };
  // [breaker]
  auto breaker = node.circuit_breaker("service", {.failure_threshold = 2, .open_for = 30s});
  for (auto i = 0; i < 3; ++i)
    self->request(breaker, caf::infinite, bulwark::call_atom_v, service,
                  caf::make_message(bulwark::get_atom_v, i))
        .receive([](int) {}, print); // twice the service's own error, then errc::circuit_open
  self->request(breaker, caf::infinite, bulwark::is_open_atom_v)
      .receive([&](bool open) { was_open = open; }, print);
  self->request(breaker, caf::infinite, bulwark::reset_atom_v).receive([] {}, print);
  // [/breaker]
  return was_open ? EXIT_SUCCESS : EXIT_FAILURE;
}

CAF_MAIN(caf::id_block::bulwark)
