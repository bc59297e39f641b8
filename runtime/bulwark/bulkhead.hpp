#pragma once

#include "bulwark/adaptive_limit.hpp"
#include "bulwark/errc.hpp"
#include "bulwark/fair_queue.hpp"
#include "bulwark/policy.hpp"
#include "bulwark/queue_delay.hpp"
#include "bulwark/time.hpp"

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <unordered_set>

/// @file The bulkhead.
///
/// A slow target makes its callers pile up until they drown everything else. A bulkhead bounds how
/// many calls are in progress at once, lets a bounded number wait, and refuses the rest at once.
///
/// The bulkhead owns `max_workers` permits. Those who make calls (supervisors: here, holders) act
/// on leases of them: a holder that asks for one permit gets some more where nobody waits, and then
/// makes its next calls without asking. As soon as somebody has to wait, leases are called back,
/// and permits come home one by one. So
///
///     leased + free = limit, or more is leased only because the limit was lowered;
///     waiting > 0 implies free = 0, unless hand_on() is off.
///
/// Nobody is refused on the ground of a permit that lies unused with somebody: while a recall is
/// under way, more than queue_size may wait; when the last holder has answered, what is leased is
/// what is in use, and the newest beyond queue_size are refused.
///
/// The limit is max_workers, or with `adaptive` what is found to be good, and then never more.
///
/// The queue is one for all holders: the important first, then first in, first out; with
/// fair_by_tenant tenants in turn. See fair_queue.hpp, and queue_delay.hpp for `shed`. How long a
/// call may wait is the holder's business: it withdraws. A withdrawal and a grant may cross; then
/// the holder gives the permit back. (A waiter whose timeout destroys a permit: failsafe #393,
/// Hystrix #1319, resilience4j #332.)
///
/// Rejected alternative: a shared atomic counter. It is exact and fast in one process, but has no
/// order among the waiting, can't tell who holds what when a holder dies, and doesn't reach another
/// node.
///
/// Pattern: Nygard, "Release It!", 2007. Leases: Gray & Cheriton, 1989.

namespace bulwark {

struct bulkhead_policy {
  /// Calls in progress at once; 1 .. 10'000'000.
  std::uint32_t max_workers = 10;
  /// Calls waiting beyond that; the next is rejected; 0 .. 10'000'000.
  std::uint32_t queue_size = 100;
  /// Longest wait in the queue; 1 ms .. 100 years; without, the call's deadline alone bounds it.
  std::optional<timespan> queue_timeout = std::nullopt;
  /// The limit finds itself, between its floor and max_workers.
  std::optional<adaptive_limit_policy> adaptive = std::nullopt;
  /// Whoever has waited too long is turned away when the queue doesn't empty. For calls that wait
  /// when it is switched on the wait begins then, unless `adaptive` was on.
  std::optional<queue_delay_policy> shed = std::nullopt;
  /// Tenants that wait are served in turn, and whoever has most waiting is refused first.
  bool fair_by_tenant = false;

  friend bool operator==(const bulkhead_policy&, const bulkhead_policy&) = default;
};

/// What is out of range, each field with its path "bulkhead.<field>".
policy_mistakes find_mistakes(const bulkhead_policy& policy);

/// The same, for a bulkhead that nodes share: its limit is the owner's and its queue is theirs, so
/// that `adaptive`, `shed` and `fair_by_tenant` have to be off.
policy_mistakes find_sharing_mistakes(const bulkhead_policy& policy);

/// What a bulkhead wishes to be done. None of it may call the bulkhead back.
struct bulkhead_effects {
  /// The asking call may run; `extra` permits more for the holder's next calls. While `keep`, the
  /// holder keeps permits that its calls no longer need, else it gives each back at once.
  virtual void grant(holder_id holder, ticket_id ticket, std::uint32_t extra, bool keep) = 0;
  virtual void refuse(holder_id holder, ticket_id ticket, errc why) = 0;
  /// Somebody waits: give back what is unused now, and the rest one by one. To be answered by
  /// on_recalled() with the same `round`.
  virtual void recall(holder_id holder, std::uint64_t round) = 0;

protected:
  ~bulkhead_effects() = default;
};

/// The decisions of one bulkhead. Not thread-safe: it has one owner. Needs no clock but for
/// needs_time().
class bulkhead {
public:
  /// Requires: find_mistakes(policy) is empty; `effects` outlives the bulkhead. `seed`: for
  /// policy.adaptive.
  bulkhead(const bulkhead_policy& policy, bulkhead_effects& effects, std::uint64_t seed = 0);

  bulkhead(const bulkhead&) = delete;
  bulkhead& operator=(const bulkhead&) = delete;

