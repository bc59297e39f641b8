#pragma once

#include "bulwark/attempt_outcome.hpp"
#include "bulwark/bulkhead.hpp"
#include "bulwark/bulkhead_share.hpp"
#include "bulwark/caf_compat.hpp"
#include "bulwark/call_context.hpp"
#include "bulwark/chaos.hpp"
#include "bulwark/circuit_breaker.hpp"
#include "bulwark/circuit_share.hpp"
#include "bulwark/classification.hpp"
#include "bulwark/cluster_statistics.hpp"
#include "bulwark/errc.hpp"
#include "bulwark/failure_report.hpp"
#include "bulwark/permit.hpp"
#include "bulwark/retry.hpp"
#include "bulwark/statistics.hpp"
#include "bulwark/time.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

/// @file All that bulwark's actors and their users say to each other: message types, their numbers,
/// how they are serialised. Nothing of it is anywhere else. Longer than 200 lines, for what is said
/// has one home.
///
/// What users send:
///
/// | to                | message                                 | answer                        |
/// | ----------------- | --------------------------------------- | ----------------------------- |
/// | every part        | get_stats                               | its statistics, exact         |
/// |                   | shutdown; shutdown, bool wait           | unit, once it is done         |
/// | those that guard  | call, actor target, message             | the target's reply            |
/// | guard             | call, call_context, message             | the target's reply            |
/// |                   | cancel, uint64_t request                | none: it takes the call back  |
/// |                   | change_policy, chaos_policy             | unit, or invalid_policy       |
/// | breaker           | state; is_open; is_closed; is_half_open | circuit_state; bool           |
/// |                   | record_success; record_failure          | unit                          |
/// |                   | the same, timespan it took              | unit                          |
/// |                   | reset; force_open; disable;             | unit                          |
/// |                   | metrics_only                            |                               |
/// |                   | subscribe; unsubscribe                  | unit, then each circuit_event |
/// |                   | change_policy, circuit_breaker_policy   | unit, or invalid_policy       |
/// | bulkhead          | execute, work; execute, work, timespan  | the function's result         |
/// |                   | available_capacity                      | uint32_t                      |
/// |                   | change_policy, bulkhead_policy          | unit, or invalid_policy       |
/// | timeout manager   | run, actor target, timespan, message    | the target's reply            |
/// |                   | schedule, timespan, message             | uint64_t; later the message   |
/// |                   | cancel, uint64_t                        | bool: it was still to come    |
/// | bulkhead registry | create, string, bulkhead_policy         | actor, or duplicate_name      |
/// |                   | get, string                             | actor, or unknown_name        |
/// |                   | get_all_stats; shutdown_all             | vector<bulkhead_stats>; unit  |
/// | registry          | list                                    | vector<part_info>             |
/// |                   | get, string                             | node_stats of that name       |
/// |                   | get_all_stats                           | node_stats                    |
/// |                   | subscribe; unsubscribe                  | unit, then each event         |
/// |                   | shutdown_all; shutdown_all, bool wait   | unit, once all have ended     |
/// | front door        | call, string, call_context, message     | the named guard's reply       |
/// |                   | cancel, string, uint64_t request        | none                          |
/// |                   | list                                    | vector<part_info>, no address |
/// |                   | get_stats, string                       | node_stats of that name       |
/// |                   | get_all_stats                           | node_stats                    |
/// |                   | subscribe; unsubscribe                  | unit, then each event         |
/// |                   | get_cluster_stats                       | cluster_stats                 |
/// | cluster           | get_cluster_stats                       | cluster_stats                 |
/// |                   | change_policy, cluster_policy           | unit, or invalid_policy       |
/// | a guard that asks | retry_after, error as an answer         | it shall not try again        |
/// | a target          | cancel, uint64_t request                | none is wanted any more       |
/// |                   | permit_token, message                   | that of the message alone     |
/// |                   | call_context, message                   | the same                      |
/// |                   | permit_token, call_context, message     | the same                      |
///
/// Those that guard: breaker, bulkhead, guard, timeout manager. Cluster: node::cluster(), which asks
/// the node's registry and the front doors of others.

