#pragma once

#include "bulwark/change_mark.hpp"
#include "bulwark/circuit_breaker.hpp"
#include "bulwark/circuit_delegate.hpp"
#include "bulwark/holders.hpp"
#include "bulwark/protocol.hpp"
#include "bulwark/subscribers.hpp"

#include <caf/all.hpp>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace bulwark {

/// The actor that owns a circuit breaker. What it answers: protocol.hpp; how it decides:
/// circuit_breaker.hpp.
class circuit_breaker_actor : public marked_actor, private circuit_observer {
public:
  struct settings {
    std::string name;
    circuit_breaker_policy policy; ///< Requires: has no mistakes.
    caf::strong_actor_ptr timeout_manager;
    caf::weak_actor_ptr registry;
    std::optional<part_owner> of = {}; ///< Then the numbers of `policy` are what the owner says.
  };

  circuit_breaker_actor(caf::actor_config& config, settings init);

  /// What supervisors read without asking. Thread-safe.
  [[nodiscard]] std::shared_ptr<const circuit_view> view() const noexcept { return view_; }

  /// Set by who counts for it, before it counts. Thread-safe.
  [[nodiscard]] const shared_change_mark_ptr& holders_mark() const noexcept {
    return holders_.mark();
  }

  /// As the registry lists it. Thread-safe.
  [[nodiscard]] const std::string& part_name() const noexcept { return self_.name; }

  /// The policy in force. Thread-safe.
  [[nodiscard]] circuit_breaker_policy policy() const {
    std::lock_guard guard{policy_mutex_};
    return self_.policy;
  }

  /// What was asked of it where another node owns it. Thread-safe.
  [[nodiscard]] std::optional<owner_lost> when_lost() const noexcept {
    return delegate_ ? std::optional{delegate_->when_lost()} : std::nullopt;
  }

  const char* name() const override;
  void on_exit() override;
  [[nodiscard]] bool clear_marks() noexcept override;

protected:
  caf::behavior make_behavior() override;

private:
  settings self_;
  mutable std::mutex policy_mutex_; // for those who read self_.policy from other threads
  std::shared_ptr<circuit_view> view_ = std::make_shared<circuit_view>();
  circuit_breaker core_;
  std::unique_ptr<circuit_delegate> delegate_; // where another node owns it
  holders holders_;
  // Who has which probe, by its number: who ends without a word gives its probes back.
  std::unordered_map<std::uint64_t, std::pair<permit, caf::actor_addr>> probes_;
  subscribers subscribers_;
  caf::actor supervisor_;                        // carries `call`; spawned at the first one
  std::vector<caf::response_promise> shutdowns_; // to be answered when it has ended
  std::uint64_t transitions_ = 0;
  std::uint64_t trips_ = 0;
  std::optional<transition_cause> cause_; // of the last transition
  instant armed_ = end_of_time;

  [[nodiscard]] instant now() const;
  void after_event();
  void on_down(const caf::actor_addr& whom);
  void change_line(bool up);
  void decide(const probe_request& request, const caf::strong_actor_ptr& asker);
  void command(circuit_state wish);
  void take_outcome(const outcome_report& report);
  void record(bool success, timespan took);
  caf::result<void> change_policy(const circuit_breaker_policy& policy);
  void apply_policy(const circuit_breaker_policy& policy);
  caf::actor supervisor();
  caf::response_promise shut_down(bool wait);
  [[nodiscard]] circuit_breaker_stats stats() const;
  void on_transition(const circuit_transition& change) override;
};

} // namespace bulwark
