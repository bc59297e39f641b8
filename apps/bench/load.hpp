#pragma once

#include "measure.hpp"

#include "bulwark/all.hpp"

#include <caf/all.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

/// @file What the benchmarks put their load on, and how.

CAF_BEGIN_TYPE_ID_BLOCK(bench, caf::first_custom_type_id)
CAF_ADD_ATOM(bench, start_atom)
CAF_ADD_ATOM(bench, done_atom)
CAF_ADD_ATOM(bench, stuck_atom)
CAF_END_TYPE_ID_BLOCK(bench)

namespace bench {

/// An actor system with that many workers. Makes bulwark's types known to CAF before the first.
class system_of {
public:
  /// `policy` as in caf.scheduler.policy.
  explicit system_of(std::size_t workers, const std::string& policy = "stealing");

  caf::actor_system& operator*() { return system_; }
  caf::actor_system* operator->() { return &system_; }

private:
  struct config : caf::actor_system_config {
    config(std::size_t workers, const std::string& policy);
  };

  config config_;
  caf::actor_system system_;
};

/// Answers every number with the next one; takes `stuck` and never answers it.
caf::behavior increment();

/// One of the naive design's proxies: `request(…, timeout).then`.
caf::behavior naive_proxy(caf::event_based_actor* self, const caf::actor& target);

/// Everything on, and nothing of it ever in the way.
bulwark::guard_policy everything();

/// How a caller sends its requests.
enum class timing : std::uint8_t { infinite, one_second };

/// Many actors with few calls each: one caller with thousands of requests would measure CAF's list of
/// handlers. Errors are answers too.
class callers {
public:
  /// `targets` are dealt out in turn; each of `count` callers keeps `in_flight` requests under way.
  callers(caf::actor_system& system, const std::vector<caf::actor>& targets, std::size_t count,
          std::size_t in_flight, timing how = timing::infinite);
  ~callers();
  callers(const callers&) = delete;
  callers& operator=(const callers&) = delete;

  /// Makes about that many calls; the nanoseconds for one.
  double run(std::size_t calls);

  /// How many calls `run(calls)` makes: each caller makes as many.
  [[nodiscard]] std::size_t rounded(std::size_t calls) const noexcept;

private:
  caf::scoped_actor self_;
  std::vector<caf::actor> callers_;
};

/// One worker, a target, and a guard around it with everything on.
struct guarded_target {
  system_of system{1};
  caf::actor target = system->spawn(increment);
  std::unique_ptr<bulwark::node> node = std::make_unique<bulwark::node>(*system);
  caf::actor guard = node->guard("target", target, everything());

  /// The load that all costs are measured under: 256 calls in flight, by 64 callers with 4 each.
  callers calls_to(const caf::actor& whom, timing how = timing::infinite);
};

/// `count` requests to `target` that it never answers, made by one actor and not waited for: they are
/// under way as long as it lives.
caf::actor make_stuck(caf::actor_system& system, const caf::actor& target, std::size_t count);

/// Gives `measured` back if the node's books balance; else throws, and there is no figure.
figure audited(bulwark::node& node, figure measured);

/// Messages that the system's actors have taken from their mailboxes so far.
std::uint64_t messages_so_far(caf::actor_system& system);

} // namespace bench
