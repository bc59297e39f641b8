#pragma once

#include "bulwark/timing_wheel.hpp"

#include "models/must.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <utility>
#include <vector>

/// @file The timing wheel against a sorted map, on random histories.
///
/// The map knows no slots and no levels: its key is the millisecond at whose beginning an entry is
/// due, and std::multimap keeps equal keys in the order of their insertion. What the wheel calls
/// must be what the map has in front, also while entries insert, cancel and end each other.

namespace bulwark_tests::timing_wheel_model {

using namespace bulwark;
using namespace std::chrono_literals;

using millisecond = std::chrono::milliseconds::rep;

inline constexpr auto century = std::chrono::hours{24 * 365 * 100};

inline millisecond begun(instant now) {
  return std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch()).count();
}

inline millisecond begins(instant due) {
  return std::chrono::ceil<std::chrono::milliseconds>(due.time_since_epoch()).count();
}

// -- what can happen --------------------------------------------------------------

enum class action { insert, insert_past, cancel, end, expire, sleep_until_next, sleep_almost };

inline const char* name_of(action what) {
  switch (what) {
  case action::insert:
    return "insert";
  case action::insert_past:
    return "insert_past";
  case action::cancel:
    return "cancel";
  case action::end:
    return "end";
  case action::expire:
    return "expire";
  case action::sleep_until_next:
    return "sleep_until_next";
  case action::sleep_almost:
    return "sleep_almost";
  }
  return "?";
}

// What an entry does when it is due.
enum class deed { nothing, insert_again, insert_other, cancel_other, end_other, end_itself };

struct command {
  action what;
  timespan length; // a delay, or how far time jumps
  int choice;      // which entry, counted from the first that is in the map
  deed then;
};

inline std::ostream& operator<<(std::ostream& out, const command& each) {
  return out << fmt::format("{}({}ns, {}, {})", name_of(each.what), each.length.count(),
                            each.choice, static_cast<int>(each.then));
}

struct history {
  instant start;
  std::vector<command> commands;
};

inline std::ostream& operator<<(std::ostream& out, const history& all) {
  out << fmt::format("\nstart {}:", all.start.time_since_epoch().count());
  for (const auto& each : all.commands)
    out << "\n  " << each;
  return out;
}

// -- the two, step by step --------------------------------------------------------

// What the histories of one run met.
struct coverage {
  std::uint64_t steps = 0;
  std::uint64_t due = 0;
  std::uint64_t shared = 0;   // due in the same millisecond as the one before
  std::uint64_t distant = 0;  // waited for a day or longer
  std::uint64_t deeds = 0;    // done by what was due
  std::uint64_t too_soon = 0; // woken for what had been cancelled
};

struct timer : wheel_entry {
  deed then = deed::nothing;
  timespan length{0}; // for that
  int choice = 0;
  instant inserted{};
};

class comparison {
public:
  comparison(instant start, coverage& met) : now_(start), wheel_(start), met_(met) {}

  void step(const command& next) {
    ++met_.steps;
    perform(next);
    compare();
  }

  // Who always sleeps until next() finds everything within its millisecond.
  void drain() {
    while (wheel_.next() != end_of_time) {
      expire(std::max(now_, wheel_.next()));
      compare();
    }
    for (const auto& [key, entry] : map_)
      MUST(key > begun(end_of_time));
  }

private:
  using timers = std::multimap<millisecond, timer*>;

  instant now_;
  timing_wheel wheel_;
  timers map_;
  std::map<timer*, std::unique_ptr<timer>> owned_;
  std::set<millisecond> cancelled_; // whose slots may make the wheel wake too soon
  coverage& met_;

  void perform(const command& next);
  void insert_new(instant due, deed then, const command& with);
  void insert(timer& entry, instant due);
  timer* chosen(int choice) const;
  void cancel(timer* entry);
  void end(timer* entry);
  void expire(instant now);
  void on_due(timer& entry);
  void do_deed(timer& entry);
  void compare();
};

inline void comparison::perform(const command& next) {
  switch (next.what) {
  case action::insert:
    return insert_new(saturating_add(now_, std::max(next.length, 0ns)), next.then, next);
  case action::insert_past:
    return insert_new(now_ < instant::min() + next.length ? instant::min() : now_ - next.length,
                      next.then, next);
  case action::cancel:
    return cancel(chosen(next.choice));
  case action::end:
    return end(chosen(next.choice));
  case action::expire:
    return expire(saturating_add(now_, std::max(next.length, 0ns)));
  case action::sleep_until_next:
    if (wheel_.next() != end_of_time)
      expire(std::max(now_, wheel_.next()));
    return;
  case action::sleep_almost:
    if (wheel_.next() != end_of_time)
      expire(std::max(now_, wheel_.next() - 1ns));
    return;
  }
}

