#include "effect/picture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace bulwark_effect {

namespace {

constexpr double left = 64;
constexpr double top = 62;
constexpr double width = 600;
constexpr double height = 190;

// Without colour: dashed, thick, thin.
constexpr std::array styles{"a", "b", "c"};

// Of its own in dark surroundings; SVG in a page can't ask the page.
constexpr auto style = R"(<style>
text{font:13px sans-serif;fill:#24292f}.back{fill:#fff}.shade{fill:#eaeef2}.grid{stroke:#c4cbd2}
.a,.b,.c{fill:none;stroke-linejoin:round}.a{stroke:#b3261e;stroke-width:1.5;stroke-dasharray:6 4}
.b{stroke:#0b57d0;stroke-width:2.5}.c{stroke:#6e5a00;stroke-width:1}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.back{fill:#0d1117}.shade{fill:#21262d}
.grid{stroke:#484f58}.a{stroke:#ff8a80}.b{stroke:#79b8ff}.c{stroke:#e3c565}}
</style>
)";

// The first of 1, 2, 5, 10, … that nothing exceeds.
double round_above(double value) {
  for (auto decade = 1e-3;; decade *= 10)
    for (const auto step : {1, 2, 5})
      if (decade * step >= value)
        return decade * step;
}

std::string text(double x, double y, const char* anchor, std::string_view what) {
  return fmt::format("<text x='{:.0f}' y='{:.0f}' text-anchor='{}'>{}</text>\n", x, y, anchor,
                     what);
}

} // namespace

picture::picture(std::string name, std::string title, std::string values)
    : name_(std::move(name)), title_(std::move(title)), values_(std::move(values)) {
  if (const auto* folder = std::getenv("BULWARK_EFFECT_PICTURES"))
    folder_ = folder;
}

void picture::phase(seconds from, seconds to, std::string what) {
  shades_.push_back({from, to, std::move(what)});
}

void picture::curve(std::string of, seconds from, seconds to, seconds step,
                    const std::function<double(seconds, seconds)>& value) {
  if (folder_.empty())
    return;
  std::vector<std::pair<seconds, double>> points;
  for (auto begin = from; begin < to - step / 2; begin += step)
    points.emplace_back(begin + step / 2, value(begin, begin + step));
  curve(std::move(of), std::move(points));
}

void picture::curve(std::string of, std::vector<std::pair<seconds, double>> points) {
  lines_.push_back({std::move(of), std::move(points)});
}

void picture::draw() const {
  if (folder_.empty())
    return;
  const auto file = folder_ + "/" + name_ + ".svg";
  std::ofstream out{file};
  out << drawn();
  if (!out.flush())
    throw std::runtime_error{"can't write " + file};
}

std::string picture::drawn() const {
  double most = 0;
  seconds end = 0;
  for (const auto& each : lines_)
    for (const auto& [when, value] : each.points) {
      most = std::max(most, value);
      end = std::max(end, when);
    }
  const auto step = round_above(most / 4);
  most = step * std::ceil(most / step - 1e-9);
  const auto tick = round_above(end / 10);
  end = tick * std::ceil(end / tick - 1e-9);
  const auto x_of = [&](seconds when) { return left + width * when / end; };
  const auto y_of = [&](double value) { return top + height * (1 - value / most); };

  auto result = fmt::format("<svg xmlns='http://www.w3.org/2000/svg' width='700' height='310' "
                            "viewBox='0 0 700 310' role='img'>\n<title>{}</title>\n{}"
                            "<rect class='back' width='700' height='310'/>\n",
                            title_, style);
  for (const auto& each : shades_)
    result += fmt::format("<rect class='shade' x='{:.1f}' y='{}' width='{:.1f}' height='{}'/>\n",
                          x_of(each.from), top, x_of(each.to) - x_of(each.from), height)
              + text((x_of(each.from) + x_of(each.to)) / 2, top - 4, "middle", each.what);
  for (double value = 0; value < most + step / 2; value += step)
    result += fmt::format("<path class='grid' d='M{} {:.1f}h{}'/>\n", left, y_of(value), width)
              + text(left - 6, y_of(value) + 4, "end", fmt::format("{:g}", value));
  for (seconds when = 0; when < end + tick / 2; when += tick)
    result += text(x_of(when), top + height + 18, "middle", fmt::format("{:g}", when));
  result +=
      text(left + width / 2, top + height + 40, "middle", "time, seconds")
      + text(left - 50, 20, "start", fmt::format("<tspan font-weight='bold'>{}</tspan>", title_))
      + text(left - 50, 40, "start", values_);
  auto legend_at = left + width;
  for (std::size_t i = lines_.size(); i-- > 0;) {
    const auto* kind = styles.at(std::min(i, styles.size() - 1));
    std::string points;
    for (const auto& [when, value] : lines_[i].points)
      points += fmt::format("{:.1f},{:.1f} ", x_of(when), y_of(value));
    legend_at -= 7.5 * static_cast<double>(lines_[i].name.size());
    result += fmt::format(
                  "<polyline class='{0}' points='{1}'/>\n<path class='{0}' d='M{2:.0f} 36h32'/>\n",
                  kind, points, legend_at - 40)
              + text(legend_at, 40, "start", lines_[i].name);
    legend_at -= 60;
  }
  return result + "</svg>\n";
}

} // namespace bulwark_effect
