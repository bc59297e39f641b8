#pragma once

#include "support/catch.hpp"
#include "support/virtual_system.hpp"

namespace bulwark_tests {

/// Everything on, and no chance in it.
inline bulwark::guard_policy whole_policy() {
  using namespace std::chrono_literals;
  return {.deadline = 5s,
          .attempt_timeout = 1s,
          .retry = bulwark::retry_policy{.max_attempts = 3,
                                         .base_delay = 100ms,
                                         .jitter = bulwark::jitter_kind::none},
          .breaker = bulwark::circuit_breaker_policy{.failure_threshold = 5, .open_for = 60s},
          .bulkhead = bulwark::bulkhead_policy{.max_workers = 10, .queue_size = 100}};
}

/// A virtual system with a node, and a manual target.
struct guard_fixture {
  virtual_system sys;
  virtual_node node{sys};
  virtual_system::manual target = sys.spawn_manual();

  caf::actor guard(const bulwark::guard_policy& policy, const std::string& name = "db") {
    auto result = node->guard(name, target.handle, policy);
    sys.run();
    return result;
  }

  bulwark::guard_stats stats(const caf::actor& guard) {
    return sys.get<bulwark::guard_stats>(guard, bulwark::get_stats_atom_v);
  }

  bulwark::circuit_breaker_stats breaker_stats(const caf::actor& breaker) {
    return sys.get<bulwark::circuit_breaker_stats>(breaker, bulwark::get_stats_atom_v);
  }

  bulwark::bulkhead_stats bulkhead_stats(const caf::actor& bulkhead) {
    return sys.get<bulwark::bulkhead_stats>(bulkhead, bulwark::get_stats_atom_v);
  }

  /// The n-th question in the target's log, as a number; it must be one.
  std::int32_t question(std::size_t n) {
    return target.log->questions.at(n).get_as<std::int32_t>(1);
  }
};

/// Exactly one answer, and it is this error of bulwark.
inline bool is(const reply_ptr& answer, bulwark::errc code) {
  return answer->count() == 1 && answer->is_error() && answer->error() == code;
}

} // namespace bulwark_tests
