#pragma once

#include "distributed/counting_target.hpp"
#include "distributed/relay.hpp"
#include "distributed/sharing_process.hpp"
#include "support/catch.hpp"
#include "support/networked_system.hpp"

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

/// @file Three processes that share a bulkhead and a circuit breaker, and the target of all of
/// them, in the test's own process.

namespace bulwark_tests {

using namespace std::chrono_literals;

using clock_type = std::chrono::steady_clock;

/// How long load goes on: BULWARK_SECONDS, or 3 s.
inline std::chrono::seconds load_time() {
  const char* wish = std::getenv("BULWARK_SECONDS");
  return std::chrono::seconds{wish != nullptr ? std::atoi(wish) : 3};
}

/// Lets time pass while the processes work: it is what they are given, not a guess at how long they
/// need.
inline void let_pass(clock_type::duration span) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock hold{mutex};
  never.wait_for(hold, span, [] { return false; });
}

/// The target ends with the test, whatever ends that: else the system would wait for it.
struct target_life {
  caf::actor handle;
  ~target_life() { caf::anon_send_exit(handle, caf::exit_reason::kill); }
};

struct sharing_nodes {
  std::vector<middleman_setting> heartbeats;
  networked_system sys{heartbeats};
  std::shared_ptr<target_view> view = std::make_shared<target_view>();
  target_life target;
  bulwark::node node{*sys}; // who calls the target reaches it again whatever happens to the line
  caf::actor guard;
  std::uint16_t target_port = 0;
  std::vector<std::string> options;
  std::array<std::optional<sharing_process>, 3> nodes; // the first is the owner
  std::optional<relay> line;                           // between the owner and the last

  explicit sharing_nodes(std::vector<std::string> more = {},
                         std::chrono::microseconds service = 2ms,
                         std::vector<middleman_setting> middleman = {})
      : heartbeats(std::move(middleman)),
        target{sys->spawn(counting_target, view, service)},
        guard(node.guard("target", target.handle, {})),
        target_port(bulwark::publish(node, 0)),
        options(std::move(more)) {
    start(0);
    line.emplace(nodes[0]->port());
    start(1);
    start(2);
  }
  void start(int i) {
    auto words = as_options(heartbeats);
    words.push_back("--target=" + std::to_string(target_port));
    words.push_back("--number=" + std::to_string(i));
    if (i > 0)
      words.push_back("--owner=" + std::to_string(i == 2 ? line->port() : nodes[0]->port()));
    words.insert(words.end(), options.begin(), options.end());
    nodes[static_cast<std::size_t>(i)].emplace(std::move(words));
  }

  // Every call that was begun has exactly one answer: `stop` has waited for them.
  std::uint64_t stop_all() {
    std::uint64_t succeeded = 0;
    for (auto& each : nodes)
      each->stop();
    for (auto& each : nodes) {
      const auto books = each->get_books();
      CHECK(books.sent == books.answered);
      std::uint64_t errors = 0;
      for (const auto& [code, count] : books.errors)
        errors += count;
      CHECK(books.answered == books.succeeded + errors);
      succeeded += books.succeeded;
    }
    return succeeded;
  }
};

/// A state that comes in its own time; asked for again and again.
template <class Condition>
std::chrono::nanoseconds time_until(Condition holds) {
  const auto began = clock_type::now();
  while (!holds()) {
    if (clock_type::now() - began > 1min)
      throw std::runtime_error{"it hasn't come within a minute"};
  }
  return clock_type::now() - began;
}

} // namespace bulwark_tests