/// The first type id that bulwark uses. Applications begin at caf::first_custom_type_id and have a
/// thousand before ours; who needs more sets this macro, to the same value in the whole program.
#ifndef BULWARK_FIRST_TYPE_ID
#define BULWARK_FIRST_TYPE_ID (caf::first_custom_type_id + 1000)
#endif

namespace bulwark {

// -- what users see ------------------------------------------------------------------

/// What a part is.
enum class part_kind : std::uint8_t {
  guard = 1,
  circuit_breaker = 2,
  bulkhead = 3,
  timeout_manager = 4,
  registry = 5,
  bulkhead_registry = 6,
};

std::string to_string(part_kind kind);
bool from_string(std::string_view name, part_kind& kind);
bool from_integer(std::uint8_t number, part_kind& kind);

std::string to_string(node_state state);
bool from_string(std::string_view name, node_state& state);
bool from_integer(std::uint8_t number, node_state& state);

bool from_string(std::string_view name, circuit_state& state);
bool from_integer(std::uint8_t number, circuit_state& state);
bool from_string(std::string_view name, transition_cause& cause);
bool from_integer(std::uint8_t number, transition_cause& cause);
bool from_string(std::string_view name, jitter_kind& jitter);
bool from_integer(std::uint8_t number, jitter_kind& jitter);

/// A change of a breaker's state, as its subscribers are told.
struct circuit_event {
  std::string name = {};
  circuit_state from = circuit_state::closed;
  circuit_state to = circuit_state::closed;
  transition_cause why = transition_cause::reset;
  timespan when{0}; ///< Of the actor system's clock, since its beginning.
  std::uint64_t generation = 0;
  std::uint32_t failures = 0;
  std::uint32_t successes = 0;
  outcome_counts window = {}; ///< Of the window, where the policy has one.
};

circuit_event event_of(const std::string& name, const circuit_transition& change);

/// A refusal, as the registry's subscribers are told. While nobody subscribes, nothing is sent.
struct rejection_event {
  std::string guard = {};
  std::string part = {};
  errc why = errc::circuit_open;
  timespan when{0};
};

/// Attempts that ended with an error of one kind.
struct error_count {
  std::string error = {}; ///< "timed_out"
  std::uint64_t count = 0;
  timespan age{0};       ///< How long ago the last one was.
  std::string text = {}; ///< What one of them said, at most a second before the last.

