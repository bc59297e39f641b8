// A node in a process of its own that owns or uses a bulkhead and a circuit breaker shared with
// others, and calls a target in another process through a guard. It does what its input says, a
// line a command, and answers each with a line:
//
//   call N     N callers begin to call, each its next call after the answer to the last
//   stop       no more calls begin; "stopped" when all are answered
//   books      "books SENT ANSWERED SUCCEEDED" and the errors: " CODE=COUNT" each
//   state      "state " and that of the circuit here
//
// Unasked it says "port N" at the start, and "at NANOSECONDS STATE" at each transition of the
// circuit here, by the clock that all processes of a host share.
#include "bulwark/all.hpp"

#include <caf/all.hpp>
#include <caf/io/middleman.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <iostream>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

struct config : caf::actor_system_config {
  std::uint16_t port = 0;
  std::uint16_t owner = 0;  // its port; 0: we own
  std::uint16_t target = 0; // its port
  std::int32_t number = 0;
  std::uint32_t max_workers = 10;
  std::uint32_t failures = 3;
  std::string trips_for = "any";
  std::string when_lost = "local";
  caf::timespan lease_time = 1s;
  caf::timespan deadline = 20s;

  config() {
    // CAF_MAIN loads the middleman after it has read the command line.
    caf::io::middleman::add_module_options(*this);
    opt_group{custom_options_, "global"}
        .add(port, "port", "to be published at")
        .add(owner, "owner", "port of the owner")
        .add(target, "target", "port of the target")
        .add(number, "number", "ours, as the target is told")
        .add(max_workers, "max-workers", "of the bulkhead")
        .add(failures, "failures", "that open the circuit")
        .add(trips_for, "trips-for", "of the circuit")
        .add(when_lost, "when-lost", "of both")
        .add(lease_time, "lease-time", "of both")
        .add(deadline, "deadline", "of the guard");
  }
};

void say(const std::string& line) {
  static std::mutex one_at_a_time;
  std::lock_guard guard{one_at_a_time};
  std::cout << line << std::endl;
}

/// What all callers together have sent and got.
struct books {
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;
  std::uint64_t succeeded = 0;
  std::map<std::string, std::uint64_t> errors;
  std::atomic<bool> go_on{false};
};

/// Waits a little after a refusal, as somebody would who means well.
void call(caf::event_based_actor* self, caf::actor guard, std::int32_t number, books* all) {
  if (!all->go_on)
    return;
  {
    std::lock_guard hold{all->mutex};
    ++all->sent;
  }
  const auto answered = [all] {
    std::lock_guard hold{all->mutex};
    ++all->answered;
    all->changed.notify_all();
  };
  bulwark::compat::request(self, guard, bulwark::get_atom_v, number)
      .then(
          [=](std::int32_t) {
            {
              std::lock_guard hold{all->mutex};
              ++all->succeeded;
            }
            answered();
            call(self, guard, number, all);
          },
          [=](const caf::error& why) {
            {
              std::lock_guard hold{all->mutex};
              const auto ours = why.category() == caf::type_id_v<bulwark::errc>;
              ++all->errors[ours ? to_string(static_cast<bulwark::errc>(why.code()))
                                 : std::string{"target"}];
            }
            answered();
            bulwark::compat::schedule(self, self->system().clock().now() + 5ms,
                                      [=] { call(self, guard, number, all); });
          });
}

caf::behavior caller(caf::event_based_actor* self, caf::actor guard, std::int32_t number,
                     books* all) {
  call(self, guard, number, all);
  return {[](caf::unit_t) {}}; // stays for the answers
}

caf::behavior watcher(caf::event_based_actor* self, caf::actor circuit) {
  bulwark::compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(circuit), self->ctrl(),
                           caf::make_message_id(), caf::make_message(bulwark::subscribe_atom_v),
                           self->context());
  return {[](const bulwark::circuit_event& event) {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    say("at " + std::to_string(std::chrono::nanoseconds{now}.count()) + " " + to_string(event.to));
  }};
}

template <class Enum>
Enum parse(const std::string& text) {
  Enum result{};
  if (!bulwark::from_string(std::string_view{text}, result))
    throw std::runtime_error{"no such choice: " + text};
  return result;
}

} // namespace

// Longer than 40 lines: the table of its commands.
int caf_main(caf::actor_system& sys, const config& options) {
  bulwark::node node{sys};
  caf::actor bulkhead;
  caf::actor circuit;
  std::optional<bulwark::remote_node> owner;
  const auto when_lost = parse<bulwark::owner_lost>(options.when_lost);
  if (options.owner == 0) {
    bulkhead =
        node.shared_bulkhead("pool", {.max_workers = options.max_workers, .queue_size = 1'000'000},
                             {.lease_time = options.lease_time});
    circuit =
        node.shared_circuit_breaker("db", {.failure_threshold = options.failures, .open_for = 2s},
                                    {.lease_time = options.lease_time,
                                     .trips_for = parse<bulwark::trip_scope>(options.trips_for)});
  } else {
    owner = bulwark::connect(node, "127.0.0.1", options.owner);
    bulkhead = owner->bulkhead("pool", when_lost);
    circuit = owner->circuit_breaker("db", when_lost);
  }
  auto peer = bulwark::connect(node, "127.0.0.1", options.target);
  if (!peer.wait_until_connected(60s))
    return 1;
  auto guard = peer.guard("target", {.deadline = options.deadline,
                                     .breaker = circuit,
                                     .bulkhead = bulkhead,
                                     .shows_permit = true});
  say("port " + std::to_string(bulwark::publish(node, options.port)));
  auto transitions = sys.spawn(watcher, circuit);
  books all;
  std::vector<caf::actor> callers; // or nobody has them while they wait
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words{line};
    std::string command;
    words >> command;
    if (command == "call") {
      int count = 0;
      words >> count;
      all.go_on = true;
      for (int i = 0; i < count; ++i)
        callers.push_back(sys.spawn(caller, guard, options.number, &all));
      say("calling");
    } else if (command == "stop") {
      all.go_on = false;
      std::unique_lock hold{all.mutex};
      all.changed.wait(hold, [&] { return all.sent == all.answered; });
      say("stopped");
    } else if (command == "books") {
      std::lock_guard hold{all.mutex};
      auto text = "books " + std::to_string(all.sent) + " " + std::to_string(all.answered) + " "
                  + std::to_string(all.succeeded);
      for (const auto& [code, count] : all.errors)
        text += " " + code + "=" + std::to_string(count);
      say(text);
    } else if (command == "state") {
      caf::scoped_actor self{sys};
      bulwark::compat::request(self, circuit, bulwark::state_atom_v)
          .receive([](bulwark::circuit_state state) { say("state " + to_string(state)); },
                   [](const caf::error& why) { say("state " + to_string(why)); });
    }
  }
  std::_Exit(0); // callers hold the guard, and the test has what it wanted
}

CAF_MAIN(caf::id_block::bulwark, caf::io::middleman)
