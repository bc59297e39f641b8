#pragma once

#include "bulwark/circuit_breaker.hpp"
#include "bulwark/circuit_share.hpp"
#include "bulwark/lease.hpp"
#include "bulwark/time.hpp"

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>

/// @file A circuit breaker that many nodes use: the owner's side.
///
/// Nodes count for themselves, and tell when their own circuits open. The owner's circuit is for
/// all: it opens when `trip_scope` says that this is enough, lets a bounded number of probes through
/// over all nodes, and closes when they succeed. Each transition is told to every node at once.
///
/// | trip_scope | opens for all when                                                              |
/// | ---------- | ------------------------------------------------------------------------------- |
/// | own        | never, but by an operator's hand                                                |
/// | quorum     | the circuits of more than half of the nodes that use it are open at once        |
/// | any        | one opens                                                                       |
///
/// What a node saw before it heard of the present generation counts for nothing: else a circuit that
/// has just closed would be opened by news from before.

namespace bulwark {

struct shared_circuit_effects {
  virtual void say(node_key node, const circuit_word& word) = 0;

protected:
  ~shared_circuit_effects() = default;
};

/// The decisions of a shared circuit breaker. Not thread-safe: it has one owner.
class shared_circuit {
public:
  /// Requires: policy and sharing have no mistakes; `effects` and `observer` outlive it. `seed` as
  /// for a circuit_breaker.
  shared_circuit(const circuit_breaker_limits& policy, const sharing_policy& sharing,
                 shared_circuit_effects& effects, circuit_observer& observer, instant now,
                 std::uint64_t seed = 0);

  shared_circuit(const shared_circuit&) = delete;
  shared_circuit& operator=(const shared_circuit&) = delete;

  void on_report(node_key node, const circuit_report& report, instant now);
  /// The node is known to be lost: its probes come back.
  void lose(node_key node, instant now);
  /// A call of the node wants to probe; `hold_until` as in circuit_breaker::admit().
  [[nodiscard]] admission admit(node_key node, instant now, instant hold_until);
  /// How a probe ended.
  void on_outcome(const permit& held, const attempt_outcome& how, instant now);
  void on_tick(instant now);
  [[nodiscard]] instant due() const noexcept;

  /// By an operator's hand, for all nodes.
  void force_open(instant now);
  void disable(instant now);
  void metrics_only(instant now);
  void reset(instant now);
  void change_policy(const circuit_breaker_limits& policy, instant now);
  /// Tells all nodes that it is gone. The last thing that is called.
  void close(instant now);

  [[nodiscard]] const circuit_breaker& circuit() const noexcept { return all_; }
  [[nodiscard]] std::size_t nodes() const noexcept { return nodes_.size(); }

private:
  struct member {
    circuit_report heard; // the newest
    instant until{};
  };

  circuit_breaker all_;
  const sharing_policy sharing_;
  shared_circuit_effects& effects_;
  std::unordered_map<node_key, member> nodes_;
  std::unordered_map<std::uint64_t, std::pair<permit, node_key>> probes_; // in flight, by number
  std::uint64_t told_generation_ = 1;
  std::uint64_t words_ = 0;
  instant check_at_ = end_of_time; // for silent nodes

  void trip_if_enough(bool tripped_now, bool tripped, instant now);
  void say(node_key node, const member& to, instant now, bool closed_down = false);
  void tell_transition(instant now);
};

} // namespace bulwark
