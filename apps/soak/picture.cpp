#include "soak/picture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>

namespace soak {

namespace {

constexpr double left = 80;
constexpr double width = 600;
constexpr double height = 110;
constexpr double distance = 160; // from one panel to the next

struct line {
  std::string name;
  std::string colour;
  std::function<double(const sample&)> value;
};

struct panel {
  std::string title;
  std::vector<line> lines;
};

double milliseconds(bulwark::timespan span) {
  return std::chrono::duration<double, std::milli>{span}.count();
}

std::vector<panel> panels() {
  return {
      {"memory, MiB",
       {{"resident", "#0b57d0",
         [](const sample& x) { return static_cast<double>(x.used.memory) / 1024; }},
        {"heap in use", "#b26a00",
         [](const sample& x) { return static_cast<double>(x.used.heap) / 1024; }}}},
      {"descriptors and threads",
       {{"descriptors", "#0b57d0",
         [](const sample& x) { return static_cast<double>(x.used.descriptors); }},
        {"threads", "#b26a00",
         [](const sample& x) { return static_cast<double>(x.used.threads); }}}},
      {"latency of the steady calls, ms",
       {{"p50", "#0b57d0", [](const sample& x) { return milliseconds(x.p50); }},
        {"p99", "#b3261e", [](const sample& x) { return milliseconds(x.p99); }}}},
      {"answers a second",
       {{"answers", "#0b57d0", [](const sample& x) { return x.calls_per_second; }}}},
  };
}

// The first of 1, 2, 5, 10, … that nothing exceeds.
double round_above(double value) {
  for (auto decade = 1e-3;; decade *= 10)
    for (const auto step : {1, 2, 5})
      if (decade * step >= value)
        return decade * step;
}

std::string drawn(const panel& what, const std::vector<sample>& run, double top) {
  double most = 0;
  for (const auto& each : what.lines)
    for (const auto& x : run)
      most = std::max(most, each.value(x));
  most = round_above(most);
  const auto y_of = [&](double value) { return top + height * (1 - value / most); };
  auto result =
      fmt::format("<text x='{}' y='{}' font-weight='bold'>{}</text>\n", left, top - 8, what.title);
  for (const auto share : {0.0, 0.5, 1.0})
    result += fmt::format("<path d='M{} {} h{}' stroke='#dadce0'/>"
                          "<text x='{}' y='{}' text-anchor='end'>{:g}</text>\n",
                          left, y_of(share * most), width, left - 8, y_of(share * most) + 4,
                          share * most);
  auto name_at = top + 10;
  for (const auto& each : what.lines) {
    std::string points;
    for (const auto& x : run)
      points += fmt::format("{:.1f},{:.1f} ", left + width * x.seconds / run.back().seconds,
                            y_of(each.value(x)));
    result += fmt::format("<polyline points='{}' fill='none' stroke='{}' stroke-width='1.5'/>\n"
                          "<text x='{}' y='{}' fill='{}'>{}</text>\n",
                          points, each.colour, left + width + 8, name_at, each.colour, each.name);
    name_at += 18;
  }
  return result;
}

std::string minutes(const std::vector<sample>& run, double bottom) {
  std::string result;
  const auto all = run.back().seconds / 60;
  const auto step = round_above(all / 10);
  for (double at = 0; at <= all; at += step)
    result += fmt::format("<text x='{:.1f}' y='{}' text-anchor='middle'>{:g}</text>\n",
                          left + width * at / all, bottom, at);
  return result
         + fmt::format("<text x='{}' y='{}' text-anchor='middle'>minutes</text>\n",
                       left + width / 2, bottom + 20);
}

} // namespace

void draw(const std::string& file, const std::vector<sample>& run) {
  std::string body;
  double top = 30;
  for (const auto& each : panels()) {
    body += drawn(each, run, top);
    top += distance;
  }
  body += minutes(run, top - distance + height + 18);
  std::ofstream out{file};
  out << fmt::format("<svg xmlns='http://www.w3.org/2000/svg' width='800' height='{0}' "
                     "font-family='sans-serif' font-size='13' fill='#3c4043'>\n"
                     "<rect width='800' height='{0}' fill='white'/>\n{1}</svg>\n",
                     top + 20, body);
  if (!out.flush())
    throw std::runtime_error{"can't write " + file};
}

} // namespace soak
