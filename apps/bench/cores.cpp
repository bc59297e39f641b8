// The cores alone, in nanoseconds.

#include "measure.hpp"

#include "bulwark/circuit_breaker.hpp"
#include "bulwark/timing_wheel.hpp"

#include <deque>
#include <map>
#include <random>

namespace bench {

namespace {

struct no_observer final : bulwark::circuit_observer {
  void on_transition(const bulwark::circuit_transition&) override {}
};

constexpr std::size_t rounds = 2'000'000;

figure breaker_core_ns(const std::string& id) {
  no_observer observer;
  auto now = bulwark::instant{std::chrono::hours{1}};
  bulwark::circuit_breaker breaker{{}, observer, now};
  return value(id, "ns", [&] {
    return time_of([&] {
             for (std::size_t i = 0; i < rounds; ++i) {
               now += std::chrono::nanoseconds{100};
               const auto decision = breaker.admit(now);
               breaker.on_success(std::get<bulwark::permit>(decision), now);
             }
           })
           / static_cast<double>(rounds);
  });
}

figure open_core_ns(const std::string& id) {
  no_observer observer;
  auto now = bulwark::instant{std::chrono::hours{1}};
  bulwark::circuit_breaker breaker{{.open_for = std::chrono::hours{24}}, observer, now};
  for (auto i = 0; i < 5; ++i)
    breaker.record_failure(now);
  std::size_t refused = 0;
  auto result = value(id, "ns", [&] {
    return time_of([&] {
             for (std::size_t i = 0; i < rounds; ++i) {
               now += std::chrono::nanoseconds{100};
               refused += std::holds_alternative<bulwark::rejection>(breaker.admit(now)) ? 1 : 0;
             }
           })
           / static_cast<double>(rounds);
  });
  return refused == rounds * 9 ? result : figure{.id = id};
}

constexpr std::size_t pending = 100'000;
constexpr std::size_t operations = 400'000;

// Random times within an hour, the same for both.
std::vector<bulwark::timespan> random_delays(std::size_t count) {
  std::mt19937_64 random{1};
  std::uniform_int_distribution<std::int64_t> delay{1'000'000, 3'600'000'000'000};
  std::vector<bulwark::timespan> result(count);
  for (auto& each : result)
    each = bulwark::timespan{delay(random)};
  return result;
}

figure wheel_vs_multimap(const std::string& id) {
  const auto start = bulwark::instant{std::chrono::hours{1}};
  const auto delays = random_delays(pending + operations);

  bulwark::timing_wheel wheel{start};
  std::deque<bulwark::wheel_entry> entries(pending);
  for (std::size_t i = 0; i < pending; ++i)
    static_cast<void>(wheel.insert(entries[i], start + delays[i]));
  bulwark::wheel_entry one;
  const auto of_wheel = [&] {
    return time_of([&] {
      for (std::size_t i = 0; i < operations; ++i) {
        static_cast<void>(wheel.insert(one, start + delays[pending + i]));
        wheel.cancel(one);
      }
    });
  };

  std::multimap<bulwark::instant, int> map;
  for (std::size_t i = 0; i < pending; ++i)
    map.emplace(start + delays[i], 0);
  const auto of_map = [&] {
    return time_of([&] {
      for (std::size_t i = 0; i < operations; ++i)
        map.erase(map.emplace(start + delays[pending + i], 0));
    });
  };
  return ratio(id, of_wheel, of_map);
}

} // namespace

std::vector<benchmark> core_benchmarks() {
  return {
      {"wheel_vs_multimap", "timing wheel against std::multimap, 100,000 pending", 1.0 / 20,
       1.0 / 50, true, wheel_vs_multimap},
      {"breaker_core_ns", "breaker core: permission and outcome, closed", 20, 10, true,
       breaker_core_ns},
      {"open_core_ns", "breaker core: rejection", 10, 10, true, open_core_ns},
  };
}

} // namespace bench
