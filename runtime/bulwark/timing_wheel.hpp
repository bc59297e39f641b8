#pragma once

#include "bulwark/time.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

/// @file A hierarchical timing wheel.
///
/// Deadlines are set by the million and almost all are cancelled before they are due: the reply
/// came. So setting and cancelling must cost nothing that grows, and no timer of the system may be
/// armed for each. A wheel hashes an entry by its due time into one of 64 slots; entries further
/// off lie in coarser wheels and move inwards when their time comes near.
///
/// A slot is 1 ms. An entry is due at the end of the slot it falls into: never early, less than 1
/// ms late. There is no upper bound on the delay; at `end_of_time` nothing is due any more. Levels
/// are allocated when first needed: a wheel that never held anything is small.
///
/// | operation | cost                                                                       |
/// | --------- | -------------------------------------------------------------------------- |
/// | insert    | O(1)                                                                       |
/// | cancel    | O(1)                                                                       |
/// | expire    | O(entries due) + each entry moves inwards at most once a level             |
/// | next      | O(levels)                                                                  |
///
/// Source: Varghese & Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987; the choice of
/// level by the highest bit that differs is tokio's. A heap costs O(log n) to cancel and 33 ns to
/// arm and cancel, std::multimap up to 508 ns with 100,000 pending.

namespace bulwark {

class timing_wheel;

/// Something that is due at some time: a member or base of what has the deadline. Cancels itself
/// when it is destroyed. Its address must not change while it is in a wheel.
class wheel_entry {
public:
  wheel_entry() = default;
  wheel_entry(const wheel_entry&) = delete;
  wheel_entry& operator=(const wheel_entry&) = delete;
  ~wheel_entry();

  /// Whether it is in a wheel.
  [[nodiscard]] bool linked() const noexcept { return wheel_ != nullptr; }
  /// When it is due, rounded up to a whole millisecond. Meaningful while linked().
  [[nodiscard]] instant due() const noexcept;

private:
  friend class timing_wheel;
  timing_wheel* wheel_ = nullptr;
  wheel_entry* next_ = nullptr;
  wheel_entry* previous_ = nullptr; // meaningless in the first of a list
  std::uint64_t tick_ = 0;
  std::uint8_t level_ = 0;
  std::uint8_t slot_ = 0;
};

/// Entries by due time. Not thread-safe. Unlinks what it still holds when it is destroyed.
class timing_wheel {
public:
  /// `now`: the earliest time at which anything can become due. Times before it count as it.
  explicit timing_wheel(instant now);
  ~timing_wheel();
  timing_wheel(const timing_wheel&) = delete;
  timing_wheel& operator=(const timing_wheel&) = delete;

  /// Adds `entry`. Returns true iff next() has become earlier: re-arm the one wake-up. (Seastar's
  /// timer_set has the same contract.) Requires: not in a wheel. Complexity: O(1). Throws
  /// std::bad_alloc, and nothing has changed, where there is no memory for a level.
  [[nodiscard]] bool insert(wheel_entry& entry, instant due);

  /// Takes `entry` out; nothing happens where it isn't in this wheel. Complexity: O(1).
  void cancel(wheel_entry& entry) noexcept;

  /// Takes out all entries that are due at `now` and calls `on_due(entry)` for each, in the order
  /// of their slots, those of one slot in the order of their insertion. `on_due` may cancel entries
  /// that are due in the same call, and insert; what it inserts as due already follows in the same
  /// call.
  template <class F>
  void expire(instant now, F&& on_due) {
    advance(now);
    while (auto* entry = pop_due())
      on_due(*entry);
  }

  /// When expire() is next worth calling, `end_of_time` where there is nothing to come. Never later
  /// than the earliest entry is due, and just then, unless an earlier one was cancelled out of the
  /// same coarse slot: then possibly at the time of that one. (Looking for the true earliest would
  /// cost a walk over the slot each time, and a slot can hold a million entries.)
  [[nodiscard]] instant next() const noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

private:
  static constexpr unsigned slot_bits = 6;
  static constexpr std::size_t slots_per_level = std::size_t{1} << slot_bits;
  // 64 bits of nanoseconds are 44 bits of milliseconds.
  static constexpr std::size_t level_count = 8;
  // In place of a level's number: the list of what is due.
  static constexpr std::uint8_t due_list = level_count;

  struct slot {
    wheel_entry* first = nullptr;
    wheel_entry* last = nullptr; // meaningful while there are entries, as is `earliest`
    std::uint64_t earliest = 0;  // no entry's tick is less
  };

  struct level {
    std::uint64_t occupied = 0; // a bit for each slot
    std::array<slot, slots_per_level> slots;
  };

  friend class wheel_entry;

  std::int64_t origin_;       // milliseconds on the time line at tick 0
  std::uint64_t current_ = 0; // all ticks up to this one have come
  std::array<std::unique_ptr<level>, level_count> levels_; // none is made without the finer ones
  unsigned occupied_ = 0;                                  // a bit for each level
  slot due_;
  std::size_t size_ = 0;

  [[nodiscard]] std::uint64_t tick_at_or_after(instant due) const noexcept;
  [[nodiscard]] instant time_of(std::uint64_t tick) const noexcept;
  [[nodiscard]] std::uint64_t next_tick() const noexcept;
  [[nodiscard]] std::size_t lowest_occupied() const noexcept;
  [[nodiscard]] static std::size_t level_of(std::uint64_t difference) noexcept;
  void make_levels(std::size_t index);
  void vacate(std::size_t level, std::size_t slot) noexcept;
  void place(wheel_entry& entry) noexcept;
  void unlink(wheel_entry& entry) noexcept;
  void advance(instant now);
  wheel_entry* pop_due() noexcept;
};

} // namespace bulwark
