#pragma once

#include "bulwark/bulkhead_share.hpp"
#include "bulwark/lease.hpp"
#include "bulwark/time.hpp"

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <unordered_map>
#include <unordered_set>

/// @file A bulkhead that many nodes use: the owner's side.
///
/// As bulkhead.hpp has it, with nodes for holders, and leases that end:
///
///     granted + carried - returned, over all nodes <= max_workers,
///
/// or it is more only because max_workers was lowered, or because a node came back with calls that
/// it had started on its own, by its policy `owner_lost`. What a node holds comes back when its
/// loss is known, or when it has been silent for the lease's time, whichever is first.
///
/// The queue is one for all nodes, first in, first out, in the order in which their reports come.

namespace bulwark {

struct shared_bulkhead_effects {
  virtual void grant(node_key node, const share_grant& grant) = 0;

protected:
  ~shared_bulkhead_effects() = default;
};

/// The decisions of a shared bulkhead. Not thread-safe: it has one owner.
class shared_bulkhead {
public:
  /// `first_token`: greater than all that an earlier owner of the same bulkhead has given; the time
  /// of day in nanoseconds will do. Requires: policy and lease time have no mistakes.
  shared_bulkhead(const bulkhead_policy& policy, timespan lease_time, std::uint64_t first_token,
                  shared_bulkhead_effects& effects);

  shared_bulkhead(const shared_bulkhead&) = delete;
  shared_bulkhead& operator=(const shared_bulkhead&) = delete;

  void on_report(node_key node, const share_report& report, instant now);
  /// The node is known to be lost.
  void lose(node_key node);
  /// Takes back what silent nodes hold.
  void on_tick(instant now);
  /// When on_tick() is to be called; may be early.
  [[nodiscard]] instant due() const noexcept { return check_at_; }

  /// As bulkhead::change_policy.
  void change_policy(const bulkhead_policy& policy);
  /// Tells all nodes that it is gone. The last thing that is called.
  void close();

  [[nodiscard]] const bulkhead_policy& policy() const noexcept { return policy_; }
  [[nodiscard]] std::uint64_t leased() const noexcept { return leased_; }
  [[nodiscard]] std::uint64_t leased(node_key node) const noexcept;
  /// Whether the node has a lease.
  [[nodiscard]] bool knows(node_key node) const noexcept { return leases_.contains(node); }
  [[nodiscard]] std::uint64_t free() const noexcept {
    return leased_ < policy_.max_workers ? policy_.max_workers - leased_ : 0;
  }
  [[nodiscard]] std::uint64_t queued() const noexcept { return queued_; }
  [[nodiscard]] std::uint32_t nodes() const noexcept {
    return static_cast<std::uint32_t>(leases_.size());
  }

private:
  // Some calls of one node, next to each other in the queue.
  struct waiting {
    node_key node;
    std::uint64_t calls;
  };

  struct holding {
    share_report heard; // the newest
    share_grant given;
    instant until{};
    std::uint64_t token = 0; // that it has heard of at the least; 0: we have said nothing yet
    std::uint64_t queued = 0;
    std::deque<std::list<waiting>::iterator> places; // in the queue, oldest first
    bool recalling = false;                          // a recall isn't done yet
    bool has_news = false;

    [[nodiscard]] std::uint64_t held() const noexcept {
      return given.granted + heard.carried - heard.returned;
    }
  };

  bulkhead_policy policy_;
  const timespan lease_time_;
  shared_bulkhead_effects& effects_;
  std::uint64_t last_token_;
  std::uint64_t fence_ = 0;
  std::uint64_t last_recall_ = 0;
  instant check_at_ = end_of_time;
  std::uint64_t leased_ = 0;
  std::uint64_t queued_ = 0;
  std::uint32_t recalling_ = 0;
  std::unordered_map<node_key, holding> leases_;
  std::unordered_set<node_key> keepers_; // of these: may hold unused permits, not called back
  std::list<waiting> queue_;
  std::deque<node_key> news_;                     // nodes that are to be told something
  std::map<std::uint64_t, std::uint32_t> tokens_; // of all nodes: how many each

  void hear(node_key node, holding& of, const share_report& report);
  void queue_up(node_key node, holding& of, std::uint64_t waiting);
  void leave_queue(holding& of, std::uint64_t calls);
  void serve();
  void spare(node_key node, holding& of);
  void recall_all();
  void refuse_overflow();
  void forget(node_key node, holding& of);
  void mark(node_key node, holding& of);
  void note_token(holding& of, std::uint64_t token);
  void tell_news();
};

} // namespace bulwark
