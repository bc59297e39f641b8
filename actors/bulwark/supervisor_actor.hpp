#pragma once

#include "bulwark/change_mark.hpp"
#include "bulwark/chaos.hpp"
#include "bulwark/error_log.hpp"
#include "bulwark/guard.hpp"
#include "bulwark/guarded_call.hpp"
#include "bulwark/protocol.hpp"
#include "bulwark/request_index.hpp"
#include "bulwark/supervisor.hpp"
#include "bulwark/target_set.hpp"

#include <caf/all.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

/// @file The supervisor as an actor: a guard.
///
/// It stands between callers and a target and carries any message and any reply unopened. CAF's own
/// `request(…).then` is not used: it keeps its handlers in a list that is searched for every reply,
/// and needs a timer of CAF's clock for every timeout. Instead a request to the target carries an
/// id made of the call's place in the supervisor's table, and an arriving reply is turned into an
/// ordinary message (see enqueue()), so that it finds its call at once.
///
/// What that obliges us to: the callers are remembered by sender and message id, nobody else will
/// answer them. on_exit() does, whatever the reason for ending.
///
/// Longer than 200 lines, for it is the one that carries: a part of it that stands alone is
/// in envelope.hpp (payloads that look like ours) and in request_index.hpp (what to cancel). What
/// is left is the messages that come in, and the core's wishes that go out, one short function
/// each.

namespace bulwark {

/// Carries the calls of one guard, or of one part that is used alone.
class supervisor_actor : public marked_actor, private supervisor_effects {
public:
  /// A guard of another node, that calls go to through that node's front door.
  struct peer {
    std::string guard = {};                ///< Its name there.
    caf::actor connector = {};             ///< Hands over the door, and a new one after each loss.
    caf::strong_actor_ptr replies_to = {}; ///< Our name on other nodes: see reply_port_actor.hpp.
  };

  struct settings {
    std::string name = {};
    caf::strong_actor_ptr target =
        {}; ///< None: each call names its own (`call`, `run`, `execute`).
    std::unique_ptr<peer> remote = {};        ///< Then the target is a front door, null at times.
    std::unique_ptr<target_set> targets = {}; ///< Several, or made here: then `target` is none.
    std::unique_ptr<hedging> hedge = {};      ///< What limits.hedge points to.
    std::unique_ptr<rate_gate> rate = {};     ///< What limits.rate points to.
    supervisor_limits limits = {};
    error_predicate retry_on = transient;
    std::vector<error_delay> delays = {};
    std::shared_ptr<retry_allowance> budget = {}; ///< What limits.budget points to.
    error_predicate failure_on = counted;
    std::unique_ptr<const std::function<bool(const caf::message&)>> failure_on_result = {};
    std::string breaker_name = {}; ///< Where limits.breaker is true.
    std::string bulkhead_name = {};
    caf::weak_actor_ptr breaker =
        {}; ///< Weak: a part that is used alone has a supervisor of its own.
    caf::weak_actor_ptr bulkhead = {};
    std::shared_ptr<const circuit_view> view = {};
    std::shared_ptr<const lease_view> lease = {}; ///< Where another node owns the bulkhead.
    cancel_signal cancel = cancel_signal::automatic;
    bool shows_permit = false;  ///< To the target; requires: `lease`.
    bool shows_context = false; ///< To the target.
    bool watches_callers = false;
    // Pointers, for most guards have none of these.
    std::unique_ptr<bulwark::chaos> chaos = {};
    std::unique_ptr<bulwark::fallback> fallback = {};
    std::unique_ptr<reply_sharing_policy> reply_sharing = {}; ///< Only until the guard has begun.
    std::array<caf::strong_actor_ptr, 2> keeps_alive = {};    ///< The parts of a guard.
    std::array<shared_change_mark_ptr, 2> marks = {}; ///< The same, or the part whose it is.
    caf::strong_actor_ptr timeout_manager = {};
    caf::weak_actor_ptr registry = {};

