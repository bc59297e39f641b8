#pragma once

#include "bulwark/bulkhead.hpp"
#include "bulwark/bulkhead_share.hpp"
#include "bulwark/circuit_breaker.hpp"
#include "bulwark/circuit_share.hpp"
#include "bulwark/cluster_statistics.hpp"
#include "bulwark/shared_bulkhead.hpp"
#include "bulwark/shared_circuit.hpp"
#include "bulwark/supervisor.hpp"
#include "bulwark/timing_wheel.hpp"

#include "simulation/event_queue.hpp"
#include "simulation/plan.hpp"

#include <fmt/format.h>

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

/// @file A world of nodes in one thread and virtual time: all decisions are made by the real cores,
/// only messages, clocks, networks, targets and callers are made here.
///
/// After each event what it concerns is checked; the first thing that must not be ends the world. At
/// the end everything is mended, and then nothing may be left over: each call has its answer, each
/// permit is home, nodes and owner agree, and new calls get through.

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
};

/// What a target does for an attempt.
struct work {
  guard* by = nullptr;
  attempt_id attempt;
  std::uint32_t target = 0;
  bool counted = false; ///< Against the limit of the shared bulkhead: the owner knows of it.
  bool hangs = false;
};

enum class mood : std::uint8_t { healthy, slow, failing, failing_softly, hanging, lying, dead };

struct guard_settings {
  supervisor_limits limits;
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
  supervisor core;

  guard(process& home, std::uint32_t index, holder_id id, const guard_settings& settings);

  void begin_call(const supervisor::call_options& options, const caller& from);
  void reply(attempt_id attempt, const reply_class& kind);
  void lost(attempt_id attempt);
  void check();
  void shut_down(bool finish);
  [[nodiscard]] actor me() const { return static_cast<actor>(first_guard + index); }

private:
  void ask_probe(attempt_id attempt, instant hold_until) override;
  void tell_breaker(const permit& held, std::optional<bool> failed) override;
  void ask_permit(attempt_id attempt) override;
  void withdraw(attempt_id attempt) override;
  void return_permits(std::uint32_t count) override;
  void start_attempt(attempt_id attempt) override;
  void cut_attempt(attempt_id attempt, errc why) override;
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
  std::deque<std::pair<holder_id, ticket_id>> waiting; // as it must be

  bulkhead_part(process& home, std::uint32_t index, const bulkhead_policy& policy);

  void ask(holder_id holder, attempt_id attempt);
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
  void tell(const permit& held, std::optional<bool> failed);
  void lose(holder_id holder);
  void operate(circuit_state wish);
  void after_event();
  [[nodiscard]] actor me() const { return static_cast<actor>(first_circuit + index); }

private:
  void decide(const question& asked);
  void on_transition(const circuit_transition& change) override;
  void report(const circuit_report& report) override;
  void policy_changed(const circuit_breaker_limits& policy) override;
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
  void outcome(const permit& held, std::optional<bool> failed);
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

/// A process on a node, from its start to its end.
struct process {
  struct alarm : wheel_entry {
    actor whose = timeouts;
  };

  world& all;
  const std::uint32_t index;
  const std::uint32_t incarnation;
  const local_clock& clock;
  random_stream chance;
  moment asleep_until = 0;
  timespan slept{0};
  timing_wheel wheel;
  std::array<alarm, actor_count> alarms;
  moment armed = never;
  std::array<std::array<moment, actor_count>, actor_count> last_mail{};
  std::vector<std::unique_ptr<bulkhead_part>> bulkheads;
  std::vector<std::unique_ptr<circuit_part>> circuits;
  std::vector<std::unique_ptr<guard>> guards;
  std::unique_ptr<owner_parts> owner;
  std::unique_ptr<registry_part> registry;
  guard_figures ended_figures;                                // of guards that have ended
  std::vector<std::unique_ptr<bulkhead_part>> dead_bulkheads; // messages may still name them
  std::vector<std::unique_ptr<circuit_part>> dead_circuits;
  std::vector<std::unique_ptr<guard>> dead_guards;
  std::array<mood, 2> targets{};
  std::vector<work> works;
  holder_id last_holder = 0;
  std::uint64_t session = 0; // of the bulkhead's last report
  std::uint64_t counted = 0; // of its works
  bool lost_by_word = false; // the owner was told that it is lost

