#include "bulwark/timing_wheel.hpp"

#include "support/catch.hpp"

#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <vector>

using namespace bulwark;
using namespace std::chrono_literals;

// -- memory -----------------------------------------------------------------------

namespace {

// What the wheel takes from the heap is part of what it promises.
auto allocations = 0;
auto refused = false; // allocations of a level's size

constexpr std::size_t level_size = 1'000; // at least

} // namespace

void* operator new(std::size_t size) {
  ++allocations;
  if (refused && size >= level_size)
    throw std::bad_alloc{};
  if (auto* result = std::malloc(size == 0 ? 1 : size))
    return result;
  throw std::bad_alloc{};
}

// Some of Catch's memory: what is allocated by one family must be freed by it.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(size == 0 ? 1 : size);
}

void operator delete(void* memory) noexcept {
  std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace {

struct timer : wheel_entry {
  explicit timer(int its_number = 0) : number(its_number) {}
  int number;
};

const auto start = instant{1h};

// A wheel, and the numbers of what became due.
struct fixture {
  timing_wheel wheel{start};
  std::vector<int> fired;

  // By default timers need nothing done.
  std::function<void(timer&)> and_then = [](timer&) {};

  // Also checks that there is no second way to be late: nothing due is left behind.
  void expire(instant now) {
    wheel.expire(now, [this](wheel_entry& due) {
      CHECK_FALSE(due.linked());
      auto& self = static_cast<timer&>(due);
      fired.push_back(self.number);
      and_then(self);
    });
    CHECK(wheel.next() > now);
  }

  bool insert(timer& entry, timespan delay) { return wheel.insert(entry, start + delay); }
};

using numbers = std::vector<int>;

constexpr auto year = std::chrono::hours{24 * 365};

} // namespace

// -- order and time ---------------------------------------------------------------

TEST_CASE("entries become due in the order of their times and not of their insertion [M3]",
          "[timing_wheel]") {
  fixture f;
  timer late{3}, soon{1}, between{2}, years{4};
  CHECK(f.insert(late, 10s));
  CHECK_FALSE(f.insert(years, 3 * year));
  CHECK(f.insert(soon, 5ms));
  CHECK_FALSE(f.insert(between, 70ms));
  CHECK(f.wheel.size() == 4);

  SECTION("one by one") {
    f.expire(start + 5ms);
    CHECK(f.fired == numbers{1});
    f.expire(start + 1s);
    CHECK(f.fired == numbers{1, 2});
    f.expire(start + 10s);
    CHECK(f.fired == numbers{1, 2, 3});
    f.expire(start + 3 * year);
  }
  SECTION("in one jump of years") {
    f.expire(start + 4 * year);
  }
  CHECK(f.fired == numbers{1, 2, 3, 4});
  CHECK(f.wheel.empty());
}

TEST_CASE("entries of one slot become due in the order of their insertion", "[timing_wheel]") {
  fixture f;
  timer first{1}, second{2}, third{3};
  static_cast<void>(f.insert(first, 5s));
  SECTION("all from the same distance") {
    static_cast<void>(f.insert(second, 5s));
    static_cast<void>(f.insert(third, 5s - 999'999ns)); // rounded up to the same slot
  }
  SECTION("from ever nearer") {
    f.expire(start + 3s);
    static_cast<void>(f.insert(second, 5s));
    f.expire(start + 4990ms);
    static_cast<void>(f.insert(third, 5s));
  }
  f.expire(start + 5s);
  CHECK(f.fired == numbers{1, 2, 3});
}

TEST_CASE("an entry is never early and less than a millisecond late [M4]", "[timing_wheel]") {
  auto delay = GENERATE(values<timespan>(
      {0ns,   1ns,   999'999ns, 1ms,       1ms + 1ns, 62ms,     63ms, 64ms,      65ms,
       127ms, 128ms, 4095ms,    4096ms,    4097ms,    1s + 1ns, 1h,   262'144ms, 262'144ms - 1ns,
       24h,   year,  10 * year, 100 * year}));
  auto start_offset = GENERATE(values<timespan>({0ns, 1ns, 500us, 999'999ns}));
  auto now = start + start_offset;
  CAPTURE(delay.count(), start_offset.count());
  timing_wheel wheel{now};
  timer entry;
  auto fired = 0;
  const auto count = [&](wheel_entry&) { ++fired; };

  CHECK(wheel.insert(entry, now + delay));
  const auto wake_up = wheel.next();
  CHECK(wake_up - (now + delay) < 1ms);
  CHECK((delay == 0ns || wake_up >= now + delay)); // what is due already needs no waiting
  CHECK(entry.due() == wake_up);
  if (delay > 0ns) {
    wheel.expire(now + delay - 1ns, count);
    CHECK(fired == 0);
    wheel.expire(wake_up - 1ns, count);
    CHECK(fired == 0);
  }
  wheel.expire(std::max(wake_up, now), count);
  CHECK(fired == 1);
  CHECK(wheel.empty());
  CHECK(wheel.next() == end_of_time);
}

TEST_CASE("a wheel that stands in the midst of a coarse slot finds what is in that slot",
          "[timing_wheel]") {
  // 100 ms lies in the coarse slot 64 .. 127 ms. From 70 ms on, 120 ms is a matter of the fine
  // wheel: it must not be taken for what comes first.
  fixture f;
  timer soon{1}, late{2};
  static_cast<void>(f.insert(soon, 100ms));
  f.expire(start + 70ms);
  CHECK_FALSE(f.insert(late, 120ms));
  CHECK(f.wheel.next() == start + 100ms);
  f.expire(start + 110ms);
  CHECK(f.fired == numbers{1});
  f.expire(start + 120ms);
  CHECK(f.fired == numbers{1, 2});
}

TEST_CASE("of two that were inserted at different times the sooner comes first on every level",
          "[timing_wheel]") {
  // The same for slots of 64 ms, 4 s, 4 min, 5 h, 12 d, 2 a.
  auto level = GENERATE(1, 2, 3, 4, 5, 6);
  auto slot = timespan{1ms} * (std::int64_t{1} << (6 * level));
  CAPTURE(level);
  fixture f;
  timer soon{1}, late{2};
  static_cast<void>(f.insert(soon, slot + slot / 2));
  f.expire(start + slot + slot / 4);
  static_cast<void>(f.insert(late, slot + slot / 2 + 2ms));
  CHECK(f.wheel.next() == start + slot + slot / 2);
  f.expire(start + slot + slot / 2);
  CHECK(f.fired == numbers{1});
  f.expire(start + 2 * slot);
  CHECK(f.fired == numbers{1, 2});
}

// -- cancelling -------------------------------------------------------------------

TEST_CASE("what was cancelled never becomes due", "[timing_wheel]") {
  auto delay = GENERATE(values<timespan>({0ms, 1ms, 100ms, 1h, 5 * year}));
  CAPTURE(delay.count());
  fixture f;
  timer before{1}, cancelled{2}, after{3};
  static_cast<void>(f.insert(before, delay));
  static_cast<void>(f.insert(cancelled, delay));
  static_cast<void>(f.insert(after, delay));
  CHECK(cancelled.linked());

  auto& gone = GENERATE(0, 1, 2) == 0 ? before : GENERATE(0, 1) == 0 ? cancelled : after;
  f.wheel.cancel(gone);
  CHECK_FALSE(gone.linked());
  CHECK(f.wheel.size() == 2);
  f.wheel.cancel(gone);
  CHECK(f.wheel.size() == 2);
  f.expire(start + delay);
  auto expected = numbers{1, 2, 3};
  std::erase(expected, gone.number);
  CHECK(f.fired == expected);
  f.wheel.cancel(gone);
  CHECK(f.wheel.empty());
}

TEST_CASE("an entry that was cancelled can be inserted again", "[timing_wheel]") {
  fixture f;
  timer entry{1};
  static_cast<void>(f.insert(entry, 5ms));
  f.wheel.cancel(entry);
  CHECK(f.wheel.next() == end_of_time);
  CHECK(f.insert(entry, 10ms));
  f.expire(start + 9ms);
  CHECK(f.fired.empty());
  f.expire(start + 10ms);
  CHECK(f.fired == numbers{1});
  CHECK(f.insert(entry, 20ms));
  f.expire(start + 20ms);
  CHECK(f.fired == numbers{1, 1});
}

TEST_CASE("a wheel leaves the entries of another alone", "[timing_wheel]") {
  fixture f;
  timing_wheel other{start};
  timer entry{1};
  static_cast<void>(f.insert(entry, 5ms));
  other.cancel(entry);
  CHECK(entry.linked());
  CHECK(f.wheel.size() == 1);
  CHECK(other.empty());
}

TEST_CASE("entries and wheel may end in any order", "[timing_wheel]") {
  timer survivor{1}, waiting{2}, due{3};
  auto wheel = std::make_unique<timing_wheel>(start);
  {
    timer ends{4};
    static_cast<void>(wheel->insert(ends, start + 1s));
    static_cast<void>(wheel->insert(survivor, start + 1s));
    static_cast<void>(wheel->insert(waiting, start + 5 * year));
    static_cast<void>(wheel->insert(due, start));
  }
  CHECK(wheel->size() == 3);
  wheel.reset();
  CHECK_FALSE(survivor.linked());
  CHECK_FALSE(waiting.linked());
  CHECK_FALSE(due.linked());

  fixture f;
  static_cast<void>(f.insert(survivor, 1ms));
  f.expire(start + 1ms);
  CHECK(f.fired == numbers{1});
}

// -- while it expires -------------------------------------------------------------

TEST_CASE("an entry may cancel others that are due in the same call", "[timing_wheel]") {
  fixture f;
  timer first{1}, same_slot{2}, later_slot{3}, years{4}, stays{5};
  static_cast<void>(f.insert(first, 5ms));
  static_cast<void>(f.insert(same_slot, 5ms));
  static_cast<void>(f.insert(later_slot, 80ms));
  static_cast<void>(f.insert(years, 2 * year));
  static_cast<void>(f.insert(stays, 90ms));
  f.and_then = [&](timer& due) {
    if (due.number == 1) {
      for (auto* other : {&first, &same_slot, &later_slot, &years})
        f.wheel.cancel(*other);
    }
  };
  f.expire(start + 3 * year);
  CHECK(f.fired == numbers{1, 5});
  CHECK(f.wheel.empty());
}

TEST_CASE("an entry may insert: what is due already follows in the same call", "[timing_wheel]") {
  fixture f;
  timer first{1}, old{2}, at_once{3}, later{4}, next{5};
  static_cast<void>(f.insert(first, 5ms));
  static_cast<void>(f.insert(next, 6ms));
  f.and_then = [&](timer& due) {
    if (due.number != 1)
      return;
    CHECK_FALSE(f.insert(old, 1ms));
    CHECK_FALSE(f.insert(at_once, 10ms));
    CHECK_FALSE(f.insert(later, 11ms));
  };
  f.expire(start + 10ms);
  CHECK(f.fired == numbers{1, 5, 2, 3});
  CHECK(f.wheel.size() == 1);
  CHECK(f.wheel.next() == start + 11ms);
}

TEST_CASE("an entry may insert itself again", "[timing_wheel]") {
  fixture f;
  timer every_ten{1};
  auto due = 10ms;
  static_cast<void>(f.insert(every_ten, due));
  f.and_then = [&](timer& self) {
    due += 10ms;
    static_cast<void>(f.insert(self, due));
  };
  f.expire(start + 10ms);
  CHECK(f.fired.size() == 1);
  f.expire(start + 55ms); // it catches up
  CHECK(f.fired.size() == 5);
  CHECK(f.wheel.next() == start + 60ms);
}

TEST_CASE("an entry may end itself and others", "[timing_wheel]") {
  fixture f;
  auto first = std::make_unique<timer>(1);
  auto second = std::make_unique<timer>(2);
  auto third = std::make_unique<timer>(3);
  static_cast<void>(f.insert(*first, 5ms));
  static_cast<void>(f.insert(*second, 5ms));
  static_cast<void>(f.insert(*third, 5ms));
  f.and_then = [&](timer& due) {
    if (due.number == 1) {
      second.reset();
      first.reset();
    }
  };
  f.expire(start + 5ms);
  CHECK(f.fired == numbers{1, 3});
}

// -- when to wake up --------------------------------------------------------------

TEST_CASE("insert says whether the wake-up must be set anew [M7]", "[timing_wheel]") {
  fixture f;
  timer entries[8];
  CHECK(f.insert(entries[0], 1h));           // the first
  CHECK_FALSE(f.insert(entries[1], 1h));     // at the same time
  CHECK_FALSE(f.insert(entries[2], 2h));     // later
  CHECK(f.insert(entries[3], 1h - 1ms));     // a little sooner, in the same coarse slot
  CHECK(f.insert(entries[4], 3ms));          // much sooner
  CHECK_FALSE(f.insert(entries[5], 2001us)); // in the same slot as 3 ms
  CHECK(f.insert(entries[6], 0ms));          // at once
  CHECK_FALSE(f.insert(entries[7], -5s));    // can't be sooner
  CHECK(f.wheel.next() == start);
}

TEST_CASE("what will never be needs no wake-up", "[timing_wheel]") {
  fixture f;
  timer never, soon{1};
  CHECK_FALSE(f.wheel.insert(never, end_of_time));
  CHECK(f.wheel.size() == 1);
  CHECK(f.wheel.next() == end_of_time);
  CHECK(never.due() == end_of_time);
  CHECK(f.insert(soon, 1ms));
  f.wheel.expire(end_of_time, [&](wheel_entry& due) { CHECK(&due == &soon); });
  CHECK(never.linked());
  CHECK_FALSE(soon.linked());
}

TEST_CASE("a wheel with nothing in it has nothing to wake up for [M7]", "[timing_wheel]") {
  fixture f;
  CHECK(f.wheel.empty());
  CHECK(f.wheel.next() == end_of_time);
  timer entry;
  static_cast<void>(f.insert(entry, 5ms));
  CHECK(f.wheel.next() == start + 5ms);
  f.wheel.cancel(entry);
  CHECK(f.wheel.next() == end_of_time);
  f.expire(start + 100 * year);
  CHECK(f.wheel.next() == end_of_time);
  CHECK(f.fired.empty());
}

TEST_CASE("the wake-up is when the earliest is due, on every level [M7]", "[timing_wheel]") {
  fixture f;
  auto delay = GENERATE(values<timespan>({1ms, 63ms, 64ms, 1s, 1h, 24h, year, 100 * year}));
  timer entry, later;
  static_cast<void>(f.insert(later, delay + 1h));
  static_cast<void>(f.insert(entry, delay));
  CHECK(f.wheel.next() == start + delay);
  f.expire(start + delay - 1ms);
  CHECK(f.wheel.next() == start + delay);
}

TEST_CASE("after the earliest was cancelled the wake-up may be too soon but never too late",
          "[timing_wheel]") {
  fixture f;
  timer cancelled{1}, next{2};
  static_cast<void>(f.insert(cancelled, 1h));
  static_cast<void>(f.insert(next, 1h + 10ms)); // in the same coarse slot
  f.wheel.cancel(cancelled);
  CHECK(f.wheel.next() >= start + 1h);
  CHECK(f.wheel.next() <= start + 1h + 10ms);
  f.expire(f.wheel.next());
  CHECK(f.wheel.next() == start + 1h + 10ms);
  f.expire(f.wheel.next());
  CHECK(f.fired == numbers{2});
}

TEST_CASE("after the earliest was cancelled out of a slot of its own the wake-up is exact",
          "[timing_wheel]") {
  fixture f;
  timer cancelled, next;
  static_cast<void>(f.insert(cancelled, 5ms));
  static_cast<void>(f.insert(next, 1h));
  f.wheel.cancel(cancelled);
  CHECK(f.wheel.next() == start + 1h);
}

// -- the ends of time -------------------------------------------------------------

TEST_CASE("times before the wheel's beginning count as that", "[timing_wheel]") {
  fixture f;
  timer old{1}, ancient{2};
  CHECK(f.wheel.insert(old, start - 1h));
  CHECK_FALSE(f.wheel.insert(ancient, instant::min()));
  CHECK(f.wheel.next() == start);
  f.expire(start);
  CHECK(f.fired == numbers{1, 2});
}

TEST_CASE("time that goes backwards changes nothing", "[timing_wheel]") {
  fixture f;
  timer entry{1};
  f.expire(start + 10s);
  static_cast<void>(f.insert(entry, 11s));
  f.expire(start + 1s);
  f.expire(instant::min());
  CHECK(f.fired.empty());
  CHECK(f.wheel.next() == start + 11s);
  f.expire(start + 11s);
  CHECK(f.fired == numbers{1});
}

TEST_CASE("a wheel may begin and go anywhere on the line of time", "[timing_wheel]") {
  auto from = GENERATE(values<instant>({instant::min(), instant::min() + 1ms, instant{-1ns},
                                        instant{}, instant{1ns}, end_of_time - 1s}));
  CAPTURE(from.time_since_epoch().count());
  timing_wheel wheel{from};
  timer at_once{1}, soon{2}, last{3}, never{4};
  numbers fired;
  const auto note = [&](wheel_entry& due) { fired.push_back(static_cast<timer&>(due).number); };
  const auto latest = end_of_time - 1ms;
  static_cast<void>(wheel.insert(never, end_of_time));
  static_cast<void>(wheel.insert(last, latest));
  static_cast<void>(wheel.insert(soon, from + 5ms));
  static_cast<void>(wheel.insert(at_once, from));
  CHECK(at_once.due() - from < 1ms);
  CHECK(wheel.next() - from < 1ms);
  wheel.expire(from, note);
  wheel.expire(from + 4ms, note);
  CHECK(fired == numbers{1});
  wheel.expire(from + 6ms, note);
  CHECK(fired == numbers{1, 2});
  CHECK(wheel.next() >= latest);
  CHECK(wheel.next() < end_of_time);
  wheel.expire(latest - 1ns, note);
  CHECK(fired == numbers{1, 2});
  wheel.expire(end_of_time, note);
  CHECK(fired == numbers{1, 2, 3});
}

// -- what it costs ----------------------------------------------------------------

TEST_CASE("a wheel that never held anything owns nothing", "[timing_wheel]") {
  const auto before = allocations;
  timing_wheel wheel{start};
  wheel.expire(start + 1h, [](wheel_entry&) {});
  static_cast<void>(wheel.next());
  timer entry;
  static_cast<void>(wheel.insert(entry, start + 1h)); // due at once: no level needed
  wheel.expire(start + 1h, [](wheel_entry&) {});
  CHECK(allocations == before);
  CHECK(sizeof(timing_wheel) <= 128);
  CHECK(sizeof(wheel_entry) <= 48);
}

TEST_CASE("levels are allocated once and entries never", "[timing_wheel]") {
  timing_wheel wheel{start};
  timer entries[100];
  const auto before = allocations;
  static_cast<void>(wheel.insert(entries[0], start + 10ms));
  CHECK(allocations == before + 1);
  for (auto round = 0; round < 10; ++round) {
    for (auto& each : entries) {
      wheel.cancel(each);
      static_cast<void>(wheel.insert(each, start + 200 * year));
    }
  }
  CHECK(allocations <= before + 8);
}

TEST_CASE("where there is no memory for a level nothing has changed", "[timing_wheel]") {
  fixture f;
  timer fits{1}, refused_one{2};
  static_cast<void>(f.insert(fits, 5ms));
  refused = true;
  CHECK_THROWS_AS(f.insert(refused_one, 1h), std::bad_alloc);
  refused = false;
  CHECK_FALSE(refused_one.linked());
  CHECK(f.wheel.size() == 1);
  CHECK(f.wheel.next() == start + 5ms);
  CHECK_FALSE(f.insert(refused_one, 1h));
  f.expire(start + 1h);
  CHECK(f.fired == numbers{1, 2});
}
