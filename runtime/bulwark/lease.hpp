#pragma once

#include "bulwark/policy.hpp"
#include "bulwark/time.hpp"

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

/// @file Leases: how a node uses what another node owns.
///
/// The owner says: for so long you may act on what I have given you. The holder says how it stands,
/// again and again, and each word of the owner in answer to it prolongs the lease: from the moment
/// on at which the holder *asked*, by the holder's clock, and from the moment on at which the owner
/// *heard*, by the owner's. Since nothing is heard before it is said, the holder stops before the
/// owner takes back, whatever the network does. The clocks need not agree, only run alike: the
/// holder takes a 64th off for those that don't. Source: Gray & Cheriton, "Leases", 1989.
///
/// What is said is a state, not a change: sums since the session began. A message that is lost,
/// doubled or overtaken does no harm, the next one says it all.
///
/// What can't be had: whoever has started work before its lease ran out can't be stopped. So a
/// permit has a number that rises, and a target may refuse the older (see fence.hpp). Source:
/// Kleppmann, "How to do distributed locking", 2016.

namespace bulwark {

/// What a node does with a part that another node owns, while it can't reach the owner.
enum class owner_lost : std::uint8_t {
  /// Goes on with a copy of its own, made from what it last knew: a circuit breaker with the
  /// circuit's state, a bulkhead with the node's share of the limit (max_workers / nodes, at least
  /// 1). Where it never knew anything: as fail_closed.
  local = 0,
  fail_open = 1,   ///< Lets everything through.
  fail_closed = 2, ///< Refuses everything.
};

std::string to_string(owner_lost policy);
bool from_string(std::string_view name, owner_lost& policy);
bool from_integer(std::uint8_t number, owner_lost& policy);

inline constexpr timespan default_lease_time = std::chrono::seconds{3};

/// For whom a node's failures open a circuit that nodes share.
enum class trip_scope : std::uint8_t {
  own = 0,    ///< For the node alone.
  quorum = 1, ///< For the node; for all when those of more than half of the nodes are open.
  any = 2,    ///< For all, at once.
};

std::string to_string(trip_scope scope);
bool from_string(std::string_view name, trip_scope& scope);
bool from_integer(std::uint8_t number, trip_scope& scope);

/// How a part is shared with other nodes.
struct sharing_policy {
  /// How long a node may use it without a word from its owner; 10 ms .. 1 h. After that time the
  /// owner takes back what a silent node holds. Nodes report four times as often.
  timespan lease_time = default_lease_time;
  /// Of circuit breakers.
  trip_scope trips_for = trip_scope::quorum;

  friend bool operator==(const sharing_policy&, const sharing_policy&) = default;
};

/// What is out of range, each field with its path "sharing.<field>".
policy_mistakes find_mistakes(const sharing_policy& policy);

/// A node, as the owner of a shared part numbers those that use it.
using node_key = std::uint64_t;

/// Which of a holder's reports a message is, or answers.
struct lease_stamp {
  std::uint64_t session = 0; ///< Rises with each beginning of a lease; 0: none.
  std::uint64_t serial = 0;  ///< Rises within the session.

  friend bool operator==(const lease_stamp&, const lease_stamp&) = default;
  /// Whether `a` was said no later.
  friend bool operator<=(const lease_stamp& a, const lease_stamp& b) noexcept {
    return a.session < b.session || (a.session == b.session && a.serial <= b.serial);
  }
};

/// What a permit of a shared bulkhead says of its age: see fence.hpp.
struct permit_token {
  std::uint64_t number = 0; ///< Rises with every word of the owner, over its restarts too.
  std::uint64_t fence = 0;  ///< Whatever has a smaller number has been taken back.

  friend bool operator==(const permit_token&, const permit_token&) = default;
};

/// What a node's part shows of its lease to the supervisors of its process: until when what they
/// hold is good. They look at it before they start work on a permit, so that a process that was
/// stopped, and wakes after its lease has run out, starts nothing.
class lease_view {
public:
  [[nodiscard]] instant until() const noexcept {
    return instant{timespan{until_.load(std::memory_order_acquire)}};
  }
  [[nodiscard]] permit_token token() const noexcept {
    return {.number = number_.load(std::memory_order_relaxed),
            .fence = fence_.load(std::memory_order_relaxed)};
  }

  /// Only for the part that owns the view.
  void publish(instant until, const permit_token& token) noexcept {
    number_.store(token.number, std::memory_order_relaxed);
    fence_.store(token.fence, std::memory_order_relaxed);
    until_.store(until.time_since_epoch().count(), std::memory_order_release);
  }

private:
  std::atomic<std::int64_t> until_{instant::min().time_since_epoch().count()};
  std::atomic<std::uint64_t> number_{0};
  std::atomic<std::uint64_t> fence_{0};
};

/// The holder's side of one lease. Not thread-safe.
class lease {
public:
  /// Begins anew: what was said in earlier sessions counts no more.
  void begin() noexcept;

  /// The stamp of a report that is sent now.
  [[nodiscard]] lease_stamp stamp(instant now);
  /// The owner has answered the report `answered`. False: that of an earlier session.
  bool renew(const lease_stamp& answered, timespan lease_time);

  /// In this session the owner has answered.
  [[nodiscard]] bool held() const noexcept { return until_ != instant::min(); }
  /// The lease's end; before all time where it isn't held.
  [[nodiscard]] instant until() const noexcept { return until_; }
  /// When the next report has to be sent at the latest.
  [[nodiscard]] instant report_due() const noexcept { return report_due_; }
  [[nodiscard]] timespan length() const noexcept { return length_; }

private:
  struct report {
    std::uint64_t serial;
    instant sent;
  };

  std::uint64_t session_ = 0;
  std::uint64_t serial_ = 0;
  timespan length_ = default_lease_time;
  instant until_ = instant::min();
  instant report_due_ = instant::min();
  std::deque<report> unanswered_; // of this session, oldest first
};

} // namespace bulwark
