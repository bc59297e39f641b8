#include "bulwark/restarts.hpp"

#include "support/catch.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

/// @file Supervision of targets against what is said of it in other words: who must be up is worked
/// out from the strategy's name, how often was restarted lately from a list of all restarts.

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

template <class T>
T any(T low, T high) {
  return *rc::gen::resize(100, rc::gen::inRange<T>(low, static_cast<T>(high + 1)));
}

restart_policy any_policy() {
  return {.strategy = static_cast<restart_strategy>(any(0, 2)),
          .intensity = any(0U, 6U),
          .period = 1s * any(1, 5),
          .min_backoff = 10ms * any(0, 5),
          .max_backoff = 50ms + 100ms * any(0, 10),
          .random_share = any(0, 2) / 2.0,
          .reset_after = 500ms * any(0, 6)};
}

std::set<std::uint32_t> concerned(restart_strategy strategy, std::uint32_t which,
                                  std::uint32_t size) {
  std::set<std::uint32_t> result;
  for (std::uint32_t i = 0; i < size; ++i)
    if (i == which || strategy == restart_strategy::one_for_all
        || (strategy == restart_strategy::rest_for_one && i > which))
      result.insert(i);
  return result;
}

// The wait without chance after `before` restarts in a row, by the words of the policy.
timespan plain_wait(const restart_policy& policy, std::size_t before) {
  auto wait = policy.min_backoff;
  for (; before > 0 && wait < policy.max_backoff; --before)
    wait = std::min(wait * 2, policy.max_backoff);
  return wait;
}

} // namespace

TEST_CASE("who is stopped and made anew, when, and after how many that ends [U1] [U2] [U3]",
          "[restarts]") {
  auto restarted = 0;
  auto gave_up = 0;
  CHECK(rc::check("core and words agree", [&] {
    const auto policy = any_policy();
    RC_ASSERT(find_mistakes(policy).empty());
    const auto size = any(1U, 6U);
    auto now = instant{1s};
    restarts core{policy, size, any<std::uint64_t>(0, 1000), now};
    std::set<std::uint32_t> down;
    std::vector<instant> all_restarts;
    auto in_a_row = std::size_t{0};
    auto all_up_since = now;
    auto over = false;
    for (auto steps = any(1, 60); steps > 0; --steps) {
      now += 1ms * (any(0, 3) == 0 ? any(0, 4000) : any(0, 100));
      if (core.due() <= now) {
        const auto made = core.start(now);
        RC_ASSERT(!over);
        RC_ASSERT(std::is_sorted(made.begin(), made.end()));
        RC_ASSERT(std::set(made.begin(), made.end()) == down);
        RC_ASSERT(!down.empty());
        down.clear();
        all_up_since = now;
        continue;
      }
      RC_ASSERT(core.start(now).empty());
      const auto which = any(0U, size - 1);
      const auto waiting = !down.empty();
      const auto was_down = over || down.contains(which);
      const auto due_before = core.due();
      const auto decision = core.on_end(which, now);
      if (was_down) {
        RC_ASSERT(decision.stop.empty());
        RC_ASSERT(!decision.gives_up);
        RC_ASSERT(core.due() == due_before);
        continue;
      }
      const auto lately = std::count_if(all_restarts.begin(), all_restarts.end(),
                                        [&](instant each) { return now - each < policy.period; });
      const auto must_give_up = !waiting && lately >= static_cast<std::ptrdiff_t>(policy.intensity);
      auto must_stop =
          concerned(must_give_up ? restart_strategy::one_for_all : policy.strategy, which, size);
      for (auto each : down)
        must_stop.erase(each);
      down.insert(must_stop.begin(), must_stop.end());
      must_stop.erase(which);
      down.insert(which);
      RC_ASSERT(decision.gives_up == must_give_up);
      RC_ASSERT(std::set(decision.stop.begin(), decision.stop.end()) == must_stop);
      RC_ASSERT(std::is_sorted(decision.stop.rbegin(), decision.stop.rend()));
      over = must_give_up;
      gave_up += over ? 1 : 0;
      RC_ASSERT(core.gave_up() == over);
      if (over || waiting) {
        RC_ASSERT(core.due() == (over ? end_of_time : due_before));
        continue;
      }
      if (now - all_up_since >= policy.reset_after)
        in_a_row = 0;
      const auto wait = plain_wait(policy, in_a_row++);
      const auto most = wait
                        + timespan{static_cast<timespan::rep>(static_cast<double>(wait.count())
                                                              * policy.random_share)};
      RC_ASSERT(core.due() >= now + wait);
      RC_ASSERT(core.due() <= now + most);
      RC_ASSERT(decision.start_at == core.due());
      all_restarts.push_back(now);
      ++restarted;
      RC_ASSERT(core.count() == all_restarts.size());
      for (std::uint32_t i = 0; i < size; ++i)
        RC_ASSERT(core.is_up(i) == !down.contains(i));
    }
  }));
  CHECK(restarted > 100);
  CHECK(gave_up > 20);
}

TEST_CASE("what is out of range in a restart policy is named [U4]", "[restarts]") {
  CHECK(find_mistakes(restart_policy{}).empty());
  const auto mistakes = find_mistakes(restart_policy{.strategy = static_cast<restart_strategy>(3),
                                                     .intensity = 1'000'001,
                                                     .period = 0s,
                                                     .min_backoff = 2s,
                                                     .max_backoff = 1s,
                                                     .random_share = 1.5,
                                                     .reset_after = -1s});
  CHECK(mistakes.size() == 6);
  CHECK(to_string(mistakes).find("restart.max_backoff is 1s, permitted: 2s ..")
        != std::string::npos);
  CHECK(to_string(restart_strategy::rest_for_one) == "rest_for_one");
}
