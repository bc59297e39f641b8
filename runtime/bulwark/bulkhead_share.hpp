#pragma once

#include "bulwark/bulkhead.hpp"
#include "bulwark/lease.hpp"
#include "bulwark/time.hpp"

#include <cstdint>

/// @file A node's share of a bulkhead that another node owns.
///
/// A node's calls ask a bulkhead of the node's own, as always. Only its max_workers isn't a number
/// of a policy, but what the owner has granted: this class sees to that it is enough. Calls that
/// wait here wait in the owner's queue, too, and while others wait there each permit that is no
/// longer used goes back to the owner: who is next is the owner's to say.
///
/// | mode    | max_workers here                        | leaves it when                          |
/// | ------- | --------------------------------------- | --------------------------------------- |
/// | joining | 0: calls wait                           | the owner answers: leased; it doesn't   |
/// |         |                                         | within a lease's time: lost             |
/// | leased  | granted + carried - returned            | the line is lost, or the lease runs     |
/// |         |                                         | out: lost                               |
/// | lost    | by `owner_lost`: the node's share of    | the owner answers: leased               |
/// |         | the limit, no limit, 0 and no waiting   |                                         |
///
/// Calls in progress go on through all of that. A new session begins with them: the owner counts
/// them against its limit, also where they are then more than it has.

namespace bulwark {

/// How a node stands with a bulkhead that another owns: all sums are of the session.
struct share_report {
  lease_stamp stamp;
  std::uint64_t carried = 0;      ///< Permits in use that no grant of the session gave.
  std::uint64_t returned = 0;     ///< Permits that are in use no more, of both kinds.
  std::uint32_t waiting = 0;      ///< Calls that wait, as far as served_seen and refused_seen go.
  std::uint64_t served_seen = 0;  ///< What was heard of share_grant::served.
  std::uint64_t refused_seen = 0; ///< And of share_grant::refused.
  std::uint64_t recalled = 0;     ///< The last recall that is done: unused permits are back.
  std::uint64_t token_seen = 0;   ///< The last grant that was heard of.

  friend bool operator==(const share_report&, const share_report&) = default;
};

/// The owner's answer, and its word when something changes.
struct share_grant {
  lease_stamp answers;       ///< The newest report that it has heard.
  std::uint64_t granted = 0; ///< Permits given.
  std::uint64_t served = 0;  ///< Waiting calls that got one.
  std::uint64_t refused = 0; ///< Waiting calls that were refused: the newest.
  std::uint64_t recall = 0;  ///< The last recall: give back what is unused.
  bool keep = false;         ///< Permits that aren't needed may stay.
  bool closed = false;       ///< The bulkhead is gone.
  std::uint32_t nodes = 1;   ///< That use it.
  permit_token token;
  bulkhead_policy policy;
  timespan lease_time = default_lease_time;

  friend bool operator==(const share_grant&, const share_grant&) = default;
};

/// What a share wishes to be done. None of it may call the share back.
struct bulkhead_share_effects {
  virtual void report(const share_report& report) = 0;
  /// The owner's policy is another than was known.
  virtual void policy_changed(const bulkhead_policy& policy) = 0;

protected:
  ~bulkhead_share_effects() = default;
};

/// The decisions of one share. Not thread-safe: it has one owner.
class bulkhead_share {
public:
  enum class mode : std::uint8_t { joining, leased, lost };

  /// All three outlive the share. `local` has no other who changes its policy.
  bulkhead_share(bulkhead& local, lease_view& view, bulkhead_share_effects& effects,
                 owner_lost when_lost, instant now);

  bulkhead_share(const bulkhead_share&) = delete;
  bulkhead_share& operator=(const bulkhead_share&) = delete;

  /// There is a way to the owner again, perhaps to another process of it; or there is none.
  void on_line(bool up, instant now);
  /// Nothing happens where it makes no sense: it comes from another node.
  void on_grant(const share_grant& grant, instant now);
  /// To be called after whatever has happened to `local`, and when due() has come.
  void on_change(instant now);

  /// When on_change() is to be called at the latest.
  [[nodiscard]] instant due() const noexcept;

  [[nodiscard]] mode state() const noexcept { return mode_; }
  /// The owner's policy: as last heard, max_workers 0 where it never was.
  [[nodiscard]] const bulkhead_policy& policy() const noexcept { return policy_; }
  /// Whether supervisors may be given permits for their next calls.
  [[nodiscard]] bool may_keep() const noexcept { return may_keep_; }

private:
  bulkhead& local_;
  lease_view& view_;
  bulkhead_share_effects& effects_;
  const owner_lost when_lost_;
  lease lease_;
  mode mode_ = mode::joining;
  bool line_up_ = false;
  bool may_keep_ = false;
  bool settling_ = false; // lost: unused permits are being called home
  instant join_by_;
  bulkhead_policy policy_{.max_workers = 0, .queue_size = 0};
  std::uint32_t nodes_ = 1;
  share_report last_; // that was sent
  share_grant heard_; // the sums of this session
  std::uint64_t carried_ = 0;
  std::uint64_t carried_told_ = 0; // in which report first
  std::uint64_t returned_ = 0;
  std::uint64_t recalled_ = 0;

  void begin();
  void lose(instant now);
  void take(const share_grant& grant);
  [[nodiscard]] bool refuses_all() const noexcept;
  void serve_alone();
  void give_back();
  void count_what_runs() noexcept;
  void resize(std::uint64_t max_workers, std::uint32_t queue_size);
  void report(instant now);
  [[nodiscard]] share_report state_of_things() noexcept;
  [[nodiscard]] std::uint64_t capacity() const noexcept;
};

} // namespace bulwark