  friend bool operator==(const error_count&, const error_count&) = default;
};

struct guard_stats {
  std::string name = {};
  counters calls = {};
  std::uint64_t attempts = 0;
  std::uint64_t retries = 0;
  std::uint64_t late_replies = 0;
  latency_histogram latency = {};
  // Calls that would have been tried again, but for:
  std::uint64_t budget_refused = 0; ///< no retry left in the budget,
  std::uint64_t left_to_others = 0; ///< a guard further out whose retry the call itself is,
  std::uint64_t not_idempotent = 0; ///< harm in doing twice what may have been begun,
  std::uint64_t told_not_to = 0;    ///< the target's word not to come again, or not that soon.
  // Attempts that nobody waits for any more: their time was up, or their call taken back.
  std::uint64_t saved = 0;        ///< Not begun, and never will be.
  std::uint64_t cut = 0;          ///< With the target, which is told where it understands that.
  std::uint64_t abandoned = 0;    ///< Of these, functions that went on.
  std::uint64_t hedges = 0;       ///< Second copies of calls,
  std::uint64_t hedges_won = 0;   ///< of which so many had the answer.
  std::uint64_t restarts = 0;     ///< Of targets that the guard makes itself.
  std::uint64_t fallbacks = 0;    ///< Calls whose callers got something else than their error.
  std::uint64_t served_fresh = 0; ///< Calls that had a kept reply at once,
  std::uint64_t served_stale = 0; ///< that had one because they failed,
  std::uint64_t followed = 0;     ///< that had what an equal one in progress got.
  /// What goes wrong on purpose, since the policy in force; nullopt: nothing does.
  std::optional<chaos_counts> chaos = {};
  std::string breaker = {};  ///< The name of its circuit breaker; empty: it has none.
  std::string bulkhead = {}; ///< The same.
  /// Errors of the target that count as failures, attempts that were timed out or lost: the kinds
  /// that were seen last, at most 8, the latest first.
  std::vector<error_count> errors = {};
};

struct circuit_breaker_stats {
  std::string name = {};
  circuit_state state = circuit_state::closed;
  std::uint64_t generation = 0;
  std::uint32_t failures = 0;  ///< In a row, now.
  std::uint32_t successes = 0; ///< In half-open, now.
  std::uint32_t probes = 0;    ///< In flight, now.
  std::uint64_t transitions = 0;
  counters calls = {}; ///< Attempts.
  /// What is in the window, as of the last outcome; empty where the policy has none.
  outcome_counts window = {};
  std::uint64_t trips = 0; ///< How often it opened, or in metrics_only would have.
  /// Why it is in this state; nullopt: it has been from the beginning.
  std::optional<transition_cause> cause = {};
  timespan in_state{0}; ///< For so long.
  /// While it is open: until probes are let through. nullopt: it isn't, or a hand holds it open.
  std::optional<timespan> probes_in = {};
};

/// What the core itself knows: the name, calls, transitions and their cause are left empty.
circuit_breaker_stats stats_of(const circuit_breaker& circuit, instant now);

/// The same figures so much later, where nothing has happened meanwhile.
void pass_time(guard_stats& stats, timespan by);
void pass_time(circuit_breaker_stats& stats, timespan by);

struct bulkhead_stats {
  std::string name = {};
  std::uint32_t max_workers = 0;
  std::uint32_t queue_size = 0;
  std::uint32_t active =
      0; ///< Permits in use: calls in progress, and abandoned functions that still run.
  std::uint32_t queued = 0;
  std::uint64_t completed = 0;
  std::uint64_t failed = 0;
  std::uint64_t rejected = 0;
  std::uint64_t timed_out = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t abandoned = 0; ///< Timed out, but the function went on: counted in timed_out too.
  std::uint64_t calls = 0; ///< completed + failed + rejected + timed_out + cancelled + in progress
  std::uint32_t limit = 0; ///< max_workers, or with `adaptive` what is found to be good.
  std::uint64_t shed = 0;  ///< Of rejected: waited too long in a queue that didn't empty.
};

struct timeout_manager_stats {
  std::string name = {};
  std::uint64_t pending = 0; ///< Wake-ups and scheduled messages to come.
  std::uint64_t scheduled = 0;
  std::uint64_t fired = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t wake_ups = 0;     ///< How often CAF's clock woke the manager.
  counters calls = {};            ///< Of run.
  std::uint64_t late_replies = 0; ///< To run, after its timeout: dropped.
};

/// A resilience actor of a node.
struct part_info {
  std::string name = {};
  part_kind kind = part_kind::guard;
  caf::actor_addr address = {};
};

/// The statistics of a node, or of one name on it.
struct node_stats {
  std::vector<guard_stats> guards = {};
  std::vector<circuit_breaker_stats> circuit_breakers = {};
  std::vector<bulkhead_stats> bulkheads = {};
  std::vector<timeout_manager_stats> timeout_managers = {};
  counters total = {};            ///< Calls of all guards, those that have ended too.
  latency_histogram latency = {}; ///< The same.
  std::string node = {};          ///< The node's name; empty where it has none.
  /// Another number for each node that begins, never 0: with it figures begin anew.
  std::uint64_t incarnation = 0;
};

/// What is known of one node.
struct cluster_node {
  std::string name = {};    ///< As it calls itself; its address where it has no name.
  std::string address = {}; ///< "HOST:PORT" as connected; empty: the node that tells.
  node_state state = node_state::awaited;
  /// The figures are this old at most. nullopt: there are none yet.
  std::optional<timespan> age = {};
  node_stats stats = {};      ///< Of the process that told last, as it said them.
  std::uint64_t restarts = 0; ///< How often another process has answered at the address.
  counters earlier = {};      ///< Of the processes that were there before.
  latency_histogram earlier_latency = {}; ///< The same.
};

/// The statistics of a node and of those that it is connected to: see
/// bulwark/cluster_statistics.hpp.
struct cluster_stats {
  std::vector<cluster_node> nodes = {}; ///< The one that tells first, then by address.
  counters total = {};                  ///< Of all processes, each once.
  latency_histogram latency = {};       ///< The same.
  /// Of total.in_flight: calls of processes that are lost or ended, whose end nobody will tell.
  std::uint64_t unresolved = 0;
};

/// Where a message carries a duration and there is no bound.
inline constexpr timespan unbounded = timespan::max();

/// A function for a bulkhead's threads. Local: it can't be sent to another node.
struct work {
  std::shared_ptr<std::function<caf::message()>> run = {};
  /// Where the function asks for a std::stop_token: nobody waits for its result any more. Not begun
  /// by then, it never is.
  mutable std::stop_source stop{std::nostopstate};
};

// -- what bulwark's actors tell each other ----------------------------------------------

/// A supervisor asks a breaker for a probe; it holds it at most that long.
struct probe_request {
  attempt_id attempt = {};
  timespan hold_for = unbounded;
};

struct probe_decision {
  attempt_id attempt = {};
  bool granted = false;
  permit given = {};
  rejection refused = {};
};

/// A supervisor tells a breaker how an attempt ended: see attempt_outcome.
struct outcome_report {
  permit held = {};
  std::optional<bool> failed = {};
  bool slow = false;
  timespan retry_after{0};
};

attempt_outcome outcome_of(const outcome_report& report);

struct permit_request {
  attempt_id attempt = {};
  criticality importance = criticality::normal;
  std::uint64_t tenant = 0; ///< A hash.
};

/// A supervisor tells a bulkhead whose limit is adaptive how attempts have ended, some at a time.
struct samples_report {
  timespan first{0}; ///< Of the actor system's clock, since its beginning.
  std::uint32_t count = 0;
  timespan total{0};
  double squares = 0;
  std::uint32_t dropped = 0;
};

struct permit_withdrawal {
  attempt_id attempt = {};
};

struct permit_return {
  std::uint32_t count = 0;
};

struct permit_grant {
  attempt_id attempt = {};
  std::uint32_t extra = 0;
  bool keep = false;
};

struct permit_refusal {
  attempt_id attempt = {};
  errc why = errc::bulkhead_full;
};

struct lease_recall {
  std::uint64_t round = 0;
};

struct lease_answer {
  std::uint64_t round = 0;
  std::uint32_t returned = 0;
};

/// A part asks its supervisors for what they have counted of it. Round 0: unasked, a last farewell.
struct books_request {
  std::uint64_t round = 0;
};

struct books_report {
  std::uint64_t round = 0;
  caf::actor_addr holder = {};
  counters calls = {};
  counters breaker = {};
  counters bulkhead = {};
  std::uint64_t abandoned = 0;
};

/// A node asks the owner of a circuit for a probe, and the answer.
struct circuit_probe_request {
  std::uint64_t number = 0;
  timespan hold_for = unbounded;
};

struct circuit_probe_answer {
  std::uint64_t number = 0;
  bool granted = false;
  permit given = {};
  rejection refused = {};
};

/// What an operator has told a node's part, for the owner: closed, forced_open or disabled.
struct circuit_command {
  circuit_state wish = circuit_state::closed;
};

/// A supervisor asks the timeout manager to be woken, instead of what it asked before.
struct wake_request {
  timespan at{0}; ///< Of the actor system's clock, since its beginning.
};

/// An error as a reply, on its way into the supervisor's behavior: CAF would handle a bare one
/// itself.
struct failed_reply {
  caf::error reason = {};
  bool lost = false;    ///< CAF's word that the request reached nobody, not the target's.
  bool no_more = false; ///< A guard's word beside it: too much is tried again.
};

/// The registry asks its parts for their statistics, and hears from those that end.
struct stats_request {
  std::uint64_t round = 0;
};

/// What came back for a question to a node. Local: it can't be sent to another.
struct node_answer {
  std::uint64_t question = 0;
  caf::actor_addr from = {};
  caf::message content = {};
};

/// A guard tells itself that a call is to be started which has waited for an equal one. Local.
struct flight_request {
  std::uint32_t member = 0;
};

struct guard_policy;

/// A guard is to go on with another policy: see node::change_policy(). Local.
struct guard_change {
  std::shared_ptr<const guard_policy> policy = {};
  std::shared_ptr<retry_allowance> shared_budget = {}; ///< Of its retries, where that has a name.
};

/// A connector tells its supervisors where their calls go from now on.
struct door_change {
  caf::strong_actor_ptr door = {};
};

} // namespace bulwark

