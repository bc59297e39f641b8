#include "bulwarkd/admin/metrics.hpp"

#include "bulwarkd/admin/time_text.hpp"

#include "bulwark/caf_compat.hpp"

#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace bulwarkd {

namespace {

using bulwark::bulkhead_stats;
using bulwark::circuit_breaker_stats;
using bulwark::guard_stats;

template <class Stats>
using by_name = std::map<std::string_view, const Stats*>;

template <class Stats>
by_name<Stats> sorted(const std::vector<Stats>& all) {
  by_name<Stats> result;
  for (const auto& each : all)
    result.emplace(each.name, &each);
  return result;
}

// One value of each part.
template <class Stats, class Value>
void tell(metric_sink& to, const by_name<Stats>& all, std::string_view label, std::string_view name,
          metric_kind kind, std::string_view help, Value value) {
  to.family(name, kind, help);
  for (const auto& [part, stats] : all)
    to.sample({}, {{label, part}}, static_cast<double>(value(*stats)));
}

template <class Stats>
struct share {
  std::string_view label;
  std::uint64_t (*value)(const Stats&);
};

// Several values of each part, told apart by a second label.
template <class Stats, std::size_t N>
void tell_shares(metric_sink& to, const by_name<Stats>& all, std::string_view label,
                 std::string_view name, metric_kind kind, std::string_view help,
                 std::string_view second, const std::array<share<Stats>, N>& shares) {
  to.family(name, kind, help);
  for (const auto& [part, stats] : all)
    for (const auto& each : shares)
      to.sample({}, {{label, part}, {second, each.label}}, static_cast<double>(each.value(*stats)));
}

void tell_durations(metric_sink& to, const by_name<guard_stats>& all) {
  using namespace std::chrono_literals;
  // Upper bounds, in text as Prometheus' own client writes them.
  static constexpr std::pair<bulwark::timespan, std::string_view> bounds[]{
      {500us, "0.0005"}, {1ms, "0.001"},  {2500us, "0.0025"}, {5ms, "0.005"},  {10ms, "0.01"},
      {25ms, "0.025"},   {50ms, "0.05"},  {100ms, "0.1"},     {250ms, "0.25"}, {500ms, "0.5"},
      {1s, "1"},         {2500ms, "2.5"}, {5s, "5"},          {10s, "10"}};
  to.family("bulwark_call_duration_seconds", metric_kind::histogram,
            "How long calls took that were not refused, with all their attempts and waits.");
  for (const auto& [name, stats] : all) {
    const auto& latency = stats->latency;
    for (const auto& [bound, text] : bounds)
      to.sample("_bucket", {{"guard", name}, {"le", text}},
                static_cast<double>(latency.count_up_to(bound)));
    to.sample("_bucket", {{"guard", name}, {"le", "+Inf"}}, static_cast<double>(latency.count()));
    to.sample("_sum", {{"guard", name}}, seconds_of(latency.sum()));
    to.sample("_count", {{"guard", name}}, static_cast<double>(latency.count()));
  }
}

// Longer than 40 lines: family by family.
void tell_guards(metric_sink& to, const by_name<guard_stats>& all) {
  using kind = metric_kind;
  using one = share<guard_stats>;
  const auto count = [&](std::string_view name, std::string_view help, auto value) {
    tell(to, all, "guard", name, kind::counter, help, value);
  };
  tell_shares(to, all, "guard", "bulwark_calls_total", kind::counter,
              "Calls that have ended, by how.", "outcome",
              std::array{one{"succeeded", [](const guard_stats& x) { return x.calls.succeeded; }},
                         one{"failed", [](const guard_stats& x) { return x.calls.failed; }},
                         one{"rejected", [](const guard_stats& x) { return x.calls.rejected; }},
                         one{"timed_out", [](const guard_stats& x) { return x.calls.timed_out; }},
                         one{"cancelled", [](const guard_stats& x) { return x.calls.cancelled; }}});
  tell(to, all, "guard", "bulwark_calls_in_flight", kind::gauge, "Calls that have no end yet.",
       [](const guard_stats& x) { return x.calls.in_flight; });
  tell_durations(to, all);
  count("bulwark_attempts_total", "Times that the target was asked.",
        [](const guard_stats& x) { return x.attempts; });
  count("bulwark_retries_total", "Attempts beyond a call's first.",
        [](const guard_stats& x) { return x.retries; });
  tell_shares(
      to, all, "guard", "bulwark_retries_refused_total", kind::counter,
      "Calls that would have been tried again, by what was against it.", "reason",
      std::array{one{"budget", [](const guard_stats& x) { return x.budget_refused; }},
                 one{"left_to_others", [](const guard_stats& x) { return x.left_to_others; }},
                 one{"not_idempotent", [](const guard_stats& x) { return x.not_idempotent; }},
                 one{"told_not_to", [](const guard_stats& x) { return x.told_not_to; }}});
  count("bulwark_late_replies_total", "Replies that came when nobody waited any more.",
        [](const guard_stats& x) { return x.late_replies; });
  count("bulwark_hedges_total", "Second copies of calls.",
        [](const guard_stats& x) { return x.hedges; });
  count("bulwark_hedges_won_total", "Second copies that had the answer.",
        [](const guard_stats& x) { return x.hedges_won; });
  count("bulwark_fallbacks_total", "Calls whose callers got something else than their error.",
        [](const guard_stats& x) { return x.fallbacks; });
  tell_shares(to, all, "guard", "bulwark_shared_replies_total", kind::counter,
              "Calls that got the reply to another one, by which.", "reply",
              std::array{one{"fresh", [](const guard_stats& x) { return x.served_fresh; }},
                         one{"stale", [](const guard_stats& x) { return x.served_stale; }},
                         one{"in_progress", [](const guard_stats& x) { return x.followed; }}});
  count("bulwark_target_restarts_total", "Times that a guard made its target anew.",
        [](const guard_stats& x) { return x.restarts; });
  tell(to, all, "guard", "bulwark_chaos_active", kind::gauge,
       "Whether the guard makes trouble on purpose.",
       [](const guard_stats& x) { return x.chaos ? 1 : 0; });
}

void tell_circuit_breakers(metric_sink& to, const by_name<circuit_breaker_stats>& all) {
  using bulwark::circuit_state;
  constexpr std::array states{circuit_state::closed,    circuit_state::open,
                              circuit_state::half_open, circuit_state::forced_open,
                              circuit_state::disabled,  circuit_state::metrics_only};
  to.family("bulwark_circuit_breaker_state", metric_kind::gauge,
            "1 for the state that the circuit breaker is in, 0 for the others.");
  for (const auto& [name, stats] : all)
    for (const auto state : states)
      to.sample({}, {{"breaker", name}, {"state", to_string(state)}},
                stats->state == state ? 1.0 : 0.0);
  tell(to, all, "breaker", "bulwark_circuit_breaker_transitions_total", metric_kind::counter,
       "Changes of state.", [](const circuit_breaker_stats& x) { return x.transitions; });
  tell(to, all, "breaker", "bulwark_circuit_breaker_trips_total", metric_kind::counter,
       "Times that it opened, or with metrics_only would have.",
       [](const circuit_breaker_stats& x) { return x.trips; });
}

void tell_bulkheads(metric_sink& to, const by_name<bulkhead_stats>& all) {
  using one = share<bulkhead_stats>;
  tell_shares(
      to, all, "bulkhead", "bulwark_bulkhead_permits", metric_kind::gauge,
      "Permits that are in use, and how many there are.", "kind",
      std::array{one{"active", [](const bulkhead_stats& x) { return std::uint64_t{x.active}; }},
                 one{"limit", [](const bulkhead_stats& x) { return std::uint64_t{x.limit}; }}});
  tell(to, all, "bulkhead", "bulwark_bulkhead_queue", metric_kind::gauge,
       "Calls that wait for a permit.", [](const bulkhead_stats& x) { return x.queued; });
  tell(to, all, "bulkhead", "bulwark_bulkhead_queue_size", metric_kind::gauge, "How many may wait.",
       [](const bulkhead_stats& x) { return x.queue_size; });
  tell_shares(to, all, "bulkhead", "bulwark_bulkhead_rejected_total", metric_kind::counter,
              "Calls that got no permit, by why.", "reason",
              std::array{one{"full", [](const bulkhead_stats& x) { return x.rejected - x.shed; }},
                         one{"shed", [](const bulkhead_stats& x) { return x.shed; }}});
  tell(to, all, "bulkhead", "bulwark_bulkhead_timed_out_total", metric_kind::counter,
       "Calls that had no answer in time, whether they waited for a permit or had one.",
       [](const bulkhead_stats& x) { return x.timed_out; });
  tell(to, all, "bulkhead", "bulwark_bulkhead_abandoned_total", metric_kind::counter,
       "Functions that went on when nobody waited for them any more.",
       [](const bulkhead_stats& x) { return x.abandoned; });
}

} // namespace

void tell_metrics(const bulwark::node_stats& stats, metric_sink& to) {
  to.family("bulwark_build_info", metric_kind::gauge, "1; what this is.");
  to.sample({}, {{"caf", bulwark::compat::caf_version()}, {"version", BULWARK_VERSION}}, 1.0);
  tell_guards(to, sorted(stats.guards));
  tell_circuit_breakers(to, sorted(stats.circuit_breakers));
  tell_bulkheads(to, sorted(stats.bulkheads));
}

} // namespace bulwarkd