    /// All of a policy but its parts, and what stands behind supervisor_actor::targets and sharing:
    /// for a guard that is made, or one that has been at work, which goes on with what it knows.
    /// `shared_budget`: that of policy.retry, where it has a name.
    void take(const guard_policy& policy, std::shared_ptr<retry_allowance> shared_budget,
              instant now);

  private:
    void take_retry(const std::optional<retry_policy>& policy,
                    std::shared_ptr<retry_allowance> shared_budget, instant now);
  };

  supervisor_actor(caf::actor_config& config, settings init);

  /// Turns replies into ordinary messages. Runs in the sender's thread.
  bool enqueue(caf::mailbox_element_ptr element, compat::enqueue_context* context) override;

  /// What of `policy` can't be changed while the guard lives, as a sentence; empty: all can.
  /// Thread-safe.
  [[nodiscard]] std::string why_unchangeable(const guard_policy& policy) const;
  /// Whether its target is another node's. Thread-safe.
  [[nodiscard]] bool is_remote() const noexcept { return is_remote_; }

  /// Those of the target, so that a typed handle stays one over the network.
  std::set<std::string> message_types() const override;

  const char* name() const override;

  void on_exit() override;

protected:
  void BULWARK_LAST_HANDLE_GONE() override;
  void set_marks() noexcept override;
  caf::behavior make_behavior() override;

private:
  using record = guarded_call;

  // What only calls that go wrong need, or that name their own target: made for the first of them.
  struct trouble {
    request_index requests;                      // kept up from the first `cancel` on
    std::unordered_set<caf::actor_addr> watched; // targets that calls named
    std::optional<std::pair<call_end, caf::message>> last_answer; // of those that we made
    // What our own errors mean to the policy in force, by code.
    std::array<std::optional<error_class>,
               std::size_t{1} + static_cast<std::uint8_t>(errc::owner_lost)>
        classes;
    caf::actor_addr cut_target; // that was last asked whether it understands `cancel`
    bool understands_cancel = false;
    caf::strong_actor_ptr door; // of this node, where a call has come through it
    std::unordered_map<caf::actor_addr, std::uint32_t> callers; // watched, and how many calls
    error_log errors;
    std::vector<caf::response_promise> shutdowns; // to be answered at the end
  };

  settings self_;
  const std::unique_ptr<const std::set<std::string>> message_types_; // null: none
  const bool to_guard_; // another node's, or one of this process
  const bool is_remote_;
  supervisor core_;
  paged_array<record> records_;
  caf::message reply_;         // of the target, while the core decides about it
  caf::strong_actor_ptr hold_; // on ourselves, while anybody waits for an answer
  bool no_more_ = false;       // as reply_ says, if it is an error
  bool tells_rejections_ = false;
  mutable std::unique_ptr<trouble> trouble_;
  std::unique_ptr<reply_sharing> sharing_; // null: off
  bool out_of_memory_ = false;
  bool said_farewell_ = false;

