#include "bulwark/replica_set.hpp"

#include "support/catch.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

/// @file The choice between replicas against what is said of it in other words: a list of all that
/// ever happened, from which each ejection is worked out anew.

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

struct ended {
  std::uint32_t replica;
  bool success;
  instant when;
  bool used_up = false; // an ejection came of it: it counts for no other
};

// What happened, kept whole. Whether somebody is left out is counted from the list, never updated.
class naive_replicas {
public:
  naive_replicas(const replica_policy& policy, std::uint32_t size, instant now)
      : policy_(policy), lost_(size), out_(size), interval_began_(now) {}

  void end(std::uint32_t replica, bool success, instant now) {
    pass(now);
    history_.push_back({replica, success, now});
    if (!success && policy_.consecutive_failures > 0
        && failures_in_a_row(replica) >= policy_.consecutive_failures)
      leave_out(replica, now);
  }

  void pass(instant now) {
    if (now - interval_began_ < policy_.interval)
      return;
    compare(now);
    for (auto& each : out_)
      if (each.until <= now && each.interval != interval_ && each.lately > 0)
        --each.lately;
    interval_began_ = now;
    ++interval_;
    history_interval_ = history_.size();
  }

  void lose(std::uint32_t replica) { lost_[replica] = true; }

  void return_new(std::uint32_t replica) {
    lost_[replica] = false;
    out_[replica] = {};
    std::erase_if(history_, [&](const ended& each) { return each.replica == replica; });
    // What was erased lay perhaps before the interval.
    history_interval_ = static_cast<std::size_t>(
        std::count_if(history_.begin(), history_.end(),
                      [&](const ended& each) { return each.when < interval_began_; }));
  }

  [[nodiscard]] bool is_out(std::uint32_t replica, instant now) const {
    return !lost_[replica] && now < out_[replica].until;
  }
  [[nodiscard]] bool is_lost(std::uint32_t replica) const { return lost_[replica]; }

  [[nodiscard]] bool panics(instant now) const {
    auto well = 0;
    for (std::uint32_t i = 0; i < lost_.size(); ++i)
      well += !lost_[i] && !is_out(i, now) ? 1 : 0;
    return well < policy_.panic_below * static_cast<double>(lost_.size());
  }

  // Those who may be chosen, of the best kind that there is.
  [[nodiscard]] std::set<std::uint32_t> permitted(const std::vector<std::uint32_t>& tried,
                                                  instant now) const {
    auto rank = [&](std::uint32_t i) {
      const auto out = is_out(i, now) && !panics(now);
      const auto again = std::find(tried.begin(), tried.end(), i) != tried.end();
      return (again ? 2 : 0) + (out ? 1 : 0);
    };
    auto best = 4;
    for (std::uint32_t i = 0; i < lost_.size(); ++i)
      best = lost_[i] ? best : std::min(best, rank(i));
    std::set<std::uint32_t> result;
    for (std::uint32_t i = 0; i < lost_.size(); ++i)
      if (!lost_[i] && rank(i) == best)
        result.insert(i);
    return result;
  }

private:
  struct left_out {
    instant until{};
    std::uint32_t interval = 0; // in which it was left out last
    std::uint32_t lately = 0;
  };

  [[nodiscard]] std::uint32_t failures_in_a_row(std::uint32_t replica) const {
    auto result = 0U;
    for (auto i = history_.size(); i-- > 0;) {
      const auto& each = history_[i];
      if (each.replica != replica)
        continue;
      if (each.success || each.used_up)
        break;
      ++result;
    }
    return result;
  }

  void leave_out(std::uint32_t replica, instant now) {
    auto others = 0U;
    for (std::uint32_t i = 0; i < lost_.size(); ++i)
      others += is_out(i, now) ? 1 : 0;
    const auto most = std::max(
        1U, static_cast<std::uint32_t>(policy_.max_ejected * static_cast<double>(lost_.size())));
    auto& which = out_[replica];
    if (now < which.until || others + 1 > most)
      return;
    ++which.lately;
    which.interval = interval_;
    which.until = now + std::min(policy_.max_ejection, policy_.base_ejection * which.lately);
    for (auto& each : history_)
      each.used_up = each.used_up || each.replica == replica;
  }

  void compare(instant now) {
    if (policy_.deviation <= 0)
      return;
    std::vector<std::pair<std::uint32_t, double>> shares;
    for (std::uint32_t i = 0; i < lost_.size(); ++i) {
      auto calls = 0U;
      auto good = 0U;
      for (auto k = history_interval_; k < history_.size(); ++k) {
        calls += history_[k].replica == i ? 1 : 0;
        good += history_[k].replica == i && history_[k].success ? 1 : 0;
      }
      if (calls >= policy_.minimum_calls)
        shares.emplace_back(i, static_cast<double>(good) / calls);
    }
    if (shares.size() < policy_.minimum_replicas)
      return;
    const auto count = static_cast<double>(shares.size());
    auto mean = 0.0;
    for (const auto& each : shares)
      mean += each.second / count;
    auto variance = 0.0;
    for (const auto& each : shares)
      variance += (each.second - mean) * (each.second - mean) / count;
    const auto least = mean - policy_.deviation * std::sqrt(variance);
    for (const auto& each : shares)
      if (each.second < least - 1e-9) // more than a rounding
        leave_out(each.first, now);
  }