// -- type ids: new ones go to the end of their group, none is removed --------------------

CAF_BEGIN_TYPE_ID_BLOCK(bulwark, BULWARK_FIRST_TYPE_ID)

CAF_ADD_TYPE_ID(bulwark, (bulwark::errc))
CAF_ADD_TYPE_ID(bulwark, (bulwark::error_mark))
CAF_ADD_TYPE_ID(bulwark, (bulwark::failure_report))
CAF_ADD_TYPE_ID(bulwark, (bulwark::part_kind))
CAF_ADD_TYPE_ID(bulwark, (bulwark::circuit_state))
CAF_ADD_TYPE_ID(bulwark, (bulwark::transition_cause))
CAF_ADD_TYPE_ID(bulwark, (bulwark::jitter_kind))
CAF_ADD_TYPE_ID(bulwark, (bulwark::counters))
CAF_ADD_TYPE_ID(bulwark, (bulwark::latency_histogram))
CAF_ADD_TYPE_ID(bulwark, (bulwark::circuit_breaker_policy))
CAF_ADD_TYPE_ID(bulwark, (bulwark::retry_policy))
CAF_ADD_TYPE_ID(bulwark, (bulwark::bulkhead_policy))
CAF_ADD_TYPE_ID(bulwark, (bulwark::circuit_event))
CAF_ADD_TYPE_ID(bulwark, (bulwark::rejection_event))
CAF_ADD_TYPE_ID(bulwark, (bulwark::guard_stats))
CAF_ADD_TYPE_ID(bulwark, (bulwark::circuit_breaker_stats))
CAF_ADD_TYPE_ID(bulwark, (bulwark::bulkhead_stats))
CAF_ADD_TYPE_ID(bulwark, (bulwark::timeout_manager_stats))
CAF_ADD_TYPE_ID(bulwark, (bulwark::part_info))
CAF_ADD_TYPE_ID(bulwark, (bulwark::node_stats))
CAF_ADD_TYPE_ID(bulwark, (bulwark::work))
CAF_ADD_TYPE_ID(bulwark, (std::vector<bulwark::bulkhead_stats>))
CAF_ADD_TYPE_ID(bulwark, (std::vector<bulwark::part_info>))

