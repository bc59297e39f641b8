#include "bulwarkd/admin/part_json.hpp"

#include "bulwarkd/admin/time_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>

namespace bulwarkd {

namespace {

using nlohmann::json;

template <class T>
json value_or_null(const std::optional<T>& value) {
  return value ? json(*value) : json();
}

json to_json(const bulwark::counters& calls) {
  return {{"calls", calls.calls},         {"succeeded", calls.succeeded},
          {"failed", calls.failed},       {"rejected", calls.rejected},
          {"timed_out", calls.timed_out}, {"cancelled", calls.cancelled},
          {"in_flight", calls.in_flight}};
}

json to_json(const bulwark::latency_histogram& latency) {
  return {{"count", latency.count()},
          {"p50", seconds_of(latency.quantile(0.5))},
          {"p90", seconds_of(latency.quantile(0.9))},
          {"p99", seconds_of(latency.quantile(0.99))},
          {"max", seconds_of(latency.max())}};
}

json to_json(const bulwark::outcome_counts& window) {
  return {{"calls", window.calls}, {"failures", window.failed}, {"slow", window.slow}};
}

json to_json(const bulwark::guard_stats& x) {
  return {{"name", x.name},
          {"kind", "guard"},
          {"calls", to_json(x.calls)},
          {"attempts", x.attempts},
          {"retries", x.retries},
          {"late_replies", x.late_replies},
          {"latency", to_json(x.latency)},
          {"budget_refused", x.budget_refused},
          {"left_to_others", x.left_to_others},
          {"not_idempotent", x.not_idempotent},
          {"told_not_to", x.told_not_to},
          {"saved", x.saved},
          {"cut", x.cut},
          {"abandoned", x.abandoned},
          {"hedges", x.hedges},
          {"hedges_won", x.hedges_won},
          {"restarts", x.restarts},
          {"fallbacks", x.fallbacks},
          {"served_fresh", x.served_fresh},
          {"served_stale", x.served_stale},
          {"followed", x.followed},
          {"chaos", x.chaos.has_value()}};
}

json to_json(const bulwark::circuit_breaker_stats& x) {
  return {{"name", x.name},
          {"kind", "circuit_breaker"},
          {"state", to_string(x.state)},
          {"generation", x.generation},
          {"failures", x.failures},
          {"successes", x.successes},
          {"probes", x.probes},
          {"transitions", x.transitions},
          {"trips", x.trips},
          {"calls", to_json(x.calls)},
          {"window", x.window.calls > 0 ? to_json(x.window) : json()}};
}

json to_json(const bulwark::bulkhead_stats& x) {
  return {{"name", x.name},           {"kind", "bulkhead"},         {"max_workers", x.max_workers},
          {"limit", x.limit},         {"queue_size", x.queue_size}, {"active", x.active},
          {"queued", x.queued},       {"calls", x.calls},           {"completed", x.completed},
          {"failed", x.failed},       {"rejected", x.rejected},     {"shed", x.shed},
          {"timed_out", x.timed_out}, {"cancelled", x.cancelled},   {"abandoned", x.abandoned}};
}

json to_json(const bulwark::timeout_manager_stats& x) {
  return {
      {"name", x.name},           {"kind", "timeout_manager"}, {"pending", x.pending},
      {"scheduled", x.scheduled}, {"fired", x.fired},          {"cancelled", x.cancelled},
      {"wake_ups", x.wake_ups},   {"calls", to_json(x.calls)}, {"late_replies", x.late_replies}};
}

template <class Stats>
void append(json& to, std::vector<Stats> all) {
  std::sort(all.begin(), all.end(), [](const Stats& a, const Stats& b) { return a.name < b.name; });
  for (const auto& each : all)
    to.push_back(to_json(each));
}

std::string state_in_words(bulwark::circuit_state state) {
  auto result = to_string(state);
  std::replace(result.begin(), result.end(), '_', ' ');
  return result;
}

// What led to the state, by the name of its cause.
std::string cause_in_words(const std::string& cause, const breaker_history& history) {
  static const std::map<std::string_view, std::string_view> words{
      {"probe_failed", "a probe failed"},
      {"probes_succeeded", "its probes succeeded"},
      {"open_elapsed", "its time in open is over"},
      {"failure_ratio", "too large a share of calls failed"},
      {"slow_ratio", "too large a share of calls was slow"},
      {"half_open_elapsed", "half-open had no end in time"},
      {"target_said", "the target said to stay away"},
      {"nodes_tripped", "circuits of nodes that share it opened"},
      {"owner_said", "the owner said so"},
      {"owner_lost", "the owner can't be reached"},
      {"forced_open", "somebody forced it open"},
      {"disabled", "somebody disabled it"},
      {"reset", "somebody reset it"},
      {"metrics_only", "somebody wants figures only"}};
  if (cause == "failure_threshold")
    return history.failure_threshold
               ? fmt::format("{} call{} in a row failed", *history.failure_threshold,
                             *history.failure_threshold == 1 ? "" : "s")
               : "too many calls in a row failed";
  const auto found = words.find(cause);
  return std::string{found == words.end() ? std::string_view{cause} : found->second};
}

std::string sentence_of(const bulwark::circuit_breaker_stats& breaker,
                        const breaker_history& history) {
  auto result = state_in_words(breaker.state);
  if (history.since)
    result += " since " + *history.since;
  if (history.cause)
    result += " because " + cause_in_words(*history.cause, history);
  if (breaker.state == bulwark::circuit_state::closed && breaker.failures > 0)
    result += fmt::format("; {} failure{} in a row now", breaker.failures,
                          breaker.failures == 1 ? "" : "s");
  for (std::size_t i = 0; i < history.errors.size(); ++i)
    result += fmt::format("{}{} x {}", i == 0 ? "; " : ", ", history.errors[i].count,
                          history.errors[i].error);
  if (history.next_probe_in)
    result += fmt::format("; next probe in {:.1f} s", std::max(0.0, *history.next_probe_in));
  return result;
}

} // namespace

json parts_of(const bulwark::node_stats& stats) {
  auto parts = json::array();
  append(parts, stats.guards);
  append(parts, stats.circuit_breakers);
  append(parts, stats.bulkheads);
  append(parts, stats.timeout_managers);
  return {{"parts", std::move(parts)}};
}

json nodes_of(const bulwark::cluster_stats& stats) {
  auto nodes = json::array();
  for (const auto& each : stats.nodes) {
    auto calls = each.stats.total;
    calls += each.earlier;
    auto latency = each.stats.latency;
    latency += each.earlier_latency;
    nodes.push_back({{"name", each.name},
                     {"address", each.address},
                     {"state", to_string(each.state)},
                     {"age", each.age ? json(seconds_of(*each.age)) : json()},
                     {"restarts", each.restarts},
                     {"calls", to_json(calls)},
                     {"latency", to_json(latency)}});
  }
  return {{"nodes", std::move(nodes)},
          {"total", {{"calls", to_json(stats.total)}, {"latency", to_json(stats.latency)}}},
          {"unresolved", stats.unresolved}};
}

json why_of(const bulwark::circuit_breaker_stats& breaker, const breaker_history& history) {
  auto errors = json::array();
  for (const auto& each : history.errors)
    errors.push_back({{"error", each.error},
                      {"count", each.count},
                      {"last", each.last},
                      {"last_text", each.last_text},
                      {"node", each.node},
                      {"guard", each.guard}});
  return {{"name", breaker.name},
          {"state", to_string(breaker.state)},
          {"since", value_or_null(history.since)},
          {"next_probe", value_or_null(history.next_probe)},
          {"generation", breaker.generation},
          {"failures", breaker.failures},
          {"successes", breaker.successes},
          {"probes", breaker.probes},
          {"failure_threshold", value_or_null(history.failure_threshold)},
          {"window", breaker.window.calls > 0 ? to_json(breaker.window) : json()},
          {"cause", value_or_null(history.cause)},
          {"errors", std::move(errors)},
          {"sentence", sentence_of(breaker, history)}};
}

} // namespace bulwarkd