inline void comparison::insert_new(instant due, deed then, const command& with) {
  auto entry = std::make_unique<timer>();
  entry->then = then;
  entry->length = std::max(with.length, 0ns);
  entry->choice = with.choice;
  insert(*entry, due);
  owned_.emplace(entry.get(), std::move(entry));
}

inline void comparison::insert(timer& entry, instant due) {
  const auto before = wheel_.next();
  entry.inserted = now_;
  const auto earlier = wheel_.insert(entry, due);
  MUST(entry.linked());
  MUST(earlier == (wheel_.next() < before));
  map_.emplace(std::max(begins(due), begun(now_)), &entry);
}

inline timer* comparison::chosen(int choice) const {
  if (map_.empty())
    return nullptr;
  return std::next(map_.begin(), choice % static_cast<int>(map_.size()))->second;
}

inline void comparison::cancel(timer* entry) {
  if (entry == nullptr)
    return;
  const auto i = std::find_if(map_.begin(), map_.end(),
                              [entry](const auto& each) { return each.second == entry; });
  cancelled_.insert(i->first);
  map_.erase(i);
  wheel_.cancel(*entry);
  MUST(!entry->linked());
}

inline void comparison::end(timer* entry) {
  if (entry == nullptr)
    return;
  const auto i = std::find_if(map_.begin(), map_.end(),
                              [entry](const auto& each) { return each.second == entry; });
  cancelled_.insert(i->first);
  map_.erase(i);
  owned_.erase(entry);
}

inline void comparison::expire(instant now) {
  now_ = now;
  auto last = std::numeric_limits<millisecond>::min();
  auto called = 0;
  wheel_.expire(now, [&](wheel_entry& due) {
    ++called;
    MUST(!map_.empty());
    auto [key, expected] = *map_.begin();
    MUST(static_cast<timer*>(&due) == expected);
    MUST(key <= begun(now_)); // not early
    MUST(key >= last);
    MUST(!due.linked());
    met_.shared += key == last ? 1 : 0;
    last = key;
    map_.erase(map_.begin());
    on_due(*expected);
  });
  // Nothing that is due is left behind.
  MUST(map_.empty() || map_.begin()->first > begun(now_));
  met_.too_soon += called == 0 ? 1 : 0;
}

inline void comparison::on_due(timer& entry) {
  ++met_.due;
  met_.distant += saturating_add(entry.inserted, 24h) <= now_ ? 1 : 0;
  met_.deeds += entry.then != deed::nothing ? 1 : 0;
  do_deed(entry);
  if (owned_.contains(&entry) && !entry.linked())
    owned_.erase(&entry);
}

inline void comparison::do_deed(timer& entry) {
  const auto due = saturating_add(now_, entry.length);
  // Each of them once, so that a chain comes to an end.
  switch (std::exchange(entry.then, deed::nothing)) {
  case deed::nothing:
    return;
  case deed::insert_again:
    return insert(entry, due);
  case deed::insert_other:
    return insert_new(due, deed::nothing, {});
  case deed::cancel_other:
    return cancel(chosen(entry.choice));
  case deed::end_other:
    return end(chosen(entry.choice));
  case deed::end_itself:
    owned_.erase(&entry);
    return;
  }
}

inline void comparison::compare() {
  MUST(wheel_.size() == map_.size());
  MUST(wheel_.empty() == map_.empty());
  const auto next = wheel_.next();
  if (map_.empty()) {
    MUST(next == end_of_time);
    return;
  }
  for (const auto& [key, entry] : map_)
    MUST(begins(entry->due()) == key || entry->due() == end_of_time);
  const auto earliest = map_.begin()->first;
  if (earliest > begun(end_of_time)) {
    MUST((next == end_of_time || cancelled_.contains(begins(next))));
    return;
  }
  MUST(begins(next) <= earliest);
  MUST((begins(next) == earliest || cancelled_.contains(begins(next))));
}

/// One history from its beginning to its end. Throws broken_promise.
inline void run(const history& all, coverage& met) {
  comparison both{all.start, met};
  for (const auto& next : all.commands)
    both.step(next);
  both.drain();
}

} // namespace bulwark_tests::timing_wheel_model