CAF_ADD_TYPE_ID(bulwark, (bulwark::probe_request))
CAF_ADD_TYPE_ID(bulwark, (bulwark::probe_decision))
CAF_ADD_TYPE_ID(bulwark, (bulwark::outcome_report))
CAF_ADD_TYPE_ID(bulwark, (bulwark::permit_request))
CAF_ADD_TYPE_ID(bulwark, (bulwark::permit_withdrawal))
CAF_ADD_TYPE_ID(bulwark, (bulwark::permit_return))
CAF_ADD_TYPE_ID(bulwark, (bulwark::permit_grant))
CAF_ADD_TYPE_ID(bulwark, (bulwark::permit_refusal))
CAF_ADD_TYPE_ID(bulwark, (bulwark::lease_recall))
CAF_ADD_TYPE_ID(bulwark, (bulwark::lease_answer))
CAF_ADD_TYPE_ID(bulwark, (bulwark::books_request))
CAF_ADD_TYPE_ID(bulwark, (bulwark::books_report))
CAF_ADD_TYPE_ID(bulwark, (bulwark::wake_request))
CAF_ADD_TYPE_ID(bulwark, (bulwark::failed_reply))
CAF_ADD_TYPE_ID(bulwark, (bulwark::stats_request))

CAF_ADD_ATOM(bulwark, bulwark, call_atom)
CAF_ADD_ATOM(bulwark, bulwark, execute_atom)
CAF_ADD_ATOM(bulwark, bulwark, run_atom)
CAF_ADD_ATOM(bulwark, bulwark, schedule_atom)
CAF_ADD_ATOM(bulwark, bulwark, cancel_atom)
CAF_ADD_ATOM(bulwark, bulwark, state_atom)
CAF_ADD_ATOM(bulwark, bulwark, is_open_atom)
CAF_ADD_ATOM(bulwark, bulwark, is_closed_atom)
CAF_ADD_ATOM(bulwark, bulwark, is_half_open_atom)
CAF_ADD_ATOM(bulwark, bulwark, record_success_atom)
CAF_ADD_ATOM(bulwark, bulwark, record_failure_atom)
CAF_ADD_ATOM(bulwark, bulwark, reset_atom)
CAF_ADD_ATOM(bulwark, bulwark, force_open_atom)
CAF_ADD_ATOM(bulwark, bulwark, disable_atom)
CAF_ADD_ATOM(bulwark, bulwark, subscribe_atom)
CAF_ADD_ATOM(bulwark, bulwark, unsubscribe_atom)
CAF_ADD_ATOM(bulwark, bulwark, change_policy_atom)
CAF_ADD_ATOM(bulwark, bulwark, available_capacity_atom)
CAF_ADD_ATOM(bulwark, bulwark, get_stats_atom)
CAF_ADD_ATOM(bulwark, bulwark, get_all_stats_atom)
CAF_ADD_ATOM(bulwark, bulwark, shutdown_atom)
CAF_ADD_ATOM(bulwark, bulwark, shutdown_all_atom)
CAF_ADD_ATOM(bulwark, bulwark, create_atom)
CAF_ADD_ATOM(bulwark, bulwark, get_atom)
CAF_ADD_ATOM(bulwark, bulwark, list_atom)
CAF_ADD_ATOM(bulwark, bulwark, attach_atom)
CAF_ADD_ATOM(bulwark, bulwark, wake_up_atom)
CAF_ADD_ATOM(bulwark, bulwark, watch_rejections_atom)

