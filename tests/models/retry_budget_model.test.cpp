#include "bulwark/retry_budget.hpp"

#include "support/catch.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

// The budget against the list of all that ever happened: whether a retry may be taken is counted
// anew each time.

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

enum class event { call, spend, wait, look_back };

struct step {
  event what;
  unsigned choice;
};

std::ostream& operator<<(std::ostream& out, const step& each) {
  static constexpr const char* names[] = {"call", "spend", "wait", "look_back"};
  return out << names[static_cast<int>(each.what)] << '(' << each.choice << ')';
}

retry_budget_policy policy_of(unsigned choice) {
  static constexpr double ratios[] = {0.0, 0.1, 0.2, 0.29, 0.07, 1.0, 2.5};
  static constexpr double minima[] = {0.0, 0.1, 1.0, 3.7, 50.0};
  static constexpr timespan windows[] = {10ms, 15ms, 1s, 10s, 1h};
  return {.ratio = ratios[choice % 7],
          .min_per_second = minima[choice / 7 % 5],
          .window = windows[choice / 35 % 5]};
}

// All that happened, by its time.
class naive_budget {
public:
  explicit naive_budget(retry_budget_policy policy) : policy_(std::move(policy)) {}

  void on_call(instant now) { calls_.push_back(now); }

  bool try_spend(instant now) {
    // In whole millionths: exact for the ratios and minima above.
    const auto millionths = [](double x) { return std::llround(x * 1e6); };
    const auto with_this = within(retries_, now) + 1;
    // Each of them is of a call that earns nothing.
    const auto by_calls = millionths(policy_.ratio) * (within(calls_, now) - with_this);
    const auto microseconds = policy_.window / 1us;
    const auto by_time = millionths(policy_.min_per_second) * microseconds / 1'000'000;
    if (with_this * 1'000'000 > std::max(by_calls, by_time))
      return false;
    retries_.push_back(now);
    return true;
  }

  [[nodiscard]] std::size_t retries() const { return retries_.size(); }
  [[nodiscard]] std::size_t calls() const { return calls_.size(); }

private:
  retry_budget_policy policy_;
  std::vector<instant> calls_;
  std::vector<instant> retries_;

  // The tenth of a window that `now` is in, and the nine before it.
  [[nodiscard]] long long within(const std::vector<instant>& all, instant now) const {
    const auto tenth = policy_.window / 10;
    const auto first = (now.time_since_epoch() / tenth - 9) * tenth;
    return std::count_if(all.begin(), all.end(),
                         [&](instant each) { return each.time_since_epoch() >= first; });
  }
};

struct coverage {
  std::uint64_t taken = 0;
  std::uint64_t refused = 0;
};

void run(unsigned choice, const std::vector<step>& steps, coverage& met) {
  const auto policy = policy_of(choice);
  RC_ASSERT(find_mistakes(policy).empty());
  retry_budget budget{policy};
  naive_budget naive{policy};
  auto now = instant{} + 1h;
  auto latest = now - policy.window;
  for (const auto& each : steps) {
    if (each.what == event::call || each.what == event::spend)
      latest = now;
    switch (each.what) {
    case event::call:
      for (auto i = 0U; i <= each.choice % 40; ++i) {
        budget.on_call(now);
        naive.on_call(now);
      }
      break;
    case event::spend:
      for (auto i = 0U; i <= each.choice % 8; ++i) {
        const auto expected = naive.try_spend(now);
        RC_ASSERT((budget.available(now) > 0) == expected);
        RC_ASSERT(budget.try_spend(now) == expected);
        ++(expected ? met.taken : met.refused);
      }
      break;
    case event::wait: // up to two windows
      now += policy.window / 1'000 * static_cast<int>(each.choice % 2'000);
      break;
    case event::look_back: // another one's clock is behind
      budget.on_call(now - policy.window / 7);
      latest = std::max(latest, now - policy.window / 7);
      naive.on_call(latest);
      break;
    }
  }
  // Two windows later only the minimum is left.
  RC_ASSERT(
      budget.available(now + 2 * policy.window)
      == static_cast<std::uint64_t>(
          policy.min_per_second * std::chrono::duration<double>{policy.window}.count() + 1e-6));
}

} // namespace

TEST_CASE("a budget gives what all that happened in its window allows [T31]", "[retry_budget]") {
  coverage met;
  const auto any = rc::gen::noShrink(rc::gen::inRange(0U, 1U << 20U));
  const auto what = rc::gen::weightedElement<event>(
      {{4, event::call}, {4, event::spend}, {3, event::wait}, {1, event::look_back}});
  const auto steps = rc::gen::scale(
      3.0, rc::gen::container<std::vector<step>>(rc::gen::construct<step>(what, any)));
  CHECK(rc::check("a budget keeps its promises", [&] {
    for (auto i = 0; i < 16; ++i)
      run(*any, *steps, met);
  }));
  CAPTURE(met.taken, met.refused);
  if (std::getenv("RC_PARAMS") == nullptr) {
    CHECK(met.taken >= 10'000);
    CHECK(met.refused >= 10'000);
  }
}
