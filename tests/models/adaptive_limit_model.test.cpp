#include "bulwark/adaptive_limit.hpp"

#include "support/catch.hpp"

#include <fmt/format.h>
#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <deque>
#include <map>
#include <ostream>
#include <utility>
#include <vector>

// The adaptive limit: on random histories of samples what must never happen, and with AIMD exactly
// what a few lines say; in front of a simulated target with a number of servers, what it finds.

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

struct command {
  int pause; // in half milliseconds
  latency_samples samples;
  bool felt;
};

std::ostream& operator<<(std::ostream& out, const command& x) {
  return out << fmt::format("\n  {} ms: {} in {} ms, {} dropped{}", x.pause * 0.5, x.samples.count,
                            x.samples.total.count() / 1'000'000, x.samples.dropped,
                            x.felt ? ", felt" : "");
}

rc::Gen<command> any_command() {
  return rc::gen::apply(
      [](int pause, std::uint32_t count, int each, std::uint32_t dropped, bool felt) {
        return command{.pause = pause,
                       .samples = {.first = {},
                                   .count = count,
                                   .total = count * std::chrono::milliseconds{each},
                                   .squares = count * 1e12 * each * each,
                                   .dropped = dropped},
                       .felt = felt};
      },
      rc::gen::inRange(0, 60), rc::gen::inRange<std::uint32_t>(0, 40), rc::gen::inRange(1, 100),
      rc::gen::weightedElement<std::uint32_t>({{5, 0}, {1, 1}, {1, 50}}),
      rc::gen::weightedElement<bool>({{2, true}, {1, false}}));
}

rc::Gen<adaptive_limit_policy> any_policy(limit_algorithm algorithm) {
  return rc::gen::apply(
      [=](std::uint32_t floor, std::uint32_t initial, double tolerance, double smoothing,
          int latency) {
        adaptive_limit_policy result{.algorithm = algorithm,
                                     .floor = floor,
                                     .initial = initial,
                                     .tolerance = tolerance,
                                     .smoothing = smoothing};
        if (latency > 0)
          result.latency_limit = std::chrono::milliseconds{latency};
        return result;
      },
      rc::gen::inRange<std::uint32_t>(1, 30), rc::gen::inRange<std::uint32_t>(1, 200),
      rc::gen::element(1.0, 1.5, 3.0), rc::gen::element(0.1, 0.5, 1.0), rc::gen::inRange(0, 80));
}

// What AIMD says, in its own words.
struct plain_aimd {
  adaptive_limit_policy policy;
  std::uint32_t ceiling;
  double limit;
  instant from;
  std::vector<latency_samples> window = {};
  bool felt = false;

  void on(const latency_samples& samples, bool waited, instant now) {
    felt = felt || waited;
    if (samples.first < from)
      return;
    window.push_back(samples);
    std::uint64_t count = 0;
    std::uint64_t dropped = 0;
    double total = 0;
    for (const auto& each : window) {
      count += each.count;
      dropped += each.dropped;
      total += static_cast<double>(each.total.count());
    }
    if (now < from + policy.window || count + dropped < 10)
      return;
    const auto mean = count == 0 ? 0.0 : total / static_cast<double>(count);
    const auto slow =
        policy.latency_limit && mean > static_cast<double>(policy.latency_limit->count());
    const auto before = std::floor(limit);
    if (slow || dropped * 10 > count + dropped)
      limit *= policy.decrease;
    else if (felt)
      limit += 1;
    limit = std::max(limit, static_cast<double>(std::min(policy.floor, ceiling)));
    limit = std::min(limit, static_cast<double>(ceiling));
    from = now;
    if (std::floor(limit) != before)
      from += timespan{static_cast<std::int64_t>(mean)};
    window.clear();
    felt = false;
  }
};

// -- a target that has so many servers ------------------------------------------------

struct simulated_target {
  double servers;
  double service; // mean, in seconds
  double load;    // calls that come, of what the servers could do
  bool exponential = true;
};