CAF_ADD_TYPE_ID(bulwark, (bulwark::call_context))
CAF_ADD_TYPE_ID(bulwark, (bulwark::door_change))
CAF_ADD_TYPE_ID(bulwark, (bulwark::share_report))
CAF_ADD_TYPE_ID(bulwark, (bulwark::share_grant))
CAF_ADD_TYPE_ID(bulwark, (bulwark::permit_token))
CAF_ADD_TYPE_ID(bulwark, (bulwark::circuit_report))
CAF_ADD_TYPE_ID(bulwark, (bulwark::circuit_word))
CAF_ADD_TYPE_ID(bulwark, (bulwark::circuit_probe_request))
CAF_ADD_TYPE_ID(bulwark, (bulwark::circuit_probe_answer))
CAF_ADD_TYPE_ID(bulwark, (bulwark::circuit_command))

CAF_ADD_TYPE_ID(bulwark, (bulwark::node_state))
CAF_ADD_TYPE_ID(bulwark, (bulwark::cluster_node))
CAF_ADD_TYPE_ID(bulwark, (bulwark::cluster_stats))
CAF_ADD_TYPE_ID(bulwark, (bulwark::cluster_policy))
CAF_ADD_TYPE_ID(bulwark, (bulwark::node_answer))
CAF_ADD_ATOM(bulwark, bulwark, get_cluster_stats_atom)

CAF_ADD_TYPE_ID(bulwark, (bulwark::samples_report))

CAF_ADD_TYPE_ID(bulwark, (bulwark::retry_after))

CAF_ADD_TYPE_ID(bulwark, (bulwark::success_batch))
CAF_ADD_ATOM(bulwark, bulwark, metrics_only_atom)

CAF_ADD_TYPE_ID(bulwark, (bulwark::chaos_policy))
CAF_ADD_TYPE_ID(bulwark, (bulwark::flight_request))
CAF_ADD_TYPE_ID(bulwark, (bulwark::guard_change))
CAF_ADD_TYPE_ID(bulwark, (bulwark::error_count))

CAF_END_TYPE_ID_BLOCK(bulwark)

CAF_ERROR_CODE_ENUM(bulwark::errc)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(bulwark::work)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(bulwark::node_answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(bulwark::guard_change)

#include "bulwark/inspect.hpp"
