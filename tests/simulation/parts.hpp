#pragma once

#include "bulwark/bulkhead.hpp"
#include "bulwark/bulkhead_share.hpp"
#include "bulwark/circuit_breaker.hpp"
#include "bulwark/circuit_share.hpp"
#include "bulwark/cluster_statistics.hpp"
#include "bulwark/shared_bulkhead.hpp"
#include "bulwark/shared_circuit.hpp"
#include "bulwark/supervisor.hpp"

#include "models/plain_queue.hpp"
#include "simulation/event_queue.hpp"
#include "simulation/plan.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

/// @file The shells of a simulated process: what actors are otherwise. Each carries one real core, and
/// checks after each event what must hold of it.

namespace bulwark_simulation {

class world;
struct process;
struct bulkhead_part;
struct circuit_part;
struct guard;
struct owner_parts;
struct registry_part;

/// The actors of a process, each with a mailbox: messages from one to another keep their order.
enum actor : std::uint32_t {
  timeouts = 0,
  first_bulkhead = 1, // its own, and its share of the owner's
  first_circuit = 3,
  shared_bulkhead_owner = 5,
  shared_circuit_owner = 6,
  first_target = 7,
  front_door = 9,
  registry_actor = 10,
  first_guard = 11,
  actor_count = 15,
};

/// Who made a call: a caller in the process, or a guard of another node.
struct caller {
  bool remote = false;
  place where;
  holder_id guard = 0;
  attempt_id attempt;
};

/// What the world knows of a call; the supervisor knows the same, or has a fault.
struct call_record {
  std::uint64_t number = 0;
  bool live = false;
  bool keeps_worker = false;
  bool reply_failed = false; ///< The last that was taken.
  instant started{};
  instant deadline = end_of_time;
  timespan slept_before{0};
  std::uint32_t starts = 0;
  std::uint32_t serial = 0;           ///< Of the attempt that asked last.
  instant attempt_ends = end_of_time; ///< By the attempt timeout.
  instant wait_ends = end_of_time;    ///< By the queue timeout.
  bool granted_alone = false;         ///< Its permit was given without a lease.
  caller from;
  call_class as;
};

struct guard_settings {
  supervisor_limits limits;
  std::optional<retry_budget_policy> retry_budget;
  std::optional<hedge_policy> hedge;
  std::uint32_t bulkhead = 0; ///< Which of the process's; where limits say that there is one.
  std::uint32_t circuit = 0;
  std::uint32_t target = 0; ///< 0, 1; 2: a guard of node 0.
  bool retries_rejections = false;
  bool stops_when_told = false; ///< Its target.
};

/// A supervisor, and the shell around it.
struct guard : private supervisor_effects {
  process& home;
  const std::uint32_t index;
  const holder_id id;
  guard_settings settings;
  bulkhead_part* bulkhead = nullptr;
  circuit_part* circuit = nullptr;
  std::deque<call_record> calls; // by slot
  std::uint64_t live = 0;
  std::array<std::uint64_t, 3> answers{}; // succeeded, timed out, others
  std::uint64_t late = 0;
  bool ended = false;
  const instant begun;
  std::optional<retry_budget> budget;
  std::optional<hedging> hedge;
  supervisor core;

  guard(process& home, std::uint32_t index, holder_id id, const guard_settings& settings);

  void begin_call(const supervisor::call_options& options, const caller& from,
                  const call_class& as = {});
  void reply(attempt_id attempt, const reply_class& kind);
  void lost(attempt_id attempt);
  void check();
  void check_budget();
  void shut_down(bool finish);
  [[nodiscard]] actor me() const { return static_cast<actor>(first_guard + index); }

private:
  void ask_probe(attempt_id attempt, instant hold_until) override;
  void tell_breaker(const permit& held, const attempt_outcome& how) override;
  void tell_successes(const success_batch& batch) override;
  void ask_permit(attempt_id attempt) override;
  void withdraw(attempt_id attempt) override;
  void return_permits(std::uint32_t count) override;
  void tell_samples(const latency_samples& samples) override;
  void start_attempt(attempt_id attempt) override;
  void cut_attempt(attempt_id attempt, errc why) override;
  void copy_call(std::uint32_t from, std::uint32_t to) override;
  void forget_copy(std::uint32_t slot, std::uint32_t heir) override;
  void answer(std::uint32_t slot, const call_end& end) override;
  void wake_at(instant due) override;
  [[nodiscard]] error_class classify(errc code) const override;

  call_record& asks(attempt_id attempt);
  void check_time_of(const call_record& c, const call_end& end);
  template <class F>
  void tell_bulkhead(F f);
  friend struct process;
};

/// A bulkhead actor: its own, or a share of the owner's.
struct bulkhead_part : private bulkhead_effects, private bulkhead_share_effects {
  process& home;
  const std::uint32_t index;
  bulkhead core;
  lease_view view;
  std::optional<bulkhead_share> share;
  instant armed = end_of_time;
  bool ended = false;
  bulwark_tests::plain_queue waiting; // as it must be
  std::uint64_t shed = 0;

