// Two nodes: a program that knows only the messages of another's front door, and a remote guard.
// Both are in this process, so that the example runs alone; the socket between them is real.

#include "bulwark/all.hpp"

#include <caf/all.hpp>
#include <caf/io/middleman.hpp>

#include <cstdlib>
#include <iostream>

using namespace std::chrono_literals;

namespace {

caf::behavior database() {
  return {[](bulwark::get_atom, int key) { return key * 100; }};
}

void print(const caf::error& why) {
  std::cout << caf::to_string(why) << '\n';
}

// The other program needs bulwark/protocol.hpp and CAF, and no node of its own.
bool ask_front_door(caf::actor_system& sys, std::uint16_t port) {
  auto answered = false;
  auto refused = false;
  caf::scoped_actor self{sys};
  // [program]
  auto door = sys.middleman().remote_actor("127.0.0.1", port);
  if (!door)
    return false;
  const bulwark::call_context context{.remaining = 2s}; // how long we are going to wait
  self->request(*door, caf::infinite, bulwark::call_atom_v, "db", context,
                caf::make_message(bulwark::get_atom_v, 7))
      .receive([&](int value) { answered = value == 700; }, print);
  self->request(*door, caf::infinite, bulwark::call_atom_v, "dbb", context,
                caf::make_message(bulwark::get_atom_v, 7))
      .receive([](int) {}, // guard 'dbb': nothing has that name
               [&](const caf::error& why) { refused = why == bulwark::errc::unknown_name; });
  self->request(*door, caf::infinite, bulwark::get_stats_atom_v, "db")
      .receive(
          [](const bulwark::node_stats& stats) {
            std::cout << stats.total.succeeded << " calls succeeded\n";
          },
          print);
  // [/program]
  return answered && refused;
}

bool call_remote_guard(caf::actor_system& sys, std::uint16_t port) {
  auto answered = false;
  caf::scoped_actor self{sys};
  // [remote]
  bulwark::node node{sys};
  auto peer = bulwark::connect(node, "127.0.0.1", port); // in the background, again and again
  auto db = peer.guard("db", {.deadline = 5s,
                              .retry = bulwark::retry_policy{
                                  .max_attempts = 50, .base_delay = 50ms, .max_delay = 200ms}});
  self->request(db, caf::infinite, bulwark::get_atom_v, 7) // as if it were here
      .receive([&](int value) { answered = value == 700; }, print);
  // [/remote]
  return answered;
}

} // namespace

int caf_main(caf::actor_system& sys) {
  // [publish]
  bulwark::node node{sys};
  auto safe_db = node.guard("db", sys.spawn(database), {.deadline = 5s});
  const auto port = bulwark::publish(node, 0); // any port, on loopback; or publish(node, 4711)
  // [/publish]
  caf::actor_system_config config;
  config.load<caf::io::middleman>();
  caf::actor_system other{config};
  return ask_front_door(other, port) && call_remote_guard(other, port) ? EXIT_SUCCESS
                                                                       : EXIT_FAILURE;
}

CAF_MAIN(caf::id_block::bulwark, caf::io::middleman)