  process(world& all, std::uint32_t index, std::uint32_t incarnation, const local_clock& clock);

  [[nodiscard]] instant now() const;
  [[nodiscard]] guard_figures figures() const;
  [[nodiscard]] place here() const { return {index, incarnation}; }

  /// A message from one actor of the process to another.
  template <class F>
  void post(actor from, actor to, F f);
  void set_alarm(actor whose, instant due);

  void add_guard(std::uint32_t index);
  void end_guard(std::uint32_t index, bool finish);
  void bury(guard& whom);
  void end_part(random_stream& chance);
  [[nodiscard]] guard* find(holder_id id);

  // -- targets
  void start_work(guard& by, attempt_id attempt, std::uint32_t target, bool counted);
  void stop_work(const guard& by, attempt_id attempt);
  void stop_counting(const guard& by, attempt_id attempt);
  void finish(const guard& by, attempt_id attempt, mood how);
  void change_target(std::uint32_t target, mood to);
  void lose_target(guard& by);
  void count_no_more();

private:
  void arm();
  void ring();
  void wake(actor whom);
  void arrive(guard& by, attempt_id attempt, std::uint32_t target);
};

/// The connection of a node to node 0. That of node 0 with itself loses nothing.
struct line {
  std::uint64_t number = 0; ///< Rises when it is made anew.
  bool up = false;
  std::array<moment, 2> last{}; ///< To node 0, and from it.
  std::array<moment, 2> cut_until{};
  random_stream chance{0};
};

/// What came of a world.
struct outcome {
  std::string wrong; ///< What must not be; empty: nothing was.
  std::string detail;
  moment when = 0;
  std::uint64_t events = 0;
  std::uint64_t calls = 0;
  std::uint64_t attempts = 0;
  std::uint64_t messages = 0; ///< Between nodes.
  std::uint64_t transitions = 0;
  std::uint64_t fingerprint = 0; ///< Of all answers, and when they came.
  moment simulated = 0;
  std::vector<std::string> timeline; ///< Where it was asked for.
};

class world {
public:
  explicit world(const plan& with, bool keeps_timeline = false);
  world(const world&) = delete;
  world& operator=(const world&) = delete;
  ~world();

  /// All that is planned, then the end.
  outcome run();

  // -- for what lives in it

  const plan with;
  bool mended = false; ///< Nothing goes wrong any more.
  outcome result;
  std::uint64_t counted = 0; ///< Works that count against the shared limit.
  timespan most_mail{0};     ///< The longest time a message within a process takes.
  timespan most_late{0};     ///< The most that a timer rings late.
  timespan lease_time{0};
  owner_lost when_lost = owner_lost::local;
  trip_scope trips_for = trip_scope::any;
  bulkhead_policy shared_limit;
  circuit_breaker_limits shared_circuit_policy;

  [[nodiscard]] moment now() const noexcept { return now_; }
  template <class F>
  void at(moment when, place where, F f) {
    queue_.add(std::max(when, now_), where, f);
  }
  /// Between a node and node 0; `to_owner`: towards it.
  template <class F>
  void transmit(std::uint32_t node, bool to_owner, F f);
  [[nodiscard]] line& line_of(std::uint32_t node) { return lines_[node]; }
  [[nodiscard]] process* there(place where) const noexcept {
    auto* p = nodes_[where.process].get();
    return p != nullptr && p->incarnation == where.incarnation ? p : nullptr;
  }
  [[nodiscard]] process* node(std::uint32_t index) const noexcept { return nodes_[index].get(); }
  [[nodiscard]] owner_parts* owner() const noexcept {
    return nodes_[0] ? nodes_[0]->owner.get() : nullptr;
  }