  [[nodiscard]] instant now() const;
  [[nodiscard]] trouble& in_trouble() const;
  void note_error(const caf::error& reason) noexcept;
  void note_timeout() noexcept;
  [[nodiscard]] caf::behavior own_messages();
  void carry(caf::message& content);
  caf::delegated<caf::message> accept(std::optional<caf::strong_actor_ptr> target,
                                      caf::message content, const supervisor::call_options& options,
                                      caf::strong_actor_ptr door = nullptr,
                                      const call_context* context = nullptr);
  void begin(std::optional<caf::strong_actor_ptr> target, caf::message content,
             const supervisor::call_options& options, const caf::strong_actor_ptr& door,
             const call_context* context, instant deadline);
  [[nodiscard]] instant deadline_of(const supervisor::call_options& options) const;
  [[nodiscard]] bool share(const caf::message& content, instant deadline,
                           const caf::strong_actor_ptr& door, const call_context* context);
  void ask_to_lead(std::optional<std::uint32_t> member);
  void lead(std::uint32_t member);
  void settle(std::uint32_t flight, caf::message& content, bool is_success, bool no_more);
  void expire_followers();
  void take_back(const reply_sharing::removal& taken);
  [[nodiscard]] caf::message follower_failure(errc why) const;
  void give(record& call, caf::message content, bool no_more);
  void forget_caller(const record& call);
  void ask_wake(instant due);
  caf::result<caf::message> accept_with(const call_context& context, caf::message content,
                                        caf::strong_actor_ptr door);
  std::uint32_t take_slot(std::optional<caf::strong_actor_ptr> target, caf::message content,
                          const caf::strong_actor_ptr& door, const call_context* context);
  void watch_caller(const caf::strong_actor_ptr& caller);
  void lose_caller(const caf::actor_addr& caller);
  [[nodiscard]] const caf::strong_actor_ptr& target_of(const record& call) const noexcept;
  [[nodiscard]] caf::strong_actor_ptr sender_for(const record& call);
  static const caf::message& ready_for_no_memory();
  [[nodiscard]] caf::message no_memory() const;
  void refuse_for_memory(const caf::strong_actor_ptr& door);
  [[nodiscard]] const caf::strong_actor_ptr& any_target() const noexcept;
  void note_end(attempt_id attempt, replica_outcome outcome);
  void lose_targets(const caf::actor_addr& which);
  void make_targets();
  void await_restart();
  void take_reply(caf::message_id id, caf::message& content);
  void take_failure(failed_reply& reply);
  void change_door(const caf::strong_actor_ptr& door);
  [[nodiscard]] caf::message wrapped(attempt_id attempt, caf::message content) const;
  [[nodiscard]] static bool is_told_no_more(const record& call);
  [[nodiscard]] call_context context_of(attempt_id attempt) const;
  void send_attempt(attempt_id attempt, fault what);
  void change_policy(const guard_change& change);
  caf::result<void> change_chaos(const chaos_policy& policy);
  void cancel(std::uint64_t request);
  void on_down(const caf::down_msg& down);
  void after_event();
  caf::response_promise shut_down(bool wait);
  void answer_shutdowns();
  void send_to(const caf::weak_actor_ptr& part, caf::message content);
  void report_books(std::uint64_t round, const caf::strong_actor_ptr& to);
  [[nodiscard]] guard_stats stats() const;
  [[nodiscard]] caf::message_id request_id(attempt_id attempt) const noexcept;
  [[nodiscard]] error_class class_of(const caf::error& reason) const;
  [[nodiscard]] reply_class class_of_result(const caf::message& reply) const;
  [[nodiscard]] caf::message failure(std::uint32_t slot, call_end end);
  [[nodiscard]] caf::message make_answer(std::uint32_t slot, const call_end& end);
  void answer_the_rest();
  void end(caf::error reason);
  void say_farewell();

  // -- supervisor_effects
  void ask_probe(attempt_id attempt, instant hold_until) override;
  void tell_breaker(const permit& held, const attempt_outcome& how) override;
  void tell_successes(const success_batch& batch) override;
  void ask_permit(attempt_id attempt) override;
  void withdraw(attempt_id attempt) override;
  void return_permits(std::uint32_t count) override;
  void tell_samples(const latency_samples& samples) override;
  void start_attempt(attempt_id attempt) override;
  void cut_attempt(attempt_id attempt, errc why) override;
  void copy_call(std::uint32_t from, std::uint32_t to) override;
  void forget_copy(std::uint32_t slot, std::uint32_t heir) override;
  void answer(std::uint32_t slot, const call_end& end) override;
  void wake_at(instant due) override;
  [[nodiscard]] error_class classify(errc code) const override;
};

/// Whether it is a guard of this process.
[[nodiscard]] bool is_guard(const caf::strong_actor_ptr& target);

} // namespace bulwark