/// Calls come by chance, and start if the limit lets them, else they are refused. Ended ones are
/// told in batches of eight.
class experiment {
public:
  experiment(const adaptive_limit_policy& policy, std::uint32_t ceiling, std::uint64_t seed)
      : random_(seed), limit(policy, ceiling, instant{}, seed + 1) {}

  /// For that long.
  void run(const simulated_target& target, double length) {
    const auto until = now_ + length;
    while (now_ < until) {
      const auto next_call = now_ + exponential(target.service / (target.load * target.servers));
      while (!ends_.empty() && ends_.begin()->first <= next_call)
        end_one(target);
      now_ = next_call;
      if (in_flight_ >= limit.limit()) {
        felt_ = true;
        continue;
      }
      ++in_flight_;
      waiting_.push_back(now_);
      serve(target);
    }
  }

  double mean_limit(const simulated_target& target, double length) {
    double sum = 0;
    const auto steps = 1'000;
    for (auto i = 0; i < steps; ++i) {
      run(target, length / steps);
      sum += limit.limit();
    }
    return sum / steps;
  }

private:
  random_stream random_;
  double now_ = 0;
  std::uint32_t in_flight_ = 0;
  std::uint32_t busy_ = 0;
  std::deque<double> waiting_;         // begun, no server yet
  std::multimap<double, double> ends_; // when, and when it had begun
  bool felt_ = false;
  latency_samples batch_;

  double exponential(double mean) { return -mean * std::log(1 - random_.unit()); }

  void serve(const simulated_target& target) {
    while (busy_ < static_cast<std::uint32_t>(target.servers) && !waiting_.empty()) {
      ++busy_;
      const auto takes = target.exponential ? exponential(target.service)
                                            : target.service * (0.8 + 0.4 * random_.unit());
      ends_.emplace(now_ + takes, waiting_.front());
      waiting_.pop_front();
    }
  }

  void end_one(const simulated_target& target) {
    const auto [end, began] = *ends_.begin();
    ends_.erase(ends_.begin());
    now_ = end;
    --busy_;
    --in_flight_;
    const auto at = instant{timespan{static_cast<std::int64_t>(end * 1e9)}};
    if (batch_.count == 0)
      batch_.first = at;
    ++batch_.count;
    batch_.total += timespan{static_cast<std::int64_t>((end - began) * 1e9)};
    batch_.squares += (end - began) * (end - began) * 1e18;
    if (batch_.count == 8)
      limit.on_samples(std::exchange(batch_, {}), std::exchange(felt_, false), at);
    serve(target);
  }

public:
  adaptive_limit limit;
};

} // namespace

TEST_CASE("in every history the limit stays in its bounds and grows only where it was felt [B13] "
          "[B14]",
          "[adaptive_limit]") {
  std::uint64_t grown = 0;
  std::uint64_t shrunk = 0;
  CHECK(rc::check("bounds and reasons", [&] {
    for (auto i = 0; i < 10; ++i) {
      const auto policy =
          *any_policy(*rc::gen::element(limit_algorithm::gradient, limit_algorithm::aimd));
      RC_ASSERT(find_mistakes(policy).empty());
      const auto ceiling = *rc::gen::inRange<std::uint32_t>(1, 100);
      adaptive_limit limit{policy, ceiling, instant{}, 1};
      auto highest = limit.limit();
      instant now{};
      auto felt = false; // since it was never higher
      for (const auto& each :
           *rc::gen::scale(3.0, rc::gen::container<std::vector<command>>(any_command()))) {
        const auto before = limit.limit();
        auto samples = each.samples;
        samples.first = now;
        now += each.pause * 500us;
        felt = felt || each.felt;
        const auto told = limit.on_samples(samples, each.felt, now);
        RC_ASSERT(told == (limit.limit() != before));
        RC_ASSERT(limit.limit() <= ceiling);
        RC_ASSERT(limit.limit() >= std::min(policy.floor, ceiling));
        // After a measurement it may be again what it was; higher than ever only step by step.
        if (limit.limit() > highest) {
          ++grown;
          RC_ASSERT(felt);
          RC_ASSERT(limit.limit() - highest <= 1 + std::sqrt(highest));
          highest = limit.limit();
          felt = false;
        }
        shrunk += limit.limit() < before ? 1 : 0;
      }
    }
  }));
  if (std::getenv("RC_PARAMS") == nullptr) {
    CHECK(grown >= 100);
    CHECK(shrunk >= 100);
  }
}

