#include "bulwarkctl/top_view.hpp"

#include "bulwarkctl/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <tuple>

namespace bulwarkctl {

namespace {

struct column {
  std::string_view title;
  std::size_t width;
};

// The first takes what the others leave. Up to P99 they have room in 80 columns: calls, and how they end,
// all of them a second.
constexpr column columns_of_table[] = {{"GUARD", 12},    {"STATE", 12},   {"CALLS/S", 7},
                                       {"SUCCEEDED", 9}, {"FAILED", 6},   {"REJECTED", 8},
                                       {"TIMED OUT", 9}, {"P99", 7},      {"IN FLIGHT", 9},
                                       {"P50", 7},       {"PERMITS", 11}, {"QUEUE", 11}};

constexpr std::string_view keys =
    "q quit  n name  s state  c calls  f failures  r rejected  p p99  i in flight  arrows scroll";

// What wants to be looked at first.
int urgency(const std::string& state) {
  constexpr std::string_view order[] = {"open", "forced_open", "half_open", "disabled",
                                        "metrics_only"};
  return static_cast<int>(std::find(std::begin(order), std::end(order), state) - std::begin(order));
}

std::string_view colour_of(const std::string& state) {
  if (state == "open" || state == "forced_open")
    return "\x1b[31m";
  if (state == "half_open")
    return "\x1b[33m";
  return state == "closed" ? "\x1b[32m" : "\x1b[36m";
}

// How many of the columns have room, and what is left for the first.
std::pair<std::size_t, std::size_t> layout(std::size_t columns) {
  auto used = columns_of_table[0].width;
  std::size_t count = 1;
  for (; count < std::size(columns_of_table); ++count) {
    const auto width = columns_of_table[count].width + 1;
    if (used + width > columns)
      break;
    used += width;
  }
  const auto first = columns_of_table[0].width;
  return {count, columns < first ? columns : columns - (used - first)};
}

top_row row_of(const json& guard, const json& before, double seconds) {
  const auto rate = [&](std::string_view counter) {
    return (number_at(guard, counter) - number_at(before, counter)) / seconds;
  };
  const auto has_rates = before.is_object() && seconds > 0
                         && number_at(guard, "calls/calls") >= number_at(before, "calls/calls");
  top_row result{.name = text_at(guard, "name"),
                 .state = text_at(guard, "state"),
                 .p50 = number_at(guard, "latency/p50"),
                 .p99 = number_at(guard, "latency/p99"),
                 .in_flight = number_at(guard, "calls/in_flight"),
                 .permits = share_at(guard, "permits/active", "permits/limit"),
                 .queue = share_at(guard, "permits/queued", "permits/queue_size"),
                 .has_rates = has_rates};
  if (has_rates) {
    result.calls = rate("calls/calls");
    result.succeeded = rate("calls/succeeded");
    result.failed = rate("calls/failed");
    result.rejected = rate("calls/rejected");
    result.timed_out = rate("calls/timed_out");
  }
  return result;
}

} // namespace

void top_view::take(look seen) {
  trouble_ = seen.trouble;
  if (!trouble_.empty())
    return;
  std::map<std::string, const json*> before;
  if (at(last_.document, "guards").is_array())
    for (const auto& each : at(last_.document, "guards"))
      before[text_at(each, "name")] = &each;
  const auto seconds = std::chrono::duration<double>(seen.time - last_.time).count();
  rows_.clear();
  if (at(seen.document, "guards").is_array())
    for (const auto& each : at(seen.document, "guards")) {
      const auto found = before.find(text_at(each, "name"));
      rows_.push_back(row_of(each, found == before.end() ? json{} : *found->second, seconds));
    }
  last_ = std::move(seen);
  sort();
}

void top_view::sort() {
  const auto most = [](auto field) {
    return [field](const top_row& a, const top_row& b) {
      return std::make_tuple(std::invoke(field, b), a.name)
             < std::make_tuple(std::invoke(field, a), b.name);
    };
  };
  if (sort_ == "calls")
    std::sort(rows_.begin(), rows_.end(), most(&top_row::calls));
  else if (sort_ == "failures")
    std::sort(rows_.begin(), rows_.end(), most(&top_row::failures));
  else if (sort_ == "rejections")
    std::sort(rows_.begin(), rows_.end(), most(&top_row::rejected));
  else if (sort_ == "p99")
    std::sort(rows_.begin(), rows_.end(), most(&top_row::p99));
  else if (sort_ == "in-flight")
    std::sort(rows_.begin(), rows_.end(), most(&top_row::in_flight));
  else
    std::sort(rows_.begin(), rows_.end(), [this](const top_row& a, const top_row& b) {
      const auto by_state = sort_ == "state" ? urgency(a.state) - urgency(b.state) : 0;
      return by_state != 0 ? by_state < 0 : a.name < b.name;
    });
}

bool top_view::press(std::string_view key) {
  constexpr std::pair<std::string_view, const char*> orders[] = {
      {"n", "name"},       {"s", "state"}, {"c", "calls"},    {"f", "failures"},
      {"r", "rejections"}, {"p", "p99"},   {"i", "in-flight"}};
  for (const auto& [letter, order] : orders) {
    if (key == letter) {
      sort_ = order;
      first_ = 0;
      sort();
    }
  }
  const auto up = [this](std::size_t by) { first_ -= std::min(first_, by); };
  if (key == "up" || key == "k")
    up(1);
  else if (key == "down" || key == "j")
    ++first_;
  else if (key == "page-up")
    up(shown_);
  else if (key == "page-down" || key == " ")
    first_ += shown_;
  else if (key == "home")
    first_ = 0;
  else if (key == "end")
    first_ = rows_.size();
  return key != "q" && key != "Q" && key != "escape";
}

std::string top_view::head() const {
  double calls = 0;
  double failures = 0;
  std::map<std::string, int> states;
  for (const auto& each : rows_) {
    calls += each.calls;
    failures += each.failures();
    if (each.state != "closed" && each.state != "-")
      ++states[each.state];
  }
  auto result =
      fmt::format("{}  {}  {} {}", text_at(last_.document, "node"), text_at(last_.document, "time"),
                  rows_.size(), rows_.size() == 1 ? "guard" : "guards");
  for (const auto& [state, count] : states)
    result += fmt::format(", {} {}", count, state);
  return result
         + fmt::format("  {} calls/s, {} failures/s  by {}", short_number(calls),
                       short_number(failures), sort_);
}

std::string top_view::line_of(const top_row& row, std::size_t columns) const {
  const auto rate = [&](double value) { return row.has_rates ? short_number(value) : "-"; };
  const std::string cells[] = {row.name,
                               row.state,
                               rate(row.calls),
                               rate(row.succeeded),
                               rate(row.failed),
                               rate(row.rejected),
                               rate(row.timed_out),
                               duration_text(row.p99),
                               fmt::format("{:.0f}", row.in_flight),
                               duration_text(row.p50),
                               row.permits,
                               row.queue};
  const auto [count, width] = layout(columns);
  auto result = fit(cells[0], width);
  for (std::size_t i = 1; i < count; ++i) {
    const auto text = fit(cells[i], columns_of_table[i].width, i > 1);
    const auto is_coloured = with_colours_ && i == 1;
    result += " " + (is_coloured ? fmt::format("{}{}\x1b[0m", colour_of(row.state), text) : text);
  }
  return result;
}

std::string top_view::frame(std::size_t columns, std::size_t rows) {
  shown_ = rows > 3 ? rows - 3 : 1;
  first_ = std::min(first_, rows_.size() > shown_ ? rows_.size() - shown_ : 0);
  const auto emphasised = [&](const std::string& text) {
    return with_colours_ ? "\x1b[7m" + text + "\x1b[0m" : text;
  };
  std::vector<std::string> lines{cut(head(), columns)};
  const auto [count, width] = layout(columns);
  auto titles = fit(columns_of_table[0].title, width);
  for (std::size_t i = 1; i < count; ++i)
    titles += " " + fit(columns_of_table[i].title, columns_of_table[i].width, i > 1);
  lines.push_back(emphasised(titles));
  for (auto i = first_; i < std::min(rows_.size(), first_ + shown_); ++i)
    lines.push_back(line_of(rows_[i], columns));
  lines.resize(std::min(lines.size(), rows > 0 ? rows - 1 : 0));
  // What is wrong first: it may be longer than the line.
  lines.push_back(cut(
      trouble_.empty() ? std::string{keys} : "! " + safe(trouble_) + ", trying again", columns));
  std::string result;
  for (const auto& line : lines)
    result += (result.empty() ? "" : "\n") + line;
  return result;
}

} // namespace bulwarkctl
