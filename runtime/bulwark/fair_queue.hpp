#pragma once

#include "bulwark/criticality.hpp"
#include "bulwark/time.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

/// @file A waiting line that is fair.
///
/// Who is next: the most important; among them one of each tenant in turn; of one tenant whoever
/// came first (or last, see newest_first()). Who has to go when there is no room: of the least
/// important, the newest of the tenant that has most waiting. So a tenant that floods the line
/// pushes out nobody but itself, and waits for nobody but itself. With one tenant and all equally
/// important it is first in, first out, and the newest has to go.
///
/// It is deficit round robin (Shreedhar, Varghese, SIGCOMM 1995) where each call costs the same: what
/// a call will cost isn't known before it is made. All operations are O(1); a tenant with nobody
/// waiting takes no memory.

namespace bulwark {

/// Who holds permits: given out by the shell, one for each supervisor.
using holder_id = std::uint64_t;

/// What a holder calls the call it asks for; the bulkhead only repeats it.
using ticket_id = std::uint64_t;

/// A call that waits.
struct waiter {
  holder_id holder = 0;
  ticket_id ticket = 0;

  friend bool operator==(const waiter&, const waiter&) = default;
};

/// What a call is, to those who decide who is next. The tenant is a hash: two of one hash share
/// their turn.
struct call_class {
  criticality importance = criticality::normal;
  std::uint64_t tenant = 0;

  friend bool operator==(const call_class&, const call_class&) = default;
};

/// Not thread-safe.
class fair_queue {
public:
  fair_queue() = default;
  fair_queue(const fair_queue&) = delete;
  fair_queue& operator=(const fair_queue&) = delete;

  /// Requires: it doesn't wait yet. Strong exception guarantee.
  void push(const waiter& who, const call_class& as, instant now);

  [[nodiscard]] bool empty() const noexcept { return places_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }

  /// Of one tenant whoever came last is next.
  void newest_first(bool on) noexcept { newest_first_ = on; }

  /// Requires of all four: not empty.
  [[nodiscard]] const waiter& next() const noexcept { return of_next().who; }
  /// Takes it out; the turn goes to another tenant.
  void pop() noexcept;
  /// Of the tenant whose turn it is, whoever has waited longest, and since when.
  [[nodiscard]] const waiter& oldest() const noexcept { return turn().first->who; }
  [[nodiscard]] instant oldest_since() const noexcept { return turn().first->since; }

  /// Who has to go when there is no room. Requires: not empty.
  [[nodiscard]] const waiter& last() const noexcept;

  /// False: it doesn't wait.
  bool erase(const waiter& who) noexcept;
  /// All of one holder. Complexity: O(size).
  void erase_all_of(holder_id holder) noexcept;
  /// As if all who wait had come now. Complexity: O(size).
  void restart_waits(instant now) noexcept;

  /// Calls f(waiter) for each, in the order of their turns, and is empty afterwards.
  template <class F>
  void drain(F&& f) {
    while (!empty()) {
      const auto who = next();
      pop();
      f(who);
    }
  }

private:
  struct line;

  struct place {
    waiter who;
    instant since{};
    line* home = nullptr;
    place* next = nullptr;
    place* previous = nullptr;
  };

  // The waiting of one tenant.
  struct line {
    place* first = nullptr;
    place* last = nullptr;
    line* next_turn = nullptr; // a ring
    line* previous_turn = nullptr;
    line* next_as_long = nullptr; // a list
    line* previous_as_long = nullptr;
    std::uint64_t tenant = 0;
    std::uint32_t length = 0;
    std::uint8_t rank = 0;
  };

  // All lines that are equally important.
  struct tier {
    line* turn = nullptr; // null: nobody waits
    line without_tenant;  // tenant 0, for there may be no others: only its length is kept
    std::unordered_map<std::uint64_t, line> lines;
    std::vector<line*> by_length; // the first of those that are as long
    std::uint32_t longest = 0;
  };

  struct waiter_hash {
    std::size_t operator()(const waiter& x) const noexcept {
      return static_cast<std::size_t>((x.holder * 0x9e3779b97f4a7c15U) ^ x.ticket);
    }
  };

  std::array<tier, criticality_count> tiers_;
  std::unordered_map<waiter, place, waiter_hash> places_;
  bool newest_first_ = false;

  [[nodiscard]] line& turn() const noexcept;
  [[nodiscard]] const place& of_next() const noexcept;
  [[nodiscard]] line& line_of(const call_class& as);
  void take_out(place& gone) noexcept;
  void change_length(line& of, std::uint32_t length) noexcept;
  void begin_turns(line& of) noexcept;
  void end_turns(line& of) noexcept;
};

} // namespace bulwark
