#include "curve.hpp"

#include "load.hpp"
#include "measure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>

namespace bench {

namespace {

constexpr std::size_t slice = 30'000;
const std::vector<std::size_t> in_flight{1, 4, 16, 64, 256, 1024, 4096, 16384};

struct line {
  std::string name;
  std::string colour;
  std::vector<double> nanoseconds;
};

std::vector<line> measure() {
  system_of system{1};
  bulwark::node node{*system};
  auto target = system->spawn(increment);
  auto guard = node.guard("target", target, everything());
  auto chain = target;
  for (auto i = 0; i < 4; ++i)
    chain = system->spawn(naive_proxy, chain);
  std::vector<line> lines{{"four proxies with timeouts", "#b3261e", {}},
                          {"CAF request, 1 s timeout", "#b26a00", {}},
                          {"guarded by everything", "#0b57d0", {}},
                          {"bare CAF request", "#5f6368", {}}};
  for (auto count : in_flight) {
    progress(fmt::format("curve: {} in flight", count));
    const auto many = std::max(std::size_t{1}, count / 4);
    const auto each = std::min<std::size_t>(count, 4);
    callers naive{*system, {chain}, many, each};
    callers timed{*system, {target}, many, each, timing::one_second};
    callers guarded{*system, {guard}, many, each};
    callers bare{*system, {target}, many, each};
    // The dear ones get fewer calls; the least of three says what it costs undisturbed.
    const auto least = [&](callers& who, std::size_t calls) {
      calls = std::max(calls, many);
      return std::min({who.run(calls), who.run(calls), who.run(calls)});
    };
    lines[0].nanoseconds.push_back(least(naive, slice / 10));
    lines[1].nanoseconds.push_back(least(timed, slice / 3));
    lines[2].nanoseconds.push_back(least(guarded, slice));
    lines[3].nanoseconds.push_back(least(bare, slice));
  }
  return lines;
}

// -- drawing: both axes logarithmic ------------------------------------------------------

constexpr double left = 70;
constexpr double top = 20;
constexpr double width = 520;
constexpr double height = 300;
constexpr double lowest = 100;      // ns
constexpr double highest = 100'000; // ns

double x_of(std::size_t count) {
  return left + width * std::log2(static_cast<double>(count)) / 14;
}

double y_of(double nanoseconds) {
  const auto share =
      std::log10(std::clamp(nanoseconds, lowest, highest) / lowest) / std::log10(highest / lowest);
  return top + height * (1 - share);
}

std::string axes() {
  std::string result;
  for (auto [value, text] : std::map<double, std::string>{
           {100, "100 ns"}, {1'000, "1 µs"}, {10'000, "10 µs"}, {100'000, "100 µs"}})
    result += fmt::format("<path d='M{} {} h{}' stroke='#dadce0'/><text x='{}' y='{}' "
                          "text-anchor='end'>{}</text>\n",
                          left, y_of(value), width, left - 8, y_of(value) + 4, text);
  for (auto count : in_flight)
    result += fmt::format("<text x='{}' y='{}' text-anchor='middle'>{}</text>\n", x_of(count),
                          top + height + 18, count);
  return result
         + fmt::format("<text x='{}' y='{}' text-anchor='middle'>calls in flight</text>\n",
                       left + width / 2, top + height + 38);
}

std::string drawn(const line& what) {
  std::string points;
  for (std::size_t i = 0; i < in_flight.size(); ++i)
    points += fmt::format("{:.1f},{:.1f} ", x_of(in_flight[i]), y_of(what.nanoseconds[i]));
  return fmt::format("<polyline points='{}' fill='none' stroke='{}' stroke-width='2.5'/>\n"
                     "<text x='{}' y='{:.1f}' fill='{}'>{}</text>\n",
                     points, what.colour, left + width + 8, y_of(what.nanoseconds.back()) + 4,
                     what.colour, what.name);
}

} // namespace

void draw_curve(const std::string& file) {
  std::string body = axes();
  for (const auto& each : measure())
    body += drawn(each);
  std::ofstream{file} << fmt::format(
      "<svg xmlns='http://www.w3.org/2000/svg' width='800' height='380' "
      "font-family='sans-serif' font-size='13' fill='#3c4043'>\n"
      "<rect width='800' height='380' fill='white'/>\n{}</svg>\n",
      body);
}

} // namespace bench
