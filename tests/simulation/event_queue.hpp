#pragma once

#include "bulwark/time.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <new>
#include <type_traits>
#include <vector>

/// @file The time of a simulated world: what happens, when, and what clocks show of it.

namespace bulwark_simulation {

using namespace bulwark;

/// The world's own time in nanoseconds, which no process in it can read.
using moment = std::int64_t;

inline constexpr moment never = std::numeric_limits<moment>::max();

/// What happens: a function object that is kept in place, since there are millions a second.
class task {
public:
  static constexpr std::size_t room = 304;

  template <class F>
  explicit task(F f)
      : call_([](void* stored) { (*std::launder(reinterpret_cast<F*>(stored)))(); }) {
    static_assert(std::is_trivially_copyable_v<F> && sizeof(F) <= room);
    ::new (static_cast<void*>(stored_)) F(f);
  }

  void operator()() { call_(stored_); }

private:
  void (*call_)(void*);
  alignas(std::max_align_t) std::byte stored_[room];
};

/// Where something happens: in a process, as long as it is the same one.
struct place {
  std::uint32_t process = 0;
  std::uint32_t incarnation = 0;
};

/// Everything that is going to happen, by time; at the same time in the order in which it was said.
class event_queue {
public:
  struct event {
    moment when;
    std::uint64_t number;
    std::uint32_t body;

    // The greatest comes first out of a heap.
    friend bool operator<(const event& a, const event& b) noexcept {
      return a.when != b.when ? a.when > b.when : a.number > b.number;
    }
  };

  template <class F>
  void add(moment when, place where, F f) {
    std::uint32_t index = 0;
    if (free_.empty()) {
      index = static_cast<std::uint32_t>(bodies_.size());
      bodies_.push_back({task{f}, where});
    } else {
      index = free_.back();
      free_.pop_back();
      bodies_[index] = {task{f}, where};
    }
    push({when, ++last_number_, index});
  }

  [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
  [[nodiscard]] moment next() const noexcept { return heap_.empty() ? never : heap_.front().when; }

  event pop() {
    std::pop_heap(heap_.begin(), heap_.end());
    const auto result = heap_.back();
    heap_.pop_back();
    return result;
  }
  [[nodiscard]] place where(const event& e) const { return bodies_[e.body].where; }
  /// Later, but before what was said after it.
  void put_off(event e, moment until) {
    e.when = until;
    push(e);
  }
  void happen(const event& e) {
    bodies_[e.body].what();
    free_.push_back(e.body);
  }
  void drop(const event& e) { free_.push_back(e.body); }

private:
  struct body {
    task what;
    place where;
  };

  std::vector<event> heap_;
  std::deque<body> bodies_; // addresses stay while one of them happens and adds others
  std::vector<std::uint32_t> free_;
  std::uint64_t last_number_ = 0;

  void push(const event& e) {
    heap_.push_back(e);
    std::push_heap(heap_.begin(), heap_.end());
  }
};

/// A process's steady clock: it begins anywhere, and may run too fast or too slow.
class local_clock {
public:
  local_clock() = default;
  local_clock(moment offset, double drift) : offset_(offset), drift_(drift) {}

  [[nodiscard]] instant at(moment when) const noexcept {
    return instant{timespan{offset_ + when + skew(when)}};
  }
  /// The first moment at which the clock shows `due` or more.
  [[nodiscard]] moment when(instant due) const noexcept {
    if (due == end_of_time)
      return never;
    const auto shown = due.time_since_epoch().count() - offset_;
    auto result = static_cast<moment>(std::floor(static_cast<long double>(shown) / (1 + drift_)));
    while (at(result) >= due)
      --result;
    while (at(result) < due)
      ++result;
    return result;
  }

private:
  moment offset_ = 0;
  long double drift_ = 0;

  [[nodiscard]] moment skew(moment when) const noexcept {
    return drift_ == 0 ? 0
                       : static_cast<moment>(std::floor(static_cast<long double>(when) * drift_));
  }
};

} // namespace bulwark_simulation
