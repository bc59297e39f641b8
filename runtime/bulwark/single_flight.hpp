#pragma once

#include "bulwark/errc.hpp"
#include "bulwark/key_hash.hpp"
#include "bulwark/paged_array.hpp"
#include "bulwark/reply_cache.hpp"
#include "bulwark/time.hpp"
#include "bulwark/timing_wheel.hpp"

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

/// @file Single flight: equal calls that are in progress at once share one.
///
/// When what many callers want isn't kept any more, they all come at once, and the target gets the
/// same call a thousand times. Here the first of them leads: it is made. The others follow: they
/// wait for what it brings. Each waits until its own deadline and may be taken back by itself.
///
/// What a leader brings is for all, a reply as well as an error that the target had its part in.
/// What is only the leader's own (it was taken back, its deadline passed, it was refused before it
/// reached the target) is not: the first follower leads then, and is made.
///
/// Source: Go's golang.org/x/sync/singleflight, where all get what the first gets, its
/// cancellation too; that is its known trap.

namespace bulwark {

/// Whether what a leader got is its own and not for its followers. `deadline`: the leader's.
constexpr bool is_leaders_own(errc why, instant deadline, instant now) noexcept {
  return why == errc::cancelled || is_rejection(why) || (why == errc::timed_out && now >= deadline);
}

/// Who leads and who follows. Not thread-safe: it has one owner.
class single_flight {
public:
  /// A call that is in, from enter() until it is out: by then numbers are given anew.
  using member = std::uint32_t;

  struct entrance {
    member number = 0;
    bool leads = true; ///< It is to be made; else it waits.
  };

  /// `shares` false: each call leads alone.
  single_flight(bool shares, const hash_secret& secret, instant now)
      : shares_(shares), wheel_(now), index_(0, keyed_hash{secret}) {}

  /// Takes a call in. Strong exception guarantee. Complexity: O(1).
  [[nodiscard]] entrance enter(std::string_view key, instant deadline);

  /// A leader has what is for all: takes its first follower out, who gets it too; nullopt: there is
  /// none left. Then leave() has to follow.
  [[nodiscard]] std::optional<member> take_follower(member leader) noexcept;
  /// A leader ended with what is its own: it is out, and who is returned leads.
  [[nodiscard]] std::optional<member> hand_over(member leader) noexcept;
  /// A follower is taken back, or a leader without followers is through: it is out.
  void leave(member which) noexcept;

  /// Whether calls that come from now on share. Those that wait go on waiting.
  void share(bool shares) noexcept { shares_ = shares; }

  /// Takes the followers out whose deadline has come. Before each is out, calls `on_due(member)`,
  /// which must not take it out itself.
  template <class F>
  void expire(instant now, F&& on_due) {
    wheel_.expire(now, [&](wheel_entry& due) {
      const auto number = static_cast<seat&>(due).number;
      on_due(number);
      leave(number);
    });
  }
  /// When that is next worth calling; end_of_time: not.
  [[nodiscard]] instant next() const noexcept { return wheel_.next(); }

  /// Of a call that is in.
  [[nodiscard]] instant deadline_of(member which) const noexcept { return seats_[which].deadline; }
  [[nodiscard]] const std::string& key_of(member which) const noexcept {
    return seats_[which].in->key;
  }
  [[nodiscard]] bool leads(member which) const noexcept {
    return seats_[which].in->leader == which;
  }

  /// Calls that wait for a leader.
  [[nodiscard]] std::uint64_t followers() const noexcept { return followers_; }
  /// Calls that are in.
  [[nodiscard]] std::uint64_t members() const noexcept { return flights_.size() + followers_; }

private:
  static constexpr member nobody = ~member{0};

  struct flight {
    std::string key;
    member leader = nobody;
    member first = nobody; // of the followers
    member last = nobody;
    bool known = false; // in the index
  };
  using place = std::list<flight>::iterator;

  // In the wheel while it follows.
  struct seat : wheel_entry {
    member number = nobody;
    instant deadline = end_of_time;
    place in = {};
    member next = nobody; // among the followers
    member previous = nobody;
  };

  bool shares_;
  timing_wheel wheel_;
  paged_array<seat> seats_;
  std::vector<member> free_;
  std::list<flight> flights_;
  std::unordered_map<std::string_view, place, keyed_hash> index_;
  std::uint64_t followers_ = 0;

  member open();
  void follow(seat& who, place where);
  void unfollow(seat& who) noexcept;
  void close(seat& who) noexcept;
};

} // namespace bulwark
