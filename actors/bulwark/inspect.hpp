#pragma once

#include "bulwark/protocol.hpp"

#include <string_view>

/// @file How the protocol's types are serialised. Included by protocol.hpp; not meant alone.
///
/// Longer than 200 lines: a paragraph a type, and nothing else.

namespace bulwark {

// -- enumerations: by CAF's way, over the text view of its version -----------------------

#define BULWARK_INSPECT_ENUM(type)                                                                 \
  template <class View>                                                                            \
  requires(                                                                                        \
      !std::is_same_v<View, std::string_view> && std::is_same_v<View, compat::text_view>) bool     \
  from_string(View text, type& x) {                                                                \
    return from_string(std::string_view{text.data(), text.size()}, x);                             \
  }                                                                                                \
  template <class Inspector>                                                                       \
  bool inspect(Inspector& f, type& x) {                                                            \
    return caf::default_enum_inspect(f, x);                                                        \
  }

BULWARK_INSPECT_ENUM(errc)
BULWARK_INSPECT_ENUM(error_mark)
BULWARK_INSPECT_ENUM(part_kind)
BULWARK_INSPECT_ENUM(circuit_state)
BULWARK_INSPECT_ENUM(transition_cause)
BULWARK_INSPECT_ENUM(jitter_kind)
BULWARK_INSPECT_ENUM(node_state)

#undef BULWARK_INSPECT_ENUM

// -- runtime types ------------------------------------------------------------------------

template <class Inspector>
bool inspect(Inspector& f, counters& x) {
  return f.object(x).fields(f.field("calls", x.calls), f.field("succeeded", x.succeeded),
                            f.field("failed", x.failed), f.field("rejected", x.rejected),
                            f.field("timed_out", x.timed_out), f.field("cancelled", x.cancelled),
                            f.field("in_flight", x.in_flight));
}

template <class Inspector>
bool inspect(Inspector& f, latency_histogram& x) {
  std::map<std::uint32_t, std::uint64_t> buckets;
  timespan sum{0};
  timespan min{0};
  timespan max{0};
  if constexpr (!Inspector::is_loading) {
    buckets = x.buckets();
    sum = x.sum();
    min = x.min();
    max = x.max();
  }
  if (!f.object(x).fields(f.field("buckets", buckets), f.field("sum", sum), f.field("min", min),
                          f.field("max", max)))
    return false;
  if constexpr (Inspector::is_loading) {
    if (!x.restore(buckets, sum, min, max)) {
      f.emplace_error(caf::sec::field_invariant_check_failed);
      return false;
    }
  }
  return true;
}

template <class Inspector>
bool inspect(Inspector& f, failure_report& x) {
  return f.object(x).fields(f.field("guard", x.guard), f.field("part", x.part),
                            f.field("attempts", x.attempts), f.field("elapsed", x.elapsed),
                            f.field("retry_after", x.retry_after),
                            f.field("last_error", x.last_error), f.field("code", x.code));
}

template <class Inspector>
bool inspect(Inspector& f, retry_after& x) {
  return f.object(x).fields(f.field("delay", x.delay));
}

template <class Inspector>
bool inspect(Inspector& f, lease_stamp& x) {
  return f.object(x).fields(f.field("session", x.session), f.field("serial", x.serial));
}

template <class Inspector>
bool inspect(Inspector& f, permit_token& x) {
  return f.object(x).fields(f.field("number", x.number), f.field("fence", x.fence));
}

template <class Inspector>
bool inspect(Inspector& f, share_report& x) {
  return f.object(x).fields(f.field("stamp", x.stamp), f.field("carried", x.carried),
                            f.field("returned", x.returned), f.field("waiting", x.waiting),
                            f.field("served_seen", x.served_seen),
                            f.field("refused_seen", x.refused_seen),
                            f.field("recalled", x.recalled), f.field("token_seen", x.token_seen));
}

template <class Inspector>
bool inspect(Inspector& f, share_grant& x) {
  return f.object(x).fields(
      f.field("answers", x.answers), f.field("granted", x.granted), f.field("served", x.served),
      f.field("refused", x.refused), f.field("recall", x.recall), f.field("keep", x.keep),
      f.field("closed", x.closed), f.field("nodes", x.nodes), f.field("token", x.token),
      f.field("policy", x.policy), f.field("lease_time", x.lease_time));
}

template <class Inspector>
bool inspect(Inspector& f, attempt_id& x) {
  return f.object(x).fields(f.field("slot", x.slot), f.field("serial", x.serial));
}

template <class Inspector>
bool inspect(Inspector& f, permit& x) {
  return f.object(x).fields(f.field("generation", x.generation), f.field("probe", x.probe));
}

template <class Inspector>
bool inspect(Inspector& f, rejection& x) {
  return f.object(x).fields(f.field("why", x.why), f.field("retry_after", x.retry_after));
}

template <class Inspector>
bool inspect(Inspector& f, count_window& x) {
  return f.object(x).fields(f.field("size", x.size), f.field("failure_ratio", x.failure_ratio),
                            f.field("minimum_calls", x.minimum_calls),
                            f.field("slow_ratio", x.slow_ratio));
}

template <class Inspector>
bool inspect(Inspector& f, time_window& x) {
  return f.object(x).fields(f.field("span", x.span), f.field("buckets", x.buckets),
                            f.field("failure_ratio", x.failure_ratio),
                            f.field("minimum_calls", x.minimum_calls),
                            f.field("slow_ratio", x.slow_ratio));
}

template <class Inspector>
bool inspect(Inspector& f, outcome_counts& x) {
  return f.object(x).fields(f.field("calls", x.calls), f.field("failed", x.failed),
                            f.field("slow", x.slow));
}

/// The numbers, and what `more` there is.
template <class Inspector, class Predicate, class... Fields>
bool inspect_circuit_breaker(Inspector& f, basic_circuit_breaker_policy<Predicate>& x,
                             Fields... more) {
  return f.object(x).fields(
      f.field("failure_threshold", x.failure_threshold),
      f.field("success_threshold", x.success_threshold), f.field("open_for", x.open_for),
      f.field("half_open_calls", x.half_open_calls), f.field("count_window", x.count_window),
      f.field("time_window", x.time_window), f.field("slow_call_duration", x.slow_call_duration),
      f.field("open_growth", x.open_growth), f.field("max_open_for", x.max_open_for),
      f.field("open_jitter", x.open_jitter), f.field("open_on_retry_after", x.open_on_retry_after),
      f.field("max_half_open_for", x.max_half_open_for), f.field("ramp_for", x.ramp_for),
      f.field("ramp_from", x.ramp_from), f.field("initial_state", x.initial_state),
      std::move(more)...);
}

template <class Inspector>
bool inspect(Inspector& f, circuit_breaker_policy& x) {
  return inspect_circuit_breaker(f, x, f.field("failure_on", x.failure_on));
}

/// Without the predicate: between nodes it is each node's own.
template <class Inspector>
bool inspect(Inspector& f, circuit_breaker_limits& x) {
  return inspect_circuit_breaker(f, x);
}

template <class Inspector>
bool inspect(Inspector& f, circuit_report& x) {
  return f.object(x).fields(f.field("stamp", x.stamp), f.field("trips", x.trips),
                            f.field("tripped", x.tripped), f.field("seen", x.seen));
}

template <class Inspector>
bool inspect(Inspector& f, circuit_word& x) {
  return f.object(x).fields(f.field("answers", x.answers), f.field("number", x.number),
                            f.field("closed_down", x.closed_down), f.field("state", x.state),
                            f.field("generation", x.generation), f.field("probes_in", x.probes_in),
                            f.field("policy", x.policy), f.field("lease_time", x.lease_time));
}

template <class Inspector>
bool inspect(Inspector& f, retry_budget_policy& x) {
  return f.object(x).fields(f.field("ratio", x.ratio), f.field("min_per_second", x.min_per_second),
                            f.field("window", x.window), f.field("name", x.name));
}

template <class Inspector>
bool inspect(Inspector& f, error_delay& x) {
  return f.object(x).fields(f.field("on", x.on), f.field("base_delay", x.base_delay));
}

template <class Inspector>
bool inspect(Inspector& f, retry_policy& x) {
  return f.object(x).fields(
      f.field("max_attempts", x.max_attempts), f.field("base_delay", x.base_delay),
      f.field("exponential_base", x.exponential_base), f.field("max_delay", x.max_delay),
      f.field("jitter", x.jitter), f.field("retry_on", x.retry_on), f.field("budget", x.budget),
      f.field("max_retry_after", x.max_retry_after), f.field("delays", x.delays),
      f.field("idempotent", x.idempotent));
}

/// What is none of its numbers is found by find_mistakes().
template <class Inspector>
bool inspect(Inspector& f, adaptive_limit_policy& x) {
  auto algorithm = static_cast<std::uint8_t>(x.algorithm);
  const auto result = f.object(x).fields(
      f.field("algorithm", algorithm), f.field("floor", x.floor), f.field("initial", x.initial),
      f.field("tolerance", x.tolerance), f.field("smoothing", x.smoothing),
      f.field("decrease", x.decrease), f.field("latency_limit", x.latency_limit),
      f.field("window", x.window), f.field("remeasure", x.remeasure));
  if constexpr (Inspector::is_loading)
    x.algorithm = static_cast<limit_algorithm>(algorithm);
  return result;
}

template <class Inspector>
bool inspect(Inspector& f, queue_delay_policy& x) {
  return f.object(x).fields(f.field("target", x.target), f.field("interval", x.interval),
                            f.field("newest_first", x.newest_first));
}

template <class Inspector>
bool inspect(Inspector& f, bulkhead_policy& x) {
  return f.object(x).fields(
      f.field("max_workers", x.max_workers), f.field("queue_size", x.queue_size),
      f.field("queue_timeout", x.queue_timeout), f.field("adaptive", x.adaptive),
      f.field("shed", x.shed), f.field("fair_by_tenant", x.fair_by_tenant));
}

template <class Inspector>
bool inspect(Inspector& f, cluster_policy& x) {
  return f.object(x).fields(f.field("interval", x.interval),
                            f.field("read_timeout", x.read_timeout),
                            f.field("answer_timeout", x.answer_timeout));
}

// -- what users see -----------------------------------------------------------------------

template <class Inspector>
bool inspect(Inspector& f, circuit_event& x) {
  return f.object(x).fields(f.field("name", x.name), f.field("from", x.from), f.field("to", x.to),
                            f.field("why", x.why), f.field("when", x.when),
                            f.field("generation", x.generation), f.field("failures", x.failures),
                            f.field("successes", x.successes), f.field("window", x.window));
}

template <class Inspector>
bool inspect(Inspector& f, rejection_event& x) {
  return f.object(x).fields(f.field("guard", x.guard), f.field("part", x.part),
                            f.field("why", x.why), f.field("when", x.when));
}

template <class Inspector>
bool inspect(Inspector& f, chaos_policy& x) {
  return f.object(x).fields(
      f.field("latency_rate", x.latency_rate), f.field("min_latency", x.min_latency),
      f.field("max_latency", x.max_latency), f.field("error_rate", x.error_rate),
      f.field("lost_reply_rate", x.lost_reply_rate), f.field("kill_rate", x.kill_rate),
      f.field("critical", x.critical), f.field("normal", x.normal),
      f.field("sheddable", x.sheddable), f.field("seed", x.seed),
      f.field("transient_errors", x.transient_errors));
}

template <class Inspector>
bool inspect(Inspector& f, chaos_counts& x) {
  return f.object(x).fields(f.field("attempts", x.attempts), f.field("delayed", x.delayed),
                            f.field("errors", x.errors), f.field("lost_replies", x.lost_replies),
                            f.field("kills", x.kills));
}

template <class Inspector>
bool inspect(Inspector& f, error_count& x) {
  return f.object(x).fields(f.field("error", x.error), f.field("count", x.count),
                            f.field("age", x.age), f.field("text", x.text));
}

template <class Inspector>
bool inspect(Inspector& f, guard_stats& x) {
  return f.object(x).fields(
      f.field("name", x.name), f.field("calls", x.calls), f.field("attempts", x.attempts),
      f.field("retries", x.retries), f.field("late_replies", x.late_replies),
      f.field("latency", x.latency), f.field("budget_refused", x.budget_refused),
      f.field("left_to_others", x.left_to_others), f.field("not_idempotent", x.not_idempotent),
      f.field("told_not_to", x.told_not_to), f.field("saved", x.saved), f.field("cut", x.cut),
      f.field("abandoned", x.abandoned), f.field("hedges", x.hedges),
      f.field("hedges_won", x.hedges_won), f.field("restarts", x.restarts),
      f.field("fallbacks", x.fallbacks), f.field("served_fresh", x.served_fresh),
      f.field("served_stale", x.served_stale), f.field("followed", x.followed),
      f.field("chaos", x.chaos), f.field("breaker", x.breaker), f.field("bulkhead", x.bulkhead),
      f.field("errors", x.errors));
}

template <class Inspector>
bool inspect(Inspector& f, circuit_breaker_stats& x) {
  return f.object(x).fields(
      f.field("name", x.name), f.field("state", x.state), f.field("generation", x.generation),
      f.field("failures", x.failures), f.field("successes", x.successes),
      f.field("probes", x.probes), f.field("transitions", x.transitions), f.field("calls", x.calls),
      f.field("window", x.window), f.field("trips", x.trips), f.field("cause", x.cause),
      f.field("in_state", x.in_state), f.field("probes_in", x.probes_in));
}

template <class Inspector>
bool inspect(Inspector& f, bulkhead_stats& x) {
  return f.object(x).fields(f.field("name", x.name), f.field("max_workers", x.max_workers),
                            f.field("queue_size", x.queue_size), f.field("active", x.active),
                            f.field("queued", x.queued), f.field("completed", x.completed),
                            f.field("failed", x.failed), f.field("rejected", x.rejected),
                            f.field("timed_out", x.timed_out), f.field("cancelled", x.cancelled),
                            f.field("abandoned", x.abandoned), f.field("calls", x.calls),
                            f.field("limit", x.limit), f.field("shed", x.shed));
}

template <class Inspector>
bool inspect(Inspector& f, samples_report& x) {
  return f.object(x).fields(f.field("first", x.first), f.field("count", x.count),
                            f.field("total", x.total), f.field("squares", x.squares),
                            f.field("dropped", x.dropped));
}

template <class Inspector>
bool inspect(Inspector& f, timeout_manager_stats& x) {
  return f.object(x).fields(f.field("name", x.name), f.field("pending", x.pending),
                            f.field("scheduled", x.scheduled), f.field("fired", x.fired),
                            f.field("cancelled", x.cancelled), f.field("wake_ups", x.wake_ups),
                            f.field("calls", x.calls), f.field("late_replies", x.late_replies));
}

template <class Inspector>
bool inspect(Inspector& f, part_info& x) {
  return f.object(x).fields(f.field("name", x.name), f.field("kind", x.kind),
                            f.field("address", x.address));
}

template <class Inspector>
bool inspect(Inspector& f, node_stats& x) {
  return f.object(x).fields(
      f.field("guards", x.guards), f.field("circuit_breakers", x.circuit_breakers),
      f.field("bulkheads", x.bulkheads), f.field("timeout_managers", x.timeout_managers),
      f.field("total", x.total), f.field("latency", x.latency), f.field("node", x.node),
      f.field("incarnation", x.incarnation));
}

template <class Inspector>
bool inspect(Inspector& f, cluster_node& x) {
  return f.object(x).fields(
      f.field("name", x.name), f.field("address", x.address), f.field("state", x.state),
      f.field("age", x.age), f.field("stats", x.stats), f.field("restarts", x.restarts),
      f.field("earlier", x.earlier), f.field("earlier_latency", x.earlier_latency));
}

template <class Inspector>
bool inspect(Inspector& f, cluster_stats& x) {
  return f.object(x).fields(f.field("nodes", x.nodes), f.field("total", x.total),
                            f.field("latency", x.latency), f.field("unresolved", x.unresolved));
}

template <class Inspector>
bool inspect(Inspector& f, call_context& x) {
  auto fields = std::map<std::string, std::string>{};
  if constexpr (!Inspector::is_loading)
    fields = to_wire(x);
  if (!f.object(x).fields(f.field("remaining", x.remaining), f.field("more", fields)))
    return false;
  if constexpr (Inspector::is_loading)
    x = from_wire(x.remaining, std::move(fields));
  return true;
}

// -- between bulwark's actors ---------------------------------------------------------------

template <class Inspector>
bool inspect(Inspector& f, probe_request& x) {
  return f.object(x).fields(f.field("attempt", x.attempt), f.field("hold_for", x.hold_for));
}

template <class Inspector>
bool inspect(Inspector& f, probe_decision& x) {
  return f.object(x).fields(f.field("attempt", x.attempt), f.field("granted", x.granted),
                            f.field("given", x.given), f.field("refused", x.refused));
}

template <class Inspector>
bool inspect(Inspector& f, circuit_probe_request& x) {
  return f.object(x).fields(f.field("number", x.number), f.field("hold_for", x.hold_for));
}

template <class Inspector>
bool inspect(Inspector& f, circuit_probe_answer& x) {
  return f.object(x).fields(f.field("number", x.number), f.field("granted", x.granted),
                            f.field("given", x.given), f.field("refused", x.refused));
}

template <class Inspector>
bool inspect(Inspector& f, circuit_command& x) {
  return f.object(x).fields(f.field("wish", x.wish));
}

template <class Inspector>
bool inspect(Inspector& f, outcome_report& x) {
  return f.object(x).fields(f.field("held", x.held), f.field("failed", x.failed),
                            f.field("slow", x.slow), f.field("retry_after", x.retry_after));
}

template <class Inspector>
bool inspect(Inspector& f, success_batch& x) {
  auto at = x.at.time_since_epoch();
  if (!f.object(x).fields(f.field("generation", x.generation), f.field("calls", x.calls),
                          f.field("slow", x.slow), f.field("at", at)))
    return false;
  x.at = instant{at};
  return true;
}

template <class Inspector>
bool inspect(Inspector& f, permit_request& x) {
  auto importance = static_cast<std::uint8_t>(x.importance);
  if (!f.object(x).fields(f.field("attempt", x.attempt), f.field("importance", importance),
                          f.field("tenant", x.tenant)))
    return false;
  if constexpr (Inspector::is_loading) {
    if (importance >= criticality_count) {
      f.emplace_error(caf::sec::field_invariant_check_failed);
      return false;
    }
    x.importance = static_cast<criticality>(importance);
  }
  return true;
}

template <class Inspector>
bool inspect(Inspector& f, permit_withdrawal& x) {
  return f.object(x).fields(f.field("attempt", x.attempt));
}

template <class Inspector>
bool inspect(Inspector& f, permit_return& x) {
  return f.object(x).fields(f.field("count", x.count));
}

template <class Inspector>
bool inspect(Inspector& f, permit_grant& x) {
  return f.object(x).fields(f.field("attempt", x.attempt), f.field("extra", x.extra),
                            f.field("keep", x.keep));
}

template <class Inspector>
bool inspect(Inspector& f, permit_refusal& x) {
  return f.object(x).fields(f.field("attempt", x.attempt), f.field("why", x.why));
}

template <class Inspector>
bool inspect(Inspector& f, lease_recall& x) {
  return f.object(x).fields(f.field("round", x.round));
}

template <class Inspector>
bool inspect(Inspector& f, lease_answer& x) {
  return f.object(x).fields(f.field("round", x.round), f.field("returned", x.returned));
}

template <class Inspector>
bool inspect(Inspector& f, books_request& x) {
  return f.object(x).fields(f.field("round", x.round));
}

template <class Inspector>
bool inspect(Inspector& f, books_report& x) {
  return f.object(x).fields(f.field("round", x.round), f.field("holder", x.holder),
                            f.field("calls", x.calls), f.field("breaker", x.breaker),
                            f.field("bulkhead", x.bulkhead), f.field("abandoned", x.abandoned));
}

template <class Inspector>
bool inspect(Inspector& f, wake_request& x) {
  return f.object(x).fields(f.field("at", x.at));
}

template <class Inspector>
bool inspect(Inspector& f, failed_reply& x) {
  return f.object(x).fields(f.field("reason", x.reason), f.field("lost", x.lost),
                            f.field("no_more", x.no_more));
}

template <class Inspector>
bool inspect(Inspector& f, flight_request& x) {
  return f.object(x).fields(f.field("member", x.member));
}

template <class Inspector>
bool inspect(Inspector& f, stats_request& x) {
  return f.object(x).fields(f.field("round", x.round));
}

template <class Inspector>
bool inspect(Inspector& f, door_change& x) {
  return f.object(x).fields(f.field("door", x.door));
}

} // namespace bulwark
