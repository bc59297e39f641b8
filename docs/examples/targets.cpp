// Several targets, second copies, and a target that comes back: what docs/patterns/targets.md quotes.

#include "bulwark/all.hpp"

#include <caf/all.hpp>

#include <cstdlib>
#include <iostream>

using namespace std::chrono_literals;

namespace {

caf::behavior replica() {
  return {[](bulwark::get_atom, int key) { return key * 100; }};
}

caf::behavior fragile(caf::event_based_actor* self) {
  return {[self](bulwark::get_atom, int key) {
    self->quit(caf::sec::runtime_error);
    return key;
  }};
}

} // namespace

int caf_main(caf::actor_system& sys) {
  auto answers = 0;
  caf::scoped_actor self{sys};
  bulwark::node node{sys};
  const auto print = [](const caf::error& why) { std::cout << caf::to_string(why) << '\n'; };
  // clang-format off
  // [several]
  std::vector<caf::actor> replicas{sys.spawn(replica), sys.spawn(replica), sys.spawn(replica)};
  auto store = node.guard("store", replicas, {
    .deadline = 1s,
    .retry    = bulwark::retry_policy{.max_attempts = 3, .base_delay = 10ms},
    .hedge    = bulwark::hedge_policy{.percentile = 0.95, .ratio = 0.02},
    .replicas = {.consecutive_failures = 5, .base_ejection = 30s},
  });
  // [/several]
  // [anew]
  auto worker = node.guard("worker", [&sys] { return sys.spawn(fragile); }, {
    .restart = {.intensity = 10, .period = 60s, .min_backoff = 10ms},
  });
  // [/anew]
  // clang-format on
  for (const auto& guard : {store, worker, worker})
    self->request(guard, caf::infinite, bulwark::get_atom_v, 42)
        .receive(
            [&](int value) {
              ++answers;
              std::cout << "the answer is " << value << '\n';
            },
            [&](const caf::error& why) {
              ++answers;
              print(why);
            });
  return answers == 3 ? EXIT_SUCCESS : EXIT_FAILURE;
}

CAF_MAIN(caf::id_block::bulwark)
