#include "simulation/plan.hpp"

#include <array>
#include <chrono>
#include <cmath>

namespace bulwark_simulation {

namespace {

using namespace std::chrono_literals;

struct possibility {
  deed what;
  double weight;
};

/// What may be done to a world of these features.
std::vector<possibility> possibilities(const plan& of, random_stream& chance) {
  std::vector<possibility> result{{deed::call, 20}};
  const auto add = [&](feature needed, deed what, double most) {
    if (of.has(needed))
      result.push_back({what, most * chance.unit()});
  };
  add(feature::floods, deed::flood, 2);
  add(feature::cancels, deed::cancel, 4);
  add(feature::failing_targets, deed::change_target, 2);
  add(feature::hanging_targets, deed::change_target, 2);
  add(feature::dying_targets, deed::change_target, 1);
  add(feature::lying_targets, deed::change_target, 2);
  add(feature::pauses, deed::pause, 1);
  add(feature::crashes, deed::crash, 0.5);
  add(feature::cut_lines, deed::cut_line, 1);
  add(feature::broken_lines, deed::break_line, 1);
  add(feature::ending_guards, deed::end_guard, 1);
  add(feature::ending_parts, deed::end_part, 0.3);
  add(feature::policy_changes, deed::change_breaker, 1);
  add(feature::policy_changes, deed::change_bulkhead, 1);
  add(feature::policy_changes, deed::change_guard, 1);
  add(feature::operators, deed::operate, 1);
  return result;
}

deed choose(const std::vector<possibility>& among, random_stream& chance) {
  double total = 0;
  for (const auto& each : among)
    total += each.weight;
  auto at = chance.unit() * total;
  for (const auto& each : among) {
    at -= each.weight;
    if (at < 0)
      return each.what;
  }
  return deed::call;
}

} // namespace

timespan times(timespan tempo, double low, double high, random_stream& chance) {
  const auto factor = low * std::pow(high / low, chance.unit());
  return timespan{static_cast<std::int64_t>(static_cast<double>(tempo.count()) * factor)};
}

plan make_plan(std::uint64_t seed) {
  auto chance = stream_of(seed);
  plan result;
  result.seed = seed;
  // Each seed has its own share of the features: some few, some many.
  const auto share = 0.2 + 0.6 * chance.unit();
  auto later = stream_of(seed, 4); // what came later: what else a seed draws stays as it was
  for (unsigned i = 0; i < static_cast<unsigned>(feature::count_); ++i) {
    auto& from = i <= static_cast<unsigned>(feature::lying_targets) ? chance : later;
    result.features |= std::uint64_t{happens(from, share)} << i;
  }
  result.nodes = 1 + any(chance, 4);
  result.guards = 1 + any(chance, 3);
  result.tempo = times(1ms, 1, 10'000, chance);
  const auto gap = times(result.tempo, 0.03, 2, chance);
  const auto count = static_cast<std::uint32_t>(20 * std::pow(20.0, chance.unit()));
  const auto among = possibilities(result, chance);
  moment when = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    // As calls of many independent callers come.
    when += static_cast<moment>(-std::log(1 - chance.unit()) * static_cast<double>(gap.count()));
    result.actions.push_back({.when = when,
                              .what = choose(among, chance),
                              .node = any(chance, result.nodes),
                              .chance = chance.next()});
  }
  return result;
}

std::string to_string(feature which) {
  static constexpr std::array names{
      "shared parts",    "remote calls",    "statistics",      "functions",
      "drifting clocks", "late timers",     "slow mail",       "loss",
      "doubling",        "reordering",      "cut lines",       "broken lines",
      "pauses",          "crashes",         "owner crashes",   "policy changes",
      "operators",       "cancels",         "floods",          "ending guards",
      "ending parts",    "failing targets", "hanging targets", "dying targets",
      "hedging",         "lying targets",   "shedding",        "adaptive limits",
      "importances",     "tenants"};
  static_assert(names.size() == static_cast<std::size_t>(feature::count_));
  return names.at(static_cast<std::size_t>(which));
}

std::string to_string(deed what) {
  static constexpr std::array names{"call",         "flood",    "cancel",         "change target",
                                    "pause",        "crash",    "cut line",       "break line",
                                    "end guard",    "end part", "change breaker", "change bulkhead",
                                    "change guard", "operate"};
  return names.at(static_cast<std::size_t>(what));
}

} // namespace bulwark_simulation
