#include "bulwark/reply_cache.hpp"

#include "support/catch.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <string>
#include <vector>

/// @file The cache against a list that is searched from end to end.

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

template <class T>
T any(T low, T high) {
  return *rc::gen::resize(100, rc::gen::inRange<T>(low, static_cast<T>(high + 1)));
}

// All that was ever put, and when it was last asked for: what is to be had is worked out anew for
// each question.
class naive_cache {
public:
  explicit naive_cache(const reply_sharing_limits& limits) : limits_(limits) {}

  const int* look(const std::string& key, instant now, timespan life) {
    auto* found = static_cast<kept*>(nullptr);
    for (auto& each : all_)
      if (each.key == key && !each.gone)
        found = &each;
    if (found == nullptr || now >= found->since + life)
      return nullptr;
    found->used = ++uses_;
    return &found->value;
  }

  void put(const std::string& key, int value, instant now) {
    for (auto& each : all_)
      if (each.key == key || now >= each.since + limits_.fresh_for + limits_.stale_for)
        each.gone = true;
    if (size() == limits_.max_entries) {
      auto* last = static_cast<kept*>(nullptr);
      for (auto& each : all_)
        if (!each.gone && (last == nullptr || each.used < last->used))
          last = &each;
      last->gone = true;
    }
    all_.push_back({key, value, now, ++uses_});
  }

  std::size_t size() const {
    return static_cast<std::size_t>(
        std::count_if(all_.begin(), all_.end(), [](const kept& each) { return !each.gone; }));
  }

private:
  struct kept {
    std::string key;
    int value;
    instant since;
    int used;
    bool gone = false;
  };

  reply_sharing_limits limits_;
  std::vector<kept> all_;
  int uses_ = 0;
};

} // namespace

TEST_CASE("in every history the cache has what a list has that is searched [F1] [F2] [F3]",
          "[reply_cache]") {
  auto fresh = 0;
  auto stale = 0;
  auto none = 0;
  CHECK(rc::check("cache and list agree", [&] {
    const auto limits = reply_sharing_limits{
        .fresh_for = 1ms * any(0, 30), .stale_for = 1ms * any(0, 60), .max_entries = any(1U, 6U)};
    RC_ASSERT(find_mistakes(limits).empty());
    reply_cache<int> core{limits, {.first = any<std::uint64_t>(0, 9), .second = 7}};
    naive_cache list{limits};
    auto now = instant{1s};
    for (auto steps = any(1, 300); steps > 0; --steps) {
      now += any(0, 3) == 0 ? 1ms * any(0, 20) : 0ms;
      const auto key =
          std::string(static_cast<std::size_t>(any(0, 2)), '\0') + std::to_string(any(0, 3));
      const auto same = [&](const int* is, const int* must_be) {
        RC_ASSERT((is == nullptr) == (must_be == nullptr));
        if (is != nullptr)
          RC_ASSERT(*is == *must_be);
        return is != nullptr;
      };
      switch (any(0, 2)) {
      case 0:
        (same(core.fresh(key, now), list.look(key, now, limits.fresh_for)) ? fresh : none)++;
        break;
      case 1:
        (same(core.stale(key, now), list.look(key, now, limits.fresh_for + limits.stale_for))
             ? stale
             : none)++;
        break;
      default:
        core.put(key, steps, now);
        list.put(key, steps, now);
        RC_ASSERT(core.size() == list.size());
      }
      RC_ASSERT(core.size() <= limits.max_entries);
    }
  }));
  CHECK(fresh > 200);
  CHECK(stale > 300);
  CHECK(none > 1000);
}

TEST_CASE("the cache stays within its bound under a million keys, and what is too old goes [F3]",
          "[reply_cache]") {
  reply_cache<int> core{{.fresh_for = 1s, .stale_for = 1s, .max_entries = 100}, {}};
  for (auto i = 0; i < 1'000'000; ++i)
    core.put("key " + std::to_string(i), i, instant{});
  CHECK(core.size() == 100);
  CHECK(core.fresh("key 999900", instant{}) != nullptr);
  CHECK(core.fresh("key 999899", instant{}) == nullptr);
  CHECK(core.stale("key 999999", instant{2s} - 1ns) != nullptr);
  CHECK(core.stale("key 999999", instant{2s}) == nullptr);
  CHECK(core.size() == 0);
}

TEST_CASE("what is out of range in a policy for sharing replies is named [F4]", "[reply_cache]") {
  CHECK(find_mistakes(reply_sharing_limits{}).empty());
  const auto mistakes = find_mistakes(reply_sharing_limits{
      .fresh_for = -1ns, .stale_for = -1ns, .max_entries = 0, .max_key_size = 0});
  CHECK(mistakes.size() == 4);
  CHECK(to_string(mistakes).find("reply_sharing.max_entries is 0, permitted: 1 .. 16777216")
        != std::string::npos);
}
