#pragma once

#include "bulwark/guarded_call.hpp"
#include "bulwark/reply_cache.hpp"
#include "bulwark/request_index.hpp"
#include "bulwark/single_flight.hpp"
#include "bulwark/statistics.hpp"

#include <caf/message.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

/// @file What stands in front of a guard's core where equal calls share replies: see
/// bulwark/reply_cache.hpp and bulwark/single_flight.hpp, which decide.
///
/// Equal are calls of the same tenant whose messages are the same bytes. Not shared is what can't be
/// told apart or mustn't be made once for several: a message that can't be serialised or has an
/// actor's handle in it, a send that wants no reply, a call that says that it isn't idempotent, one
/// that names its own target.

namespace bulwark {

/// Which calls of a guard share replies, and for how long those are kept.
struct reply_sharing_policy {
  /// How long an equal call is served without asking the target; 0 .. 100 years.
  timespan fresh_for{0};
  /// How long after that one is served that failed; 0 .. 100 years.
  timespan stale_for{0};
  /// Replies that are kept, with all that is in them; 1 .. 16'777'216.
  std::uint32_t max_entries = 1000;
  /// A call of more bytes is neither kept nor shared; 1 .. 1'048'576.
  std::uint32_t max_key_size = 4096;
  /// Equal calls that are in progress at once share one.
  bool single_flight = true;
  /// Which calls; empty: all. Called in the guard: short, and without waiting. Where it throws, the
  /// call isn't one.
  std::function<bool(const caf::message&)> calls = {};
};

/// All but the function.
reply_sharing_limits limits_of(const reply_sharing_policy& policy);

/// The calls that wait for others', and the replies that are kept.
class reply_sharing {
public:
  using member = single_flight::member;
  using heading = std::uint64_t counters::*;

  reply_sharing(reply_sharing_policy policy, const hash_secret& secret, instant now);

  /// For calls that come from now on; what is kept stays as far as it fits. nullopt: none is shared.
  void change_policy(std::optional<reply_sharing_policy> policy, const hash_secret& secret);

  // -- a call comes

  /// nullopt: it isn't shared.
  [[nodiscard]] std::optional<std::string> key_of(const caf::message& content,
                                                  const call_context* said) const;
  /// A reply that answers it; null: there is none.
  [[nodiscard]] const caf::message* fresh(const std::string& key, instant now);
  void count_fresh() noexcept;
  /// True: it is to be made, and arriving() is its number. Else follow() has to come next.
  [[nodiscard]] bool enter(const std::string& key, instant deadline);
  void follow(guarded_call call, instant now);
  /// enter() is undone, where memory for what comes after it was refused.
  void abandon() noexcept;
  /// The leader that has come and has no place yet, guarded_call::alone: none. Once.
  [[nodiscard]] member arriving() noexcept { return std::exchange(arriving_, guarded_call::alone); }

  // -- a call ends

  struct ending {
    bool is_own = false;             ///< It is the leader's alone,
    std::optional<member> next = {}; ///< and this one is to be started.
    bool is_stale = false;           ///< A kept reply serves.
    heading how = nullptr;           ///< How the call itself ended.
  };
  /// The leader's call ended with `answer`, which is replaced where a kept reply serves instead.
  /// `is_success`: it may be kept.
  [[nodiscard]] ending end(member leader, caf::message& answer, bool is_success, instant now);
  /// A follower who gets the same. nullopt: there is none left, and the leader is out.
  [[nodiscard]] std::optional<member> take_follower(member leader, const ending& ended) noexcept;
  /// The leader never began: who is to be started instead.
  [[nodiscard]] std::optional<member> hand_over(member leader) noexcept {
    return flights_.hand_over(leader);
  }
  /// One that is to be started leaves, and is arriving(). nullopt: it has left already.
  [[nodiscard]] std::optional<guarded_call> start(member which);

  // -- a call is taken back

  struct removal {
    std::optional<member> call = {};
    std::optional<member> next = {}; ///< To be started.
  };
  [[nodiscard]] removal cancel(const caf::strong_actor_ptr& caller, caf::message_id request);
  /// One of a caller that has ended; no call: there is none left.
  [[nodiscard]] removal lose_caller(const caf::actor_addr& caller);
  /// Any that waits, at the end of all; nullopt: there is none left.
  [[nodiscard]] std::optional<member> any() const noexcept;

  /// Who has been taken out, or is about to be: as long as answered() hasn't said that it has its
  /// answer it is among those that wait, so that nobody is lost where memory is refused meanwhile.
  [[nodiscard]] guarded_call& waiting_call(member which) { return waiting_.at(which).call; }
  void answered(member which, heading how, instant now) noexcept;

  // -- time

  /// Takes out whose deadline has come: `f(call, reply)`, null where there is no reply. answered()
  /// is said of it here.
  template <class F>
  void expire(instant now, F&& f) {
    flights_.expire(now, [&](member which) {
      const auto* kept = stale(flights_.key_of(which), now);
      f(waiting_call(which), kept);
      answered(which, &counters::timed_out, now);
    });
  }
  /// The core wishes to be woken at `due`: when to be woken for both.
  [[nodiscard]] instant wake_at(instant due) noexcept;
  /// When to be woken instead of what was said last; nullopt: that holds.
  [[nodiscard]] std::optional<instant> wake_earlier() noexcept;
  void woken() noexcept { cores_wish_ = asked_ = end_of_time; }

  // -- books: calls that never were the core's

  [[nodiscard]] const counters& calls() const noexcept { return books_; }
  [[nodiscard]] const latency_histogram& latency() const noexcept { return latency_; }
  [[nodiscard]] std::uint64_t waiting() const noexcept { return waiting_.size(); }
  [[nodiscard]] std::uint64_t served_fresh() const noexcept { return served_fresh_; }
  [[nodiscard]] std::uint64_t served_stale() const noexcept { return served_stale_; }
  [[nodiscard]] std::uint64_t followed() const noexcept { return followed_; }

private:
  struct waiter {
    guarded_call call;
    instant since{};
  };

  reply_sharing_policy policy_;
  single_flight flights_;
  std::unique_ptr<reply_cache<caf::message>> cache_; // null: nothing is kept
  std::unordered_map<member, waiter> waiting_;       // who follows, and who is to be started
  request_index requests_;                           // of these, from the first cancel() on
  member arriving_ = guarded_call::alone;
  instant cores_wish_ = end_of_time;
  instant asked_ = end_of_time;
  counters books_;
  latency_histogram latency_;
  std::uint64_t served_fresh_ = 0;
  std::uint64_t served_stale_ = 0;
  std::uint64_t followed_ = 0;

  [[nodiscard]] const caf::message* stale(const std::string& key, instant now);
  [[nodiscard]] removal remove(member which) noexcept;
  void record(timespan elapsed) noexcept;
};

} // namespace bulwark
