#pragma once

#include "bulwark/exceptions.hpp"
#include "bulwark/guard.hpp"
#include "bulwark/part_directory.hpp"
#include "bulwark/protocol.hpp"
#include "bulwark/work.hpp"

#include <caf/all.hpp>

#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace bulwark {
// Longer than 200 lines: what a program may ask of its node, each with what it promises.
class loaded_settings;

/// The resilience runtime of one actor system: its registry, its timeout manager, its guards and
/// parts.
///
///     bulwark::node node{sys};
///     auto safe_db = node.guard("db", db, {.deadline = 5s, .retry = bulwark::retry_policy{}});
///
/// Ends all of them, in order, when it is destroyed. Do that outside of actors: it waits.
///
/// Thread safety: guard(), load(), circuit_breaker() and bulkhead() may be called from any thread,
/// and from actors.
class node {
public:
  /// `name`: how it is called in statistics of several nodes; other nodes know one without a name
  /// by its address.
  explicit node(caf::actor_system& system, std::string name = {});
  node(const node&) = delete;
  node& operator=(const node&) = delete;
  ~node();

  /// An actor that stands for `target`: the same handle type, the same messages, the same replies,
  /// and exactly one answer to each request. Lives as long as somebody has its handle.
  ///
  /// It answers some messages of bulwark itself, and does not hand them on: `get_stats`,
  /// `shutdown`, `cancel`, `call`, `run`, `execute`, `change_policy`.
  ///
  /// Where memory for one more call is refused, that call is answered with errc::bulkhead_full ("no
  /// memory left"): it cost nothing, and the guard goes on. A target that drops its
  /// promise of a reply counts as lost.
  ///
  /// `target` is a handle; or a function that returns one, which makes the target, at once, and
  /// again whenever it has ended, by policy.restart; or a std::vector of handles or of such functions,
  /// that can all do the same: each attempt goes to one of them, the next to another. What the guard
  /// has made ends with it. Such functions are called in the guard's thread: short, and without
  /// waiting; where one throws, that counts as an end.
  ///
  /// Throws policy_error: errc::invalid_policy where a field is out of range (the text names each),
  /// errc::duplicate_name where a guard of that name is alive, where the name is a part's with
  /// another policy, or where settings that were loaded have a block for it; and where there is no
  /// target.
  template <class Target>
  [[nodiscard]] auto guard(const std::string& name, Target target, const guard_policy& policy) {
    return make_guard(name, std::move(target), policy, false);
  }

  /// The same with the policy of the guard's block in the settings that were loaded: see load().
  /// Throws policy_error, errc::unknown_name, where they have none.
  template <class Target>
  [[nodiscard]] auto guard(const std::string& name, Target target) {
    const auto still = directory_->hold(); // nothing is loaded before the guard is there
    return make_guard(name, std::move(target), policy_of_settings(name), true);
  }

  /// Takes guards and parts from settings in CAF's syntax: those of the actor system,
  /// `caf::content(system.config())`, or of a file, `caf::actor_system_config::parse_config_file`.
  /// The group `bulwark` has `circuit-breakers` and `bulkheads`, which are made at once, and `guards`,
  /// whose blocks are the policies of guards that are made by name and target alone; docs/settings.md
  /// has all keys.
  ///
  /// Loaded again, settings change the policies of parts and of guards that are at work, as
  /// change_policy() does; what they say as before is left alone. A named part and the block of a
  /// living guard must stay, and a guard keeps the parts that it was made with.
  ///
  /// Throws settings_error, which names every mistake with key, value and what is permitted; then
  /// nothing is changed. Throws resilience_error, errc::shutting_down, where the node has ended.
  void load(const caf::settings& settings);

  /// Gives the guard of that name another policy while it is at work: for calls and attempts that
  /// begin after it; those in progress keep their deadlines, and no call is lost. What is known
  /// stays as far as the change allows: an open circuit stays open, what was used of limits and
  /// budgets stays used, kept replies stay. A budget that has a name changes for all that use it.
  /// The guard's own breaker and bulkhead take theirs of `policy`; it can't be given another part,
  /// or lose one, nor can `shows_permit` change. (Parts that have a name take `change_policy`.)
  ///
  /// A call that was begun while there was neither `retry` nor `hedge` is still made once.
  ///
  /// Throws policy_error as guard() does, and nothing is changed: errc::unknown_name where there is
  /// no such guard.
  void change_policy(const std::string& guard, const guard_policy& policy) {
    directory_->change_policy(guard, policy);
  }

  /// The circuit breaker of that name, for the policy of guards and for its own messages. The same
  /// name again gives the same part. Throws policy_error as guard() does.
  caf::actor circuit_breaker(const std::string& name, const circuit_breaker_policy& policy) {
    return directory_->circuit_breaker(name, policy, true);
  }

  /// That of the settings that were loaded; where they have none of that name, one with defaults.
  caf::actor circuit_breaker(const std::string& name);

  /// The bulkhead of that name; the same.
  caf::actor bulkhead(const std::string& name, const bulkhead_policy& policy) {
    return directory_->bulkhead(name, policy, true);
  }
  caf::actor bulkhead(const std::string& name);

  /// A bulkhead of this node that guards of other nodes use too: its limit holds for all of them
  /// together, its queue is one. The result stands for it on this node, for the policy of guards;
  /// other nodes get theirs by `remote_node::bulkhead(name)`. Throws policy_error as guard() does, and
  /// where there is a bulkhead of that name.
  caf::actor shared_bulkhead(const std::string& name, const bulkhead_policy& policy = {},
                             const sharing_policy& sharing = {});

