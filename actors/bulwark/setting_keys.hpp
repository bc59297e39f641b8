#pragma once

#include "bulwark/node_settings.hpp"

/// @file The keys of settings, each once: name, where it goes, what it means. Whoever needs all of
/// them (the reader, a reference, a comparison of two) is a function object `f(name, value,
/// meaning)` and is handed to for_each_key. Defaults are those of the structures; ranges are the
/// policies' own (find_mistakes).
///
/// Longer than 200 lines: a key a line.

namespace bulwark {

template <class F>
void for_each_key(F&& f, retry_policy& x) {
  f("max-attempts", x.max_attempts, "attempts in all, the first included");
  f("base-delay", x.base_delay, "the wait after the first attempt");
  f("exponential-base", x.exponential_base, "each wait is that many times the one before");
  f("max-delay", x.max_delay, "the longest wait, before jitter");
  f("jitter", x.jitter, "how chance spreads the waits");
  f("retry-on", x.retry_on, "the errors after which to try again");
  f("budget", x.budget, "how much load retries may add; without, as much as max-attempts allows");
  f("max-retry-after", x.max_retry_after, "the longest that an error may ask to be waited for");
  f("idempotent", x.idempotent, "calls that don't say so themselves may be made twice");
}

template <class F>
void for_each_key(F&& f, retry_budget_policy& x) {
  f("ratio", x.ratio, "retries for each call");
  f("min-per-second", x.min_per_second, "retries that there are in any case");
  f("window", x.window, "over which both are meant");
  f("name", x.name, "guards with budgets of the same name share one");
}

template <class F>
void for_each_key(F&& f, hedge_policy& x) {
  f("delay", x.delay, "how long a call takes that gets a second copy; without, it is measured");
  f("percentile", x.percentile, "the share of calls that take no longer than what is measured");
  f("min-delay", x.min_delay, "the shortest that is measured");
  f("minimum-calls", x.minimum_calls, "calls that must be known before there are second copies");
  f("memory", x.memory, "what was longer ago is not measured any more");
  f("ratio", x.ratio, "second copies for each call");
  f("window", x.window, "over which the ratio is meant");
}

template <class F>
void for_each_key(F&& f, reply_sharing_limits& x) {
  f("fresh-for", x.fresh_for, "how long an equal call is served without asking the target");
  f("stale-for", x.stale_for, "how long after that one is served that failed");
  f("max-entries", x.max_entries, "replies that are kept");
  f("max-key-size", x.max_key_size, "a call of more bytes is neither kept nor shared");
  f("single-flight", x.single_flight, "equal calls that are in progress at once share one");
}

template <class F>
void for_each_key(F&& f, chaos_policy& x) {
  f("latency-rate", x.latency_rate, "the share of attempts that reach the target late");
  f("min-latency", x.min_latency, "how late at least");
  f("max-latency", x.max_latency, "how late at most");
  f("error-rate", x.error_rate, "the share that doesn't reach it, and gets an error");
  f("lost-reply-rate", x.lost_reply_rate, "the share whose reply is lost");
  f("kill-rate", x.kill_rate, "the share that the target ends by; only where it is of this node");
  f("critical", x.critical, "critical calls may be hit");
  f("normal", x.normal, "normal calls may be hit");
  f("sheddable", x.sheddable, "sheddable calls may be hit");
  f("seed", x.seed, "of the chance");
  f("transient-errors", x.transient_errors, "its errors are worth trying again");
}

template <class F>
void for_each_key(F&& f, rate_limit_policy& x) {
  f("calls", x.calls, "that many in each period, in the long run");
  f("period", x.period, "over which they are meant");
  f("burst", x.burst, "that many at once after a pause");
  f("max-wait", x.max_wait, "how long a call that came too early may wait; else it is refused");
  f("max-keys", x.max_keys, "0: one limit for all calls; else one for each of so many tenants");
}

template <class F>
void for_each_key(F&& f, adaptive_limit_policy& x) {
  f("algorithm", x.algorithm, "what the limit follows");
  f("floor", x.floor, "the smallest limit");
  f("initial", x.initial, "the first one");
  f("tolerance", x.tolerance, "calls may take so many times what an unloaded one takes");
  f("smoothing", x.smoothing, "how far each step goes towards what was found");
  f("decrease", x.decrease, "with aimd: by what the limit is multiplied where calls take long");
  f("latency-limit", x.latency_limit, "with aimd: the mean that is long");
  f("window", x.window, "how often it is looked at");
  f("remeasure", x.remeasure, "how often an unloaded call is measured anew");
}

template <class F>
void for_each_key(F&& f, queue_delay_policy& x) {
  f("target", x.target, "a wait that is long");
  f("interval", x.interval, "a queue whose waits were long for that time stands");
  f("newest-first", x.newest_first, "while it stands, who came last is served first");
}

template <class F>
void for_each_key(F&& f, count_window& x) {
  f("size", x.size, "outcomes that are remembered");
  f("failure-ratio", x.failure_ratio, "the share of failures that opens it");
  f("minimum-calls", x.minimum_calls, "with fewer outcomes it stays closed");
  f("slow-ratio", x.slow_ratio, "the share of slow calls that opens it");
}

template <class F>
void for_each_key(F&& f, time_window& x) {
  f("span", x.span, "how far it looks back");
  f("buckets", x.buckets, "in so many steps it forgets");
  f("failure-ratio", x.failure_ratio, "the share of failures that opens it");
  f("minimum-calls", x.minimum_calls, "with fewer outcomes it stays closed");
  f("slow-ratio", x.slow_ratio, "the share of slow calls that opens it");
}

template <class F>
void for_each_key(F&& f, circuit_breaker_policy& x) {
  f("failure-threshold", x.failure_threshold,
    "failures in a row that open it; 0 with a window: no");
  f("success-threshold", x.success_threshold, "successes in half-open that close it");
  f("open-for", x.open_for, "time in open before probes are let through");
  f("half-open-calls", x.half_open_calls, "probes in flight at once in half-open");
  f("failure-on", x.failure_on, "the errors that are failures of the target");
  f("count-window", x.count_window, "opens it by the last so many outcomes too");
  f("time-window", x.time_window, "opens it by the outcomes of the last so many seconds too");
  f("slow-call-duration", x.slow_call_duration, "an attempt that takes as long is slow");
  f("open-growth", x.open_growth, "each reopening is open so many times longer");
  f("max-open-for", x.max_open_for, "the longest time in open");
  f("open-jitter", x.open_jitter, "the share by which chance shortens the time in open");
  f("open-on-retry-after", x.open_on_retry_after, "opens it for as long as the target says");
  f("max-half-open-for", x.max_half_open_for, "half-open that has no end by then opens again");
  f("ramp-for", x.ramp_for, "how long after closing only a share is let through");
  f("ramp-from", x.ramp_from, "the share with which the ramp begins");
  f("initial-state", x.initial_state, "how it begins");
}

template <class F>
void for_each_key(F&& f, bulkhead_policy& x) {
  f("max-workers", x.max_workers, "calls in progress at once");
  f("queue-size", x.queue_size, "calls waiting beyond that; the next is rejected");
  f("queue-timeout", x.queue_timeout, "the longest wait in the queue");
  f("adaptive", x.adaptive, "the limit finds itself, up to max-workers");
  f("shed", x.shed, "who has waited too long in a queue that stands is refused");
  f("fair-by-tenant", x.fair_by_tenant, "tenants that wait are served in turn");
}

template <class F>
void for_each_key(F&& f, bulkhead_sharing& x) {
  f("lease-time", x.lease_time, "how long a node may use it without a word from this one");
}

template <class F>
void for_each_key(F&& f, sharing_policy& x) {
  f("lease-time", x.lease_time, "how long a node may use it without a word from this one");
  f("trips-for", x.trips_for, "for whom the failures that a node sees open it");
}

template <class F>
void for_each_key(F&& f, bulkhead_settings& x) {
  for_each_key(f, x.policy);
  f("shared", x.shared, "other nodes may use it, and its limit holds for all together");
}

template <class F>
void for_each_key(F&& f, circuit_breaker_settings& x) {
  for_each_key(f, x.policy);
  f("shared", x.shared, "other nodes may use it");
}

template <class F>
void for_each_key(F&& f, replica_policy& x) {
  f("consecutive-failures", x.consecutive_failures, "failures in a row that leave one out; 0: no");
  f("deviation", x.deviation, "standard deviations below the mean that do; 0: no");
  f("minimum-replicas", x.minimum_replicas, "with fewer that have minimum-calls: not compared");
  f("minimum-calls", x.minimum_calls, "in an interval, to be compared");
  f("interval", x.interval, "how often they are compared");
  f("base-ejection", x.base_ejection, "how long one is left out for the first time");
  f("max-ejection", x.max_ejection, "the longest");
  f("max-ejected", x.max_ejected, "the share of all that may be left out; one always may");
  f("panic-below", x.panic_below, "with a smaller share left, all are used");
  f("latency-memory", x.latency_memory, "after that time a third of what was measured is left");
}

template <class F>
void for_each_key(F&& f, restart_policy& x) {
  f("strategy", x.strategy, "who is made anew when one ends");
  f("intensity", x.intensity, "restarts within the period; one more ends them all");
  f("period", x.period, "over which they are meant");
  f("min-backoff", x.min_backoff, "the wait before the first");
  f("max-backoff", x.max_backoff, "the longest wait");
  f("random-share", x.random_share, "up to that share is added by chance");
  f("reset-after", x.reset_after, "all being up for so long makes the next wait the first again");
}

template <class F>
void for_each_key(F&& f, guard_settings& x) {
  f("deadline", x.deadline, "from acceptance to answer, all attempts and waits included");
  f("attempt-timeout", x.attempt_timeout, "for one attempt");
  f("retry", x.retry, "when to try again; without, one attempt");
  f("rate-limit", x.rate_limit, "how many calls begin in a time; without, as many as come");
  f("hedge", x.hedge, "when a call gets a second copy; without, never");
  f("circuit-breaker", x.circuit_breaker,
    "one by name, in bulwarkd also HOST:PORT/NAME, or one of its own");
  f("bulkhead", x.bulkhead, "one by name, in bulwarkd also HOST:PORT/NAME, or one of its own");
  f("cancel", x.cancel, "whether the target is told that nobody waits any more");
  f("shows-permit", x.shows_permit, "the target gets the permit of a shared bulkhead too");
  f("reply-sharing", x.reply_sharing, "which replies are kept and shared; without, none");
  f("chaos", x.chaos, "what goes wrong on purpose; without, nothing");
  f("shows-context", x.shows_context, "the target gets the call's context too");
  f("watches-callers", x.watches_callers, "calls whose caller has ended are taken back");
}

template <class F>
void for_each_key(F&& f, program_guard_settings& x) {
  for_each_key(f, static_cast<guard_settings&>(x));
  f("replicas", x.replicas, "how attempts are spread, where there are several targets");
  f("restart", x.restart, "how targets come back that the guard has made itself");
}

template <class F>
void for_each_key(F&& f, node_settings& x) {
  f("circuit-breakers", x.circuit_breakers, "for guards, by name");
  f("bulkheads", x.bulkheads, "for guards, by name");
  f("guards", x.guards, "by name");
}

} // namespace bulwark
