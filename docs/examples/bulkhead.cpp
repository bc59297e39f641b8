// A bulkhead alone: blocking work on its own threads, away from CAF's workers.

#include "bulwark/all.hpp"

#include <caf/all.hpp>

#include <cstdlib>
#include <iostream>
#include <string>

using namespace std::chrono_literals;

namespace {

int blocking_read(const std::string& path) {
  return static_cast<int>(path.size());
}

} // namespace

int caf_main(caf::actor_system& sys) {
  auto result = 0;
  bulwark::node node{sys};
  caf::scoped_actor self{sys};
  const auto print = [](const caf::error& why) { std::cout << caf::to_string(why) << '\n'; };
  // [bulkhead]
  auto disk = node.bulkhead("disk", {.max_workers = 4, .queue_size = 16, .queue_timeout = 2s});
  bulwark::execute(self, disk, blocking_read, std::string{"/etc/hostname"})
      .receive([&](int size) { result = size; }, print);
  self->request(disk, caf::infinite, bulwark::get_stats_atom_v)
      .receive(
          [](const bulwark::bulkhead_stats& stats) {
            std::cout << stats.name << ": " << stats.completed << " done, " << stats.active
                      << " of " << stats.max_workers << " at work\n";
          },
          print);
  // [/bulkhead]
  return result == 13 ? EXIT_SUCCESS : EXIT_FAILURE;
}

CAF_MAIN(caf::id_block::bulwark)