  /// The same for a circuit breaker: `sharing.trips_for` says whose failures open it for whom. An
  /// operator's word to any node's part of it holds for all.
  caf::actor shared_circuit_breaker(const std::string& name,
                                    const circuit_breaker_policy& policy = {},
                                    const sharing_policy& sharing = {});

  [[nodiscard]] const caf::actor& timeout_manager() const noexcept { return timeout_manager_; }
  [[nodiscard]] const caf::actor& registry() const noexcept { return registry_; }
  [[nodiscard]] const caf::actor& bulkhead_registry() const noexcept { return bulkhead_registry_; }
  /// What programs talk to that know only the messages of bulwark/protocol.hpp: on this node, or on
  /// another, where it has been published (see bulwark/distributed.hpp). It calls guards by name,
  /// lists parts, tells statistics, transitions and rejections; it can't be told to end anything.
  [[nodiscard]] const caf::actor& front_door() const noexcept { return front_door_; }
  /// What this node and those that it is connected to have counted: answers get_cluster_stats, as
  /// the front door does, and takes change_policy, cluster_policy.
  [[nodiscard]] const caf::actor& cluster() const noexcept { return cluster_; }
  /// Which names are taken: for what else makes guards of this node.
  [[nodiscard]] const std::shared_ptr<part_directory>& directory() const noexcept {
    return directory_;
  }
  [[nodiscard]] caf::actor_system& system() const noexcept { return system_; }

  /// Ends everything: guards first, who answer what is in flight with errc::shutting_down, then
  /// parts, then the node's own actors. Waits for functions that bulkheads run; as long as they run
  /// their callers' timeouts hold. A second call only waits for the first.
  ///
  /// After it nothing is made any more: guard(), load(), circuit_breaker() and bulkhead() throw
  /// resilience_error, errc::shutting_down.
  void shut_down();

  /// Takes no new calls: guards, and the front door, answer them with errc::shutting_down. Those in
  /// progress finish, with their retries and waits; after `longest`, or when all have, the rest ends
  /// as by shut_down(). Returns whether all had finished.
  ///
  /// All guards stop at once: a call that is on its way from one guard of the node to another may
  /// find that one closed.
  bool drain(timespan longest);

private:
  caf::actor_system& system_;
  caf::actor timeout_manager_;
  caf::actor registry_;
  std::shared_ptr<part_directory> directory_;
  caf::actor bulkhead_registry_;
  caf::actor cluster_;
  caf::actor front_door_;
  std::unique_ptr<loaded_settings> settings_;
  std::once_flag ended_;

  void end();
  [[nodiscard]] guard_policy policy_of_settings(const std::string& guard) const;

  template <class Handle>
  requires(requires { typename Handle::signatures; }) [[nodiscard]] Handle
      make_guard(const std::string& name, const Handle& target, const guard_policy& policy,
                 bool of_settings) {
    return caf::actor_cast<Handle>(directory_->guard(
        name, caf::actor_cast<caf::strong_actor_ptr>(target), policy, of_settings));
  }

  template <class Handle>
  requires(requires { typename Handle::signatures; }) [[nodiscard]] Handle
      make_guard(const std::string& name, const std::vector<Handle>& targets,
                 const guard_policy& policy, bool of_settings) {
    std::vector<caf::strong_actor_ptr> all;
    for (const auto& each : targets)
      all.push_back(caf::actor_cast<caf::strong_actor_ptr>(each));
    return caf::actor_cast<Handle>(
        directory_->guard(name, std::move(all), {}, policy, of_settings));
  }

  template <class Make>
  requires(std::is_invocable_v<Make&>)
      [[nodiscard]] auto make_guard(const std::string& name, Make make, const guard_policy& policy,
                                    bool of_settings) {
    return make_guard(name, std::vector<Make>{std::move(make)}, policy, of_settings);
  }

  template <class Make>
  requires(std::is_invocable_v<Make&>)
      [[nodiscard]] auto make_guard(const std::string& name, std::vector<Make> makes,
                                    const guard_policy& policy, bool of_settings) {
    std::vector<target_set::factory> all;
    for (auto& each : makes)
      all.emplace_back(
          [make = std::move(each)] { return caf::actor_cast<caf::strong_actor_ptr>(make()); });
    return caf::actor_cast<std::invoke_result_t<Make&>>(
        directory_->guard(name, {}, std::move(all), policy, of_settings));
  }
};

/// Bounds one call, whoever is called: as self->request(target, …), but with the node's timeout
/// manager instead of CAF's clock. The answer is the target's, or errc::timed_out.
///
///     bulwark::wait_for(self, node.timeout_manager(), 2s, db, get_atom_v, 42).then(on_value,
///     on_error);
template <class Self, class... Ts>
auto wait_for(Self&& self, const caf::actor& timeout_manager, timespan timeout,
              const caf::actor& target, Ts&&... content) {
  return compat::request(self, timeout_manager, run_atom_v, target, timeout,
                         caf::make_message(std::forward<Ts>(content)...));
}

/// A request to a guard by a caller that has something to say about it: see
/// bulwark/call_context.hpp. Typed guards take it too; the answer is then as for an untyped one. A
/// context that is out of range is answered with caf::sec::invalid_argument, which names what is
/// wrong.
///
///     bulwark::request_with(self, safe_db, {.tenant = "acme", .idempotent = false}, put_atom_v, 42)
///         .then(on_value, on_error);
template <class Self, class Guard, class... Ts>
auto request_with(Self&& self, const Guard& guard, call_context context, Ts&&... content) {
  return compat::request(self, caf::actor_cast<caf::actor>(guard), call_atom_v, std::move(context),
                         caf::make_message(std::forward<Ts>(content)...));
}

} // namespace bulwark
