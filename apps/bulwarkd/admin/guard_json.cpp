#include "bulwarkd/admin/guard_json.hpp"

#include "bulwarkd/admin/exchange.hpp"
#include "bulwarkd/admin/time_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace bulwarkd {

namespace {

template <class Stats>
std::unordered_map<std::string_view, const Stats*> by_name(const std::vector<Stats>& all) {
  std::unordered_map<std::string_view, const Stats*> result;
  for (const auto& each : all)
    result.emplace(each.name, &each);
  return result;
}

template <class Map>
typename Map::mapped_type find(const Map& in, const std::string& name) {
  const auto found = in.find(name);
  return found == in.end() ? nullptr : found->second;
}

void append_latency(std::string& to, std::string_view name, const bulwark::latency_histogram& x) {
  fmt::format_to(std::back_inserter(to),
                 R"(,"{}":{{"count":{},"p50":{},"p90":{},"p99":{},"max":{}}})", name, x.count(),
                 seconds_of(x.quantile(0.5)), seconds_of(x.quantile(0.9)),
                 seconds_of(x.quantile(0.99)), seconds_of(x.max()));
}

std::string name_or_null(const std::string& name) {
  return name.empty() ? "null" : quoted(name);
}

} // namespace

std::vector<guard_row> join(const bulwark::node_stats& stats,
                            const std::vector<guard_summary>& told) {
  const auto summaries = by_name(told);
  const auto breakers = by_name(stats.circuit_breakers);
  const auto bulkheads = by_name(stats.bulkheads);
  std::vector<guard_row> result;
  result.reserve(stats.guards.size());
  for (const auto& guard : stats.guards) {
    guard_row row{.guard = &guard, .told = find(summaries, guard.name)};
    row.breaker = find(breakers, row.told != nullptr ? row.told->breaker : guard.name);
    row.bulkhead = find(bulkheads, row.told != nullptr ? row.told->bulkhead : guard.name);
    result.push_back(row);
  }
  std::sort(result.begin(), result.end(),
            [](const guard_row& a, const guard_row& b) { return a.guard->name < b.guard->name; });
  return result;
}

void append_guard(std::string& to, const guard_row& row, const bulwark::latency_histogram* recent) {
  const auto& x = *row.guard;
  auto out = std::back_inserter(to);
  const auto breaker = row.told != nullptr      ? row.told->breaker
                       : row.breaker != nullptr ? row.breaker->name
                                                : "";
  const auto bulkhead = row.told != nullptr       ? row.told->bulkhead
                        : row.bulkhead != nullptr ? row.bulkhead->name
                                                  : "";
  fmt::format_to(out, R"({{"name":{},"target":{},"breaker":{},"bulkhead":{},"state":)",
                 quoted(x.name), quoted(row.told != nullptr ? row.told->target : ""),
                 name_or_null(breaker), name_or_null(bulkhead));
  if (row.breaker != nullptr)
    fmt::format_to(out, R"("{}")", to_string(row.breaker->state));
  else
    to += "null";
  const auto& calls = x.calls;
  fmt::format_to(out,
                 R"(,"calls":{{"calls":{},"succeeded":{},"failed":{},"rejected":{},)"
                 R"("timed_out":{},"cancelled":{},"in_flight":{}}})",
                 calls.calls, calls.succeeded, calls.failed, calls.rejected, calls.timed_out,
                 calls.cancelled, calls.in_flight);
  fmt::format_to(out,
                 R"(,"attempts":{},"retries":{},"late_replies":{},"budget_refused":{},)"
                 R"("hedges":{},"fallbacks":{})",
                 x.attempts, x.retries, x.late_replies, x.budget_refused, x.hedges, x.fallbacks);
  append_latency(to, "latency", x.latency);
  if (recent != nullptr)
    append_latency(to, "latency_recent", *recent);
  fmt::format_to(out, R"(,"chaos":{},"permits":)", x.chaos.has_value());
  if (row.bulkhead != nullptr)
    fmt::format_to(out, R"({{"active":{},"limit":{},"queued":{},"queue_size":{}}}}})",
                   row.bulkhead->active, row.bulkhead->limit, row.bulkhead->queued,
                   row.bulkhead->queue_size);
  else
    to += "null}";
}

} // namespace bulwarkd
