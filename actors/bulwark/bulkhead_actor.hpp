#pragma once

#include "bulwark/bulkhead.hpp"
#include "bulwark/bulkhead_share.hpp"
#include "bulwark/change_mark.hpp"
#include "bulwark/holders.hpp"
#include "bulwark/owner_line.hpp"
#include "bulwark/protocol.hpp"
#include "bulwark/worker_pool.hpp"

#include <caf/all.hpp>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace bulwark {

/// The actor that owns a bulkhead. What it answers: protocol.hpp; how it decides: bulkhead.hpp.
class bulkhead_actor : public marked_actor,
                       private bulkhead_effects,
                       private bulkhead_share_effects {
public:
  struct settings {
    std::string name;
    bulkhead_policy policy; ///< Requires: has no mistakes.
    caf::strong_actor_ptr timeout_manager;
    caf::weak_actor_ptr registry;
    std::shared_ptr<worker_pool> threads; ///< For `execute`; joined by the node.
    std::optional<part_owner> of = {};    ///< Then `policy` is what the owner says.
  };

  bulkhead_actor(caf::actor_config& config, settings init);

  /// Set by who counts for it, before it counts. Thread-safe.
  [[nodiscard]] const shared_change_mark_ptr& holders_mark() const noexcept {
    return holders_.mark();
  }

  /// As the registry lists it. Thread-safe.
  [[nodiscard]] const std::string& part_name() const noexcept { return self_.name; }

  /// The policy in force. Thread-safe.
  [[nodiscard]] bulkhead_policy policy() const {
    std::lock_guard guard{policy_mutex_};
    return self_.policy;
  }

  /// Until when permits are good, null where they always are. Thread-safe.
  [[nodiscard]] std::shared_ptr<const lease_view> lease() const noexcept {
    return sharing_ ? sharing_->view : nullptr;
  }

  /// What was asked of it where another node owns it. Thread-safe.
  [[nodiscard]] std::optional<owner_lost> when_lost() const noexcept {
    return sharing_ ? std::optional{sharing_->when_lost} : std::nullopt;
  }

  const char* name() const override;
  void on_exit() override;
  [[nodiscard]] bool clear_marks() noexcept override;

protected:
  caf::behavior make_behavior() override;

private:
  // What a bulkhead has that another node owns.
  struct sharing {
    const owner_lost when_lost;
    owner_line line;
    std::shared_ptr<lease_view> view;
    bulkhead_share share;
    instant armed = end_of_time;
  };

  settings self_;
  mutable std::mutex policy_mutex_; // for those who read self_.policy from other threads
  bulkhead core_;
  std::unique_ptr<sharing> sharing_;
  holders holders_;
  std::unordered_map<caf::actor_addr, holder_id> ids_;
  std::unordered_map<holder_id, caf::actor_addr> addresses_;
  holder_id last_id_ = 0;
  caf::actor supervisor_; // carries `call` and `execute`; spawned at the first one
  caf::actor pool_;       // makes a target of the threads
  std::vector<caf::response_promise> shutdowns_; // to be answered at the end
  std::uint64_t refused_ = 0;                    // here, as it was shutting down
  std::uint32_t counting_ = 0;                   // questions under way that need exact numbers
  bool closing_ = false;
  bool drained_ = false; // nothing is out and nobody waits: only the supervisor has to end

  holder_id holder_of(const caf::strong_actor_ptr& holder);
  template <class F>
  void with_sender(F f);
  [[nodiscard]] instant now() const;
  void tell_time();
  void on_down(const caf::down_msg& down);
  void change_line(bool up);
  void keep_up_share();
  void after_event();
  caf::result<caf::message> carry(caf::message content);
  caf::result<caf::message> execute(const work& job, timespan timeout);
  caf::result<void> change_policy(const bulkhead_policy& policy);
  void publish_policy(const bulkhead_policy& policy);
  caf::response_promise shut_down(bool wait);
  template <class F>
  void when_settled(F then);
  caf::actor supervisor();
  [[nodiscard]] bulkhead_stats stats() const;
  template <class T>
  void tell_holder(holder_id holder, const T& content);

  void grant(holder_id holder, ticket_id ticket, std::uint32_t extra, bool keep) override;
  void refuse(holder_id holder, ticket_id ticket, errc why) override;
  void recall(holder_id holder, std::uint64_t round) override;
  void report(const share_report& report) override;
  void policy_changed(const bulkhead_policy& policy) override;
};

/// A bulkhead's threads as a target: answers `work` with what the function returns.
caf::behavior worker_pool_actor(caf::event_based_actor* self, std::shared_ptr<worker_pool> threads);

} // namespace bulwark
