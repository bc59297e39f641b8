#pragma once

#include "bulwark/timing_wheel.hpp"

#include "simulation/event_queue.hpp"
#include "simulation/parts.hpp"
#include "simulation/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <memory>
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

/// What a target does for an attempt.
struct work {
  guard* by = nullptr;
  attempt_id attempt;
  std::uint32_t target = 0;
  bool counted = false; ///< Against the limit of the shared bulkhead: the owner knows of it.
  bool hangs = false;
};

enum class mood : std::uint8_t { healthy, slow, failing, failing_softly, hanging, lying, dead };

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
  void finish(guard& by, attempt_id attempt, mood how);
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