TEST_CASE("in every history aimd is what its few lines say [B13]", "[adaptive_limit]") {
  CHECK(rc::check("limit and lines agree", [&] {
    for (auto i = 0; i < 10; ++i) {
      const auto policy = *any_policy(limit_algorithm::aimd);
      const auto ceiling = *rc::gen::inRange<std::uint32_t>(1, 300);
      adaptive_limit limit{policy, ceiling, instant{}, 1};
      plain_aimd plain{policy, ceiling, 0, instant{}};
      plain.limit = limit.limit();
      RC_ASSERT(limit.limit()
                == std::clamp(policy.initial, std::min(policy.floor, ceiling), ceiling));
      instant now{};
      for (const auto& each :
           *rc::gen::scale(3.0, rc::gen::container<std::vector<command>>(any_command()))) {
        auto samples = each.samples;
        samples.first = now;
        now += each.pause * 500us;
        limit.on_samples(samples, each.felt, now);
        plain.on(samples, each.felt, now);
        RC_ASSERT(limit.limit() == static_cast<std::uint32_t>(plain.limit));
      }
    }
  }));
}

TEST_CASE("calls that all time out after the same time bring the limit down to its floor [B15]",
          "[adaptive_limit]") {
  for (auto algorithm : {limit_algorithm::gradient, limit_algorithm::aimd}) {
    adaptive_limit limit{{.algorithm = algorithm, .floor = 3, .initial = 50}, 100, instant{}, 1};
    instant now{};
    for (auto i = 0; i < 100; ++i) {
      now += 1s;
      limit.on_samples({.first = now, .dropped = 10}, true, now);
    }
    CHECK(limit.limit() == 3);
  }
}

TEST_CASE("in front of an overloaded target the limit finds how many it can serve [B14]",
          "[adaptive_limit]") {
  constexpr auto seeds = 40;
  std::array<double, 3> sums{};
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    random_stream chance{seed};
    simulated_target target{.servers = std::floor(5 + 60 * chance.unit()),
                            .service = 0.002 + 0.05 * chance.unit(),
                            .load = 1.2 + 2 * chance.unit(),
                            .exponential = seed % 2 == 0};
    experiment all{
        {.initial = static_cast<std::uint32_t>(4 + 150 * chance.unit()), .remeasure = 2s},
        1'000,
        seed};
    const auto found_in = [&](const simulated_target& each, std::size_t which) {
      all.run(each, 10);
      const auto found = all.mean_limit(each, 4) / each.servers;
      CHECK(found > 0.6);
      CHECK(found < 5);
      sums.at(which) += found;
    };
    INFO("seed " << seed);
    // Fewer than all of its servers are too few; more wait for each other.
    found_in(target, 0);
    // Suddenly it takes three times as long: not because of a queue, so that the limit stays.
    // It doesn't take until the next time that it is measured to see that.
    all.limit.change_policy({.remeasure = 24h}, 1'000);
    all.run(target, 3);
    auto other = target;
    other.service *= 3;
    found_in(other, 1);
    // Two thirds of its servers are lost: that is a queue.
    other.servers = std::ceil(other.servers / 3);
    found_in(other, 2);
  }
  for (auto each : sums) {
    CHECK(each / seeds > 1.2);
    CHECK(each / seeds < 2.2);
  }
}