  template <class... Ts>
  void violated(const char* what, fmt::format_string<const Ts&...> detail, const Ts&... values) {
    if (result.wrong.empty()) {
      result.wrong = what;
      result.detail = fmt::format(detail, values...);
      result.when = now_;
    }
  }
  template <class... Ts>
  void say(const process& where, fmt::format_string<const Ts&...> text, const Ts&... values) {
    if (keeps_timeline_)
      note(fmt::format("node {}", where.index), fmt::format(text, values...));
  }
  /// What is too large for a message: as long as the world is.
  std::size_t keep(guard_figures figures) {
    kept_.push_back(std::move(figures));
    return kept_.size() - 1;
  }
  [[nodiscard]] const guard_figures& kept(std::size_t which) const { return kept_[which]; }
  void mix(std::uint64_t value) noexcept {
    result.fingerprint = (result.fingerprint ^ value) * 0x9e3779b97f4a7c15U;
  }

private:
  const bool keeps_timeline_;
  event_queue queue_;
  moment now_ = 0;
  std::vector<local_clock> clocks_;
  std::vector<std::unique_ptr<process>> nodes_;
  std::vector<line> lines_;
  std::uint32_t last_incarnation_ = 0;
  std::deque<guard_figures> kept_;

  void note(const std::string& where, const std::string& what);
  bool step(moment until);
  void run_until(moment until);
  void start_node(std::uint32_t index);
  void connect(std::uint32_t index, moment when);
  void disconnect(std::uint32_t index, timespan told_within);
  void told_of_loss(process& node);
  void node_lost(std::uint32_t index, std::uint32_t incarnation);

  void apply(const action& what);
  void apply_to_node(const action& what, process& node);
  void call(process& node, random_stream& chance);
  void cancel(process& node, random_stream& chance);
  void pause(process& node, random_stream& chance);
  void crash(std::uint32_t index, random_stream& chance);
  void cut(std::uint32_t index, random_stream& chance);
  void change_target(process& node, random_stream& chance);
  void change_breaker(process& node, random_stream& chance);
  void change_bulkhead(process& node, random_stream& chance);
  void change_guard(process& node, random_stream& chance);
  void operate(process& node, random_stream& chance);

  void mend();
  [[nodiscard]] timespan longest_lease() const;
  void check_the_end();
  void check_that_it_serves(guard& g);
  void check_node(process& node);
};

/// Numbers of policies that a world may have.
[[nodiscard]] bulkhead_policy any_bulkhead(timespan tempo, random_stream& chance);
[[nodiscard]] circuit_breaker_limits any_circuit(timespan tempo, random_stream& chance);
[[nodiscard]] guard_settings any_guard(const plan& with, std::uint32_t node, random_stream& chance);

[[nodiscard]] constexpr ticket_id ticket_of(attempt_id a) noexcept {
  return (ticket_id{a.slot} << 32U) | a.serial;
}
[[nodiscard]] constexpr attempt_id attempt_of(ticket_id t) noexcept {
  return {.slot = static_cast<std::uint32_t>(t >> 32U), .serial = static_cast<std::uint32_t>(t)};
}

// -- templates --------------------------------------------------------------------------

template <class F>
void process::post(actor from, actor to, F f) {
  auto delay = timespan{any(chance, 5'000)};
  if (all.with.has(feature::slow_mail) && !all.mended && any(chance, 50) == 0)
    delay = timespan{static_cast<std::int64_t>(chance.unit() * double(all.most_mail.count()))};
  auto& last = last_mail[from][to];
  last = std::max(last, all.now() + delay.count());
  all.at(last, here(), f);
}

template <class F>
void world::transmit(std::uint32_t node, bool to_owner, F f) {
  ++result.messages;
  auto& l = lines_[node];
  const auto from = to_owner ? node : 0;
  const auto to = to_owner ? 0 : node;
  if (!l.up || !nodes_[from] || !nodes_[to])
    return;
  const auto there = nodes_[to]->here();
  auto& last = l.last[to_owner ? 0 : 1];
  const auto arrive = [this, node, to_owner, number = l.number, f]() mutable {
    const auto& now_there = lines_[node];
    if (now_there.number == number && now_there.cut_until[to_owner ? 0 : 1] <= now_)
      f();
  };
  if (node == 0) { // within the process
    last = std::max(last, now_ + any(l.chance, 5'000));
    at(last, there, arrive);
    return;
  }
  if (with.has(feature::loss) && !mended && happens(l.chance, 0.05))
    return;
  const auto copies = with.has(feature::doubling) && !mended && happens(l.chance, 0.05) ? 2 : 1;
  for (auto i = 0; i < copies; ++i) {
    auto when = now_ + (mended ? 10'000 : times(timespan{100'000}, 1, 50, l.chance).count());
    if (!with.has(feature::reordering) || mended)
      when = last = std::max(when, last);
    at(when, there, arrive);
  }
}

} // namespace bulwark_simulation