  /// Whether advance() has to be called before everything else that happens; before change_policy()
  /// in any case.
  [[nodiscard]] bool needs_time() const noexcept { return policy_.shed || policy_.adaptive; }
  void advance(instant now) noexcept { now_ = now; }

  /// `holder` wants to make a call. Granted or refused at once, or queued.
  /// Requires: the same ticket of the same holder isn't waiting.
  void ask(holder_id holder, ticket_id ticket, const call_class& as = {});

  /// How calls have ended, for policy.adaptive; else nothing happens.
  void on_samples(const latency_samples& samples);

  /// The call no longer wants to wait. Nothing happens where it isn't waiting.
  void withdraw(holder_id holder, ticket_id ticket);

  /// Permits come home. More than the holder has are ignored.
  void give_back(holder_id holder, std::uint32_t permits);

  /// The holder's answer to a recall: `returned` permits were unused, the others are in use.
  void on_recalled(holder_id holder, std::uint64_t round, std::uint32_t returned);

  /// The holder has ended: what it held is free, its calls wait no longer.
  void lose(holder_id holder);

  /// Calls all unused permits home. Once settled(), if nobody was leased more meanwhile (see
  /// lease_extras()), leased() is what is really in use. Complexity: O(holders that keep permits).
  void recall_all();
  /// Whether holders get permits for their next calls too. Off while somebody counts.
  void lease_extras(bool on) noexcept { lease_extras_ = on; }
  /// No recall is unanswered.
  [[nodiscard]] bool settled() const noexcept { return unanswered_ == 0; }

  /// From now on every ask is refused with errc::shutting_down. The waiting still get their turn
  /// where `finish_queue`, else they are refused too.
  void shut_down(bool finish_queue);

  /// Takes the new numbers. Where max_workers shrinks, what is out stays out until it comes home;
  /// who waits beyond a smaller queue_size is refused, the newest first.
  /// Requires: find_mistakes(policy) is empty, but for max_workers, which may be 0: a node's share
  /// of another's bulkhead is, at times.
  void change_policy(const bulkhead_policy& policy);

  /// Off: who asks has to wait, and permits that come home lie free until serve() is called. For a
  /// node's share of another's bulkhead, where the next in the queue may be on another node.
  void hand_on(bool on);
  /// Hands out to the first `count` of those who wait, as far as there are permits.
  void serve(std::uint64_t count);

  /// Refuses `count` of those who wait, or all that there are: the least important, of them the
  /// newest of whoever has most waiting.
  void refuse_newest(std::uint32_t count, errc why);

  [[nodiscard]] const bulkhead_policy& policy() const noexcept { return policy_; }
  /// Permits in all.
  [[nodiscard]] std::uint32_t limit() const noexcept { return limit_; }
  /// Calls that were refused because they had waited too long in a queue that didn't empty.
  [[nodiscard]] std::uint64_t shed() const noexcept { return shed_; }
  /// Permits that are out: in use, or unused with a holder.
  [[nodiscard]] std::uint32_t leased() const noexcept { return leased_; }
  [[nodiscard]] std::uint32_t leased(holder_id holder) const noexcept;
  [[nodiscard]] std::uint32_t free() const noexcept;
  [[nodiscard]] std::uint32_t queued() const noexcept {
    return static_cast<std::uint32_t>(queue_.size());
  }
  [[nodiscard]] bool shutting_down() const noexcept { return shutting_down_; }

private:
  struct lease {
    std::uint32_t permits = 0;
    std::uint64_t unanswered = 0; // the round of a recall under way, 0: none
  };

  bulkhead_policy policy_;
  bulkhead_effects& effects_;
  bool shutting_down_ = false;
  bool lease_extras_ = true;
  bool hands_on_ = true;
  std::uint32_t leased_ = 0;
  std::uint32_t unanswered_ = 0;
  std::uint64_t last_round_ = 0;
  std::unordered_map<holder_id, lease> leases_; // with permits, or an answer to come
  std::unordered_set<holder_id> keepers_; // of these: may hold unused permits, not called back
  fair_queue queue_;
  queue_delay delay_;
  std::optional<adaptive_limit> adaptive_;
  std::uint64_t seed_;
  std::uint32_t limit_ = 0;
  std::uint64_t shed_ = 0;
  instant now_{};
  bool felt_ = false; // the limit, since the last samples: somebody had to wait for it

  void adapt_to_policy();
  void set_limit(std::uint32_t limit);
  void feel();
  void shed_stale();

  void hand_out(const waiter& to);
  void serve_if_handed_on();
  void answered(lease& held) noexcept;
  void erase_if_empty(holder_id holder);
  void refuse_overflow();
};

} // namespace bulwark
