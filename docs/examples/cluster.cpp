// Statistics over nodes: one asks, and hears of all that it is connected to. Both are in this
// process, so that the example runs alone; the socket between them is real.

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

bool ask_for_all(caf::actor_system& sys, std::uint16_t port) {
  auto found = false;
  caf::scoped_actor self{sys};
  // [cluster]
  bulwark::node node{sys, "front"};
  auto orders = bulwark::connect(node, "127.0.0.1", port); // counts as soon as it is connected
  orders.wait_until_connected(10s);
  self->request(node.front_door(), caf::infinite, bulwark::get_cluster_stats_atom_v)
      .receive(
          [&](const bulwark::cluster_stats& stats) {
            for (const auto& each : stats.nodes)
              std::cout << each.name << " is " << to_string(each.state) << ": "
                        << each.stats.total.calls << " calls\n";
            std::cout << "together " << stats.total.calls << ", of which "
                      << stats.total.in_flight - stats.unresolved << " are in flight, p99 "
                      << bulwark::to_text(stats.latency.quantile(0.99)) << '\n';
            found = stats.nodes.size() == 2 && stats.total.balanced();
          },
          print);
  // [/cluster]
  return found;
}

} // namespace

int caf_main(caf::actor_system& sys) {
  bulwark::node node{sys, "orders"};
  auto safe_db = node.guard("db", sys.spawn(database), {.deadline = 5s});
  caf::scoped_actor self{sys};
  self->request(safe_db, caf::infinite, bulwark::get_atom_v, 1).receive([](int) {}, print);
  const auto port = bulwark::publish(node, 0);
  caf::actor_system_config config;
  config.load<caf::io::middleman>();
  caf::actor_system other{config};
  return ask_for_all(other, port) ? EXIT_SUCCESS : EXIT_FAILURE;
}

CAF_MAIN(caf::id_block::bulwark, caf::io::middleman)