  bulkhead_part(process& home, std::uint32_t index, const bulkhead_policy& policy);

  /// As the core wants it before each event.
  void tell_time();
  void ask(holder_id holder, attempt_id attempt, const call_class& as);
  void change_policy(const bulkhead_policy& policy);
  void withdraw(holder_id holder, attempt_id attempt);
  void lose(holder_id holder);
  void after_event();
  [[nodiscard]] actor me() const { return static_cast<actor>(first_bulkhead + index); }

private:
  void grant(holder_id holder, ticket_id ticket, std::uint32_t extra, bool keep) override;
  void refuse(holder_id holder, ticket_id ticket, errc why) override;
  void recall(holder_id holder, std::uint64_t round) override;
  void report(const share_report& report) override;
  void policy_changed(const bulkhead_policy& policy) override;
  void check();
};

/// A circuit breaker actor: its own, or a part of the owner's.
struct circuit_part : private circuit_observer, private circuit_share_effects {
  process& home;
  const std::uint32_t index;
  circuit_breaker core;
  circuit_view view;
  std::optional<circuit_share> share;
  instant armed = end_of_time;
  bool ended = false;
  std::map<std::uint64_t, std::pair<permit, holder_id>> probes; // by number, whose they are
  struct question {
    holder_id holder;
    attempt_id attempt;
    timespan hold_for;
  };
  std::map<std::uint64_t, question> asked; // the owner
  std::map<std::uint64_t, std::pair<permit, holder_id>> given;
  std::uint64_t last_question = 0;
  std::uint64_t heard_session = 0; // of the owner's last word, and its number
  std::uint64_t heard_word = 0;
  std::uint64_t generation_before = 0;
  std::uint32_t probes_before = 0;
  circuit_state state_before = circuit_state::closed;

  circuit_part(process& home, std::uint32_t index, const circuit_breaker_limits& policy);

  void ask(const question& asked);
  void answered(std::uint64_t number, const admission& by_owner);
  void tell(const permit& held, const attempt_outcome& how);
  void tell(const success_batch& batch);
  void lose(holder_id holder);
  void operate(circuit_state wish);
  void policy_changed(const circuit_breaker_limits& policy) override;
  void after_event();
  [[nodiscard]] actor me() const { return static_cast<actor>(first_circuit + index); }

private:
  void decide(const question& asked);
  void on_transition(const circuit_transition& change) override;
  void report(const circuit_report& report) override;
  void check();
};

/// What node 0 owns for all.
struct owner_parts : private shared_bulkhead_effects,
                     private shared_circuit_effects,
                     private circuit_observer {
  process& home;
  shared_bulkhead bulkhead;
  shared_circuit circuit;
  instant bulkhead_armed = end_of_time;
  instant circuit_armed = end_of_time;
  std::uint32_t widest;
  std::map<std::uint32_t, node_key> keys;          // of incarnations
  std::map<node_key, place> nodes;                 // and back
  std::map<std::uint32_t, std::uint64_t> sessions; // of incarnations, as heard
  node_key last_key = 0;
  std::uint64_t generation_before = 0;
  std::set<std::pair<std::uint64_t, std::uint64_t>>
      outcomes; // generation and probe, that were told

  explicit owner_parts(process& home);

  void hear(place from, const share_report& report);
  void hear(place from, const circuit_report& report);
  void probe(place from, std::uint64_t number, timespan hold_for);
  void outcome(const permit& held, const attempt_outcome& how);
  void operate(circuit_state wish);
  void lose(std::uint32_t incarnation);
  void after_bulkhead();
  void after_circuit();

private:
  node_key key_of(place from);
  void grant(node_key node, const share_grant& grant) override;
  void say(node_key node, const circuit_word& word) override;
  void on_transition(const circuit_transition& change) override;
};

/// The registry of node 0, which asks those of the others.
struct registry_part {
  process& home;
  cluster_statistics core;
  instant armed = end_of_time;
  bool answered = false; // the last reader

  explicit registry_part(process& home);

  void connected(std::uint32_t node);
  void lost(std::uint32_t node);
  void after_event();
  void read();
  void check_the_end();

private:
  void check();
};

/// Numbers of policies that a world may have.
[[nodiscard]] bulkhead_policy any_bulkhead(timespan tempo, random_stream& chance);
/// The same, with what only a bulkhead may have that nodes don't share.
[[nodiscard]] bulkhead_policy any_own_bulkhead(const plan& with, random_stream& chance);
[[nodiscard]] circuit_breaker_limits any_circuit(timespan tempo, random_stream& chance);
[[nodiscard]] guard_settings any_guard(const plan& with, std::uint32_t node, random_stream& chance);

[[nodiscard]] constexpr ticket_id ticket_of(attempt_id a) noexcept {
  return (ticket_id{a.slot} << 32U) | a.serial;
}
[[nodiscard]] constexpr attempt_id attempt_of(ticket_id t) noexcept {
  return {.slot = static_cast<std::uint32_t>(t >> 32U), .serial = static_cast<std::uint32_t>(t)};
}

} // namespace bulwark_simulation
