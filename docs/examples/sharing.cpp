// A bulkhead and a circuit breaker that two nodes share. Both are in this process, so that the
// example runs alone; the socket between them is real.

#include "bulwark/all.hpp"
#include "bulwark/fence.hpp"

#include <caf/all.hpp>
#include <caf/io/middleman.hpp>

#include <cstdlib>
#include <iostream>

using namespace std::chrono_literals;

namespace {

// [target]
caf::behavior database(caf::event_based_actor*, bulwark::fence permits) {
  return {[permits](const bulwark::permit_token& token,
                    const caf::message& question) mutable -> caf::result<int> {
    if (!permits.admit(token)) // given to somebody else meanwhile
      return caf::make_error(caf::sec::invalid_argument);
    return question.get_as<int>(1) * 100; // get, key
  }};
}
// [/target]

int ask(caf::actor_system& sys, const caf::actor& guard) {
  auto result = 0;
  caf::scoped_actor self{sys};
  self->request(guard, caf::infinite, bulwark::get_atom_v, 7)
      .receive([&](int value) { result = value; },
               [](const caf::error& why) { std::cout << caf::to_string(why) << '\n'; });
  return result;
}

} // namespace

int caf_main(caf::actor_system& sys) {
  auto db = sys.spawn(database, bulwark::fence{});
  // [owner]
  bulwark::node orders{sys, "orders"};
  auto writers = orders.shared_bulkhead("writers", {.max_workers = 10});
  auto circuit = orders.shared_circuit_breaker("db", {.failure_threshold = 5, .open_for = 10s},
                                               {.trips_for = bulwark::trip_scope::quorum});
  auto here =
      orders.guard("db", db, {.breaker = circuit, .bulkhead = writers, .shows_permit = true});
  const auto port = bulwark::publish(orders, 0);
  // [/owner]
  caf::actor_system_config config;
  config.load<caf::io::middleman>();
  caf::actor_system other{config};
  auto other_db = other.spawn(database, bulwark::fence{});
  // [user]
  bulwark::node billing{other, "billing"};
  auto owner = bulwark::connect(billing, "127.0.0.1", port);
  auto there = billing.guard("db", other_db,
                             {.deadline = 5s,
                              .breaker = owner.circuit_breaker("db"),
                              .bulkhead = owner.bulkhead("writers", bulwark::owner_lost::local),
                              .shows_permit = true});
  // [/user]
  return ask(sys, here) == 700 && ask(other, there) == 700 ? EXIT_SUCCESS : EXIT_FAILURE;
}

CAF_MAIN(caf::id_block::bulwark, caf::io::middleman)