  replica_policy policy_;
  std::vector<bool> lost_;
  std::vector<left_out> out_;
  std::vector<ended> history_;
  std::size_t history_interval_ = 0;
  std::uint32_t interval_ = 1;
  instant interval_began_;
};

template <class T>
T any(T low, T high) {
  return *rc::gen::resize(100, rc::gen::inRange<T>(low, static_cast<T>(high + 1)));
}

std::uint64_t as_bits(const std::vector<std::uint32_t>& tried) {
  auto result = std::uint64_t{0};
  for (auto each : tried)
    result |= replica_set::bit_of(each);
  return result;
}

replica_policy any_policy() {
  return {.consecutive_failures = any(0U, 4U),
          .deviation = any(0, 1) * (any(5, 19) / 10.0 + 0.05), // no share lies just there
          .minimum_replicas = any(2U, 4U),
          .minimum_calls = any(1U, 5U),
          .interval = 10ms * any(1, 20),
          .base_ejection = 10ms * any(1, 30),
          .max_ejection = 300ms + 10ms * any(0, 30),
          .max_ejected = any(0, 4) / 4.0,
          .panic_below = any(0, 4) / 4.0};
}

} // namespace

TEST_CASE("who may be chosen is who is there, not left out and not tried, worked out from all that "
          "happened [H1] [H2]",
          "[replica_set]") {
  auto ejections = 0;
  CHECK(rc::check("core and list agree", [&] {
    const auto policy = any_policy();
    RC_ASSERT(find_mistakes(policy).empty());
    const auto size = any(1U, 8U);
    auto now = instant{1s};
    replica_set core{policy, size, now};
    naive_replicas list{policy, size, now};
    random_stream random{any<std::uint64_t>(0, 1'000'000)};
    // Of what some are worse: else shares never differ.
    const auto bad = any(0U, size);
    for (auto steps = any(1, 200); steps > 0; --steps) {
      now += 1ms * (any(0, 9) == 0 ? any(0, 400) : any(0, 4)) + 1us;
      const auto which = any(0U, size - 1);
      switch (any(0, 12)) {
      case 0:
        core.on_lost(which);
        list.lose(which);
        break;
      case 1:
        if (list.is_lost(which)) {
          core.on_back(which);
          list.return_new(which);
        }
        break;
      default: {
        std::vector<std::uint32_t> tried;
        for (auto i = any(0, 3); i > 0; --i)
          tried.push_back(any(0U, size - 1));
        const auto chosen = core.choose(as_bits(tried), random, now);
        list.pass(now);
        const auto permitted = list.permitted(tried, now);
        RC_ASSERT(chosen.has_value() != permitted.empty());
        RC_ASSERT(core.panics(now) == list.panics(now));
        if (!chosen)
          break;
        RC_ASSERT(permitted.contains(*chosen));
        core.on_start(*chosen);
        const auto success = any(0, 9) < (*chosen < bad ? 3 : 9);
        core.on_end(*chosen, success ? replica_outcome::succeeded : replica_outcome::failed,
                    1us * any(1, 5000), now);
        list.end(*chosen, success, now);
      }
      }
      for (std::uint32_t i = 0; i < size; ++i) {
        const auto stats = core.stats(i, now);
        RC_ASSERT(stats.ejected == list.is_out(i, now));
        RC_ASSERT(stats.started == stats.succeeded + stats.failed);
        RC_ASSERT(stats.in_flight == 0U);
        ejections += stats.ejected ? 1 : 0;
      }
    }
  }));
  CHECK(ejections > 100);
}

