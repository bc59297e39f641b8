#pragma once

#include "bulwark/bulkhead_actor.hpp"
#include "bulwark/circuit_breaker_actor.hpp"
#include "bulwark/guard.hpp"
#include "bulwark/protocol.hpp"
#include "bulwark/shared_retry_budget.hpp"
#include "bulwark/supervisor_actor.hpp"
#include "bulwark/worker_pool.hpp"

#include <caf/all.hpp>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace bulwark {

/// The parts of a node by kind and name: makes each once, whoever asks first.
///
/// A part that was asked for by name lives as long as the node; one that belongs to a guard lives
/// as long as the guard.
///
/// Thread safety: all members may be called from any thread.
class part_directory {
public:
  part_directory(caf::actor_system& system, caf::actor timeout_manager, caf::actor registry);
  part_directory(const part_directory&) = delete;
  part_directory& operator=(const part_directory&) = delete;

  /// The breaker of that name; made where there is none. Throws policy_error where the policy is
  /// out of range, or where the part has another policy. `keep`: until the node ends.
  caf::actor circuit_breaker(const std::string& name, const circuit_breaker_policy& policy,
                             bool keep);
  /// The same for a bulkhead.
  caf::actor bulkhead(const std::string& name, const bulkhead_policy& policy, bool keep);

  /// What owns a part of that name for all nodes. Throws policy_error as circuit_breaker() does, and
  /// where the node has a part of that name. The node's own guards use what the next two give.
  caf::actor shared_bulkhead(const std::string& name, const bulkhead_policy& policy,
                             const sharing_policy& sharing);
  caf::actor shared_circuit_breaker(const std::string& name, const circuit_breaker_policy& policy,
                                    const sharing_policy& sharing);
  /// What stands on this node for a part that is shared: until the node ends. Throws policy_error
  /// where there is one of that name with another `when_lost`. Of `policy` the predicate counts, and
  /// the numbers until the owner has said its own.
  caf::actor bulkhead_of(const std::string& name, part_owner owner);
  caf::actor circuit_breaker_of(const std::string& name, const circuit_breaker_policy& policy,
                                part_owner owner);
  /// The owning part of that name; invalid where there is none.
  [[nodiscard]] caf::actor find_shared(part_kind kind, const std::string& name) const;

  /// A bulkhead that is new. Throws policy_error where there is one of that name.
  caf::actor create_bulkhead(const std::string& name, const bulkhead_policy& policy);
  /// That of the living part of that name, as it was said last; nullopt: there is none.
  [[nodiscard]] std::optional<circuit_breaker_policy>
  circuit_breaker_policy_of(const std::string& name) const;
  [[nodiscard]] std::optional<bulkhead_policy> bulkhead_policy_of(const std::string& name) const;
  /// Invalid where there is none of that name.
  [[nodiscard]] caf::actor find_bulkhead(const std::string& name) const;
  [[nodiscard]] std::vector<caf::actor> bulkheads() const;

  /// A guard. Throws policy_error where the policy is out of range, names an actor that is no
  /// breaker or bulkhead of this process, or where a guard of that name is alive, or the name is
  /// reserved and the policy not of the settings.
  caf::strong_actor_ptr guard(const std::string& name, const caf::strong_actor_ptr& target,
                              const guard_policy& policy, bool of_settings);

  /// The same for a guard of several targets, or of such that it makes.
  caf::strong_actor_ptr guard(const std::string& name, std::vector<caf::strong_actor_ptr> targets,
                              std::vector<target_set::factory> factories,
                              const guard_policy& policy, bool of_settings);

  /// The same for a guard of another node. `door`: that node's front door, null while there is no
  /// connection.
  caf::strong_actor_ptr remote_guard(const std::string& name, supervisor_actor::peer peer,
                                     caf::strong_actor_ptr door, const guard_policy& policy);

  /// From now on guards of these names have their policy from the node's settings: see
  /// loaded_settings.
  void reserve(std::set<std::string> guards);

  /// As long as the result lives, other threads neither make nor change anything.
  [[nodiscard]] std::unique_lock<std::recursive_mutex> hold() const {
    return std::unique_lock{mutex_};
  }

  /// See node::change_policy().
  void change_policy(const std::string& name, const guard_policy& policy);

  /// The guard of that name; null where there is none, or it has ended.
  [[nodiscard]] caf::actor find_guard(const std::string& name) const;

  /// From now on makes nothing any more: who asks gets a resilience_error, errc::shutting_down.
  void close();
  [[nodiscard]] bool closed() const;

  /// All guards and parts that have not ended, guards first.
  [[nodiscard]] std::vector<caf::actor> living() const;

  /// Waits until what the bulkheads' threads run has returned. The last thing that is called.
  void join_threads();

private:
  struct entry {
    caf::weak_actor_ptr part;
    caf::actor kept; // where it was asked for by name
  };

  using entries = std::map<std::string, entry>;

  caf::actor_system& system_;
  caf::actor timeout_manager_;
  caf::actor registry_;
  mutable std::recursive_mutex mutex_;
  entries circuit_breakers_;
  entries bulkheads_;
  std::map<std::pair<part_kind, std::string>, entry> shared_; // that own what nodes share
  entries guards_;
  std::set<std::string> reserved_; // names of guards
  std::map<std::string, std::weak_ptr<shared_retry_budget>> retry_budgets_;
  std::size_t sweep_at_ = 64; // names, of all kinds: see forget_ended()
  // Of bulkheads that have ended too, until their last function has returned: see spawn_bulkhead().
  std::vector<std::shared_ptr<worker_pool>> threads_;
  bool closed_ = false;

  [[nodiscard]] instant now() const;
  void require_open(const std::string& name) const;
  void forget_ended();
  template <class Part, class Policy, class Spawn>
  caf::actor find_or_spawn(entries& where, part_kind kind, const std::string& name,
                           const Policy& policy, bool keep, Spawn spawn);
  template <class Policy, class Spawn>
  caf::actor spawn_shared(part_kind kind, const std::string& name, const Policy& policy,
                          const sharing_policy& sharing, Spawn spawn);
  template <class Part, class Spawn>
  caf::actor find_or_spawn_of(entries& where, part_kind kind, const std::string& name,
                              owner_lost when_lost, Spawn spawn);
  caf::actor spawn_circuit_breaker(const std::string& name, const circuit_breaker_policy& policy,
                                   std::optional<part_owner> owner = {});
  caf::actor spawn_bulkhead(const std::string& name, const bulkhead_policy& policy,
                            std::optional<part_owner> owner = {});
  caf::strong_actor_ptr spawn_guard(supervisor_actor::settings init, const guard_policy& policy,
                                    bool of_settings);
  [[nodiscard]] std::shared_ptr<retry_allowance> shared_budget(const guard_policy& policy,
                                                               bool may_change);
  void add_breaker(supervisor_actor::settings& init, const guard_policy& policy);
  void add_bulkhead(supervisor_actor::settings& init, const guard_policy& policy);
  void announce(const std::string& name, part_kind kind, const caf::strong_actor_ptr& part);
};

} // namespace bulwark