TEST_CASE("a replica that is twice as slow gets less, one that fails fast doesn't attract calls "
          "[H3]",
          "[replica_set]") {
  const auto calls = 20'000;
  // Each call takes its time; what is under way at the same time is about ten calls.
  const auto spread = [&](auto latency_of, auto succeeds) {
    replica_set core{{.consecutive_failures = 0, .deviation = 0}, 4, instant{}};
    random_stream random{7};
    std::vector<std::tuple<instant, std::uint32_t, timespan>> under_way;
    auto now = instant{};
    for (auto i = 0; i < calls; ++i) {
      now += 100us;
      std::erase_if(under_way, [&](const auto& each) {
        const auto [due, which, took] = each;
        if (due > now)
          return false;
        core.on_end(which, succeeds(which) ? replica_outcome::succeeded : replica_outcome::failed,
                    took, now);
        return true;
      });
      const auto chosen = core.choose(0, random, now).value();
      core.on_start(chosen);
      under_way.emplace_back(now + latency_of(chosen), chosen, latency_of(chosen));
    }
    std::vector<double> shares;
    for (std::uint32_t each = 0; each < core.size(); ++each)
      shares.push_back(static_cast<double>(core.stats(each, now).started) / calls);
    return shares;
  };
  const auto all_well = [](std::uint32_t) { return true; };
  const auto alike = spread([](std::uint32_t) { return timespan{1ms}; }, all_well);
  for (auto each : alike)
    CHECK(each == Approx(0.25).margin(0.03));
  const auto slow = spread(
      [](std::uint32_t which) { return which == 0 ? timespan{2ms} : timespan{1ms}; }, all_well);
  CHECK(slow[0] < 0.18);
  const auto failing =
      spread([](std::uint32_t which) { return which == 0 ? timespan{10us} : timespan{1ms}; },
             [](std::uint32_t which) { return which != 0; });
  CHECK(failing[0] < 0.25);
}

TEST_CASE("one that looked bad and has nothing to do is tried again after a time [H3]",
          "[replica_set]") {
  auto now = instant{};
  replica_set core{{.latency_memory = 1s}, 3, now};
  random_stream random{3};
  for (std::uint32_t i = 0; i < core.size(); ++i) {
    core.on_start(i);
    core.on_end(i, i == 1 ? replica_outcome::failed : replica_outcome::succeeded, 1ms, now);
  }
  const auto chosen_in = [&](timespan length) {
    auto result = 0;
    for (const auto until = now + length; now < until; now += 10ms) {
      const auto which = core.choose(0, random, now).value();
      result += which == 1 ? 1 : 0;
      core.on_start(which);
      core.on_end(which, replica_outcome::succeeded, 1ms, now);
    }
    return result;
  };
  CHECK(chosen_in(500ms) == 0);
  CHECK(chosen_in(10s) > 100);
}

TEST_CASE("an ejection gets longer each time and shorter again with quiet intervals [H2]",
          "[replica_set]") {
  const auto policy = replica_policy{.consecutive_failures = 1,
                                     .deviation = 0,
                                     .interval = 1s,
                                     .base_ejection = 10s,
                                     .max_ejection = 25s,
                                     .panic_below = 0};
  auto now = instant{};
  replica_set core{policy, 2, now};
  const auto length_of_next = [&] {
    core.on_start(0);
    core.on_end(0, replica_outcome::failed, 1ms, now);
    const auto from = now;
    while (core.stats(0, now).ejected)
      now += 1ms;
    return now - from;
  };
  CHECK(length_of_next() == 10s);
  CHECK(length_of_next() == 20s);
  CHECK(length_of_next() == 25s);
  random_stream random{1};
  for (auto i = 0; i < 4; ++i) { // the first interval is that of the last ejection
    now += 1s;
    CHECK(core.choose(0, random, now).has_value());
  }
  CHECK(length_of_next() <= 20s);
}

TEST_CASE("replicas that all do as well as each other are never left out for it [H2]",
          "[replica_set]") {
  for (auto good : {1U, 33U, 70U, 99U, 100U}) {
    auto now = instant{};
    replica_set core{{.consecutive_failures = 0, .max_ejected = 1}, 7, now};
    random_stream random{1};
    for (auto calls = 0U; calls < 100; ++calls)
      for (std::uint32_t i = 0; i < core.size(); ++i) {
        core.on_start(i);
        core.on_end(i, calls < good ? replica_outcome::succeeded : replica_outcome::failed, 1ms,
                    now);
      }
    now += 10s;
    CHECK(core.choose(0, random, now).has_value());
    for (std::uint32_t i = 0; i < core.size(); ++i)
      CHECK_FALSE(core.stats(i, now).ejected);
  }
}

TEST_CASE("what is out of range in a replica policy is named [H4]", "[replica_set]") {
  CHECK(find_mistakes(replica_policy{}).empty());
  const auto mistakes = find_mistakes(replica_policy{.consecutive_failures = 2'000'000,
                                                     .deviation = -1,
                                                     .minimum_replicas = 1,
                                                     .minimum_calls = 0,
                                                     .interval = 0s,
                                                     .base_ejection = 10s,
                                                     .max_ejection = 9s,
                                                     .max_ejected = 1.5,
                                                     .panic_below = std::nan(""),
                                                     .latency_memory = 0s});
  CHECK(mistakes.size() == 9);
  CHECK(to_string(mistakes).find("replicas.max_ejection is 9s, permitted: 10s ..")
        != std::string::npos);
}
