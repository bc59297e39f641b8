// Deadlines: what one more costs while many are pending, and how late they come when all are due.

#include "load.hpp"
#include "measure.hpp"

#include "report/books.hpp"

#include <algorithm>
#include <future>
#include <latch>
#include <stdexcept>

namespace bench {

namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr std::size_t pending = 100'000;
constexpr std::size_t deadline_slice = 200'000;

caf::behavior nothing() {
  return {[](done_atom) {}};
}

// -- one more deadline with 100,000 pending ------------------------------------------

// Nanoseconds for one entry of CAF's clock. It takes entries in by a thread of its own, so one that is due at once goes
// last: when it fires, all before it are in.
double schedule_in_clock(caf::event_based_actor* self, std::size_t count,
                         std::vector<caf::disposable>& timers) {
  return time_of([&] {
           const auto now = self->system().clock().now();
           for (std::size_t i = 0; i < count; ++i)
             timers.push_back(bulwark::compat::schedule(self, now + 1h, [] {}));
           std::promise<void> last;
           timers.push_back(bulwark::compat::schedule(self, now, [&last] { last.set_value(); }));
           last.get_future().wait();
         })
         / static_cast<double>(count);
}

// What a deadline adds to a guarded call, both guards with as many calls in flight, against an entry in
// CAF's clock, which is what a deadline costs there.
figure clock_entry_100k(const std::string& id) {
  guarded_target t;
  auto policy = everything();
  policy.deadline.reset();
  policy.attempt_timeout.reset();
  auto without_deadlines = t.node->guard("without deadlines", t.target, policy);
  auto owner = t.system->spawn(nothing);
  auto* owner_of_timers =
      dynamic_cast<caf::event_based_actor*>(caf::actor_cast<caf::abstract_actor*>(owner));
  std::vector<caf::disposable> timers;
  progress(id + ": " + std::to_string(pending) + " deadlines on both sides");
  const std::vector stuck{make_stuck(*t.system, t.guard, pending),
                          make_stuck(*t.system, without_deadlines, pending)};
  schedule_in_clock(owner_of_timers, pending, timers);
  auto with = t.calls_to(t.guard);
  auto without = t.calls_to(without_deadlines);
  auto result = ratio(
      id, [&] { return std::max(with.run(deadline_slice) - without.run(deadline_slice), 1.0); },
      [&] { return schedule_in_clock(owner_of_timers, 40, timers); });
  for (auto& timer : timers)
    timer.dispose();
  for (const auto& each : stuck)
    caf::anon_send_exit(each, caf::exit_reason::kill);
  return audited(*t.node, result);
}

// -- 100,000 due at once ---------------------------------------------------------------

constexpr std::size_t expiry_callers = 1'000;
constexpr std::size_t expiry_calls = pending / expiry_callers;

// Has calls time out at `due`, and writes down how late it is told of each.
class patient : public caf::event_based_actor {
public:
  patient(caf::actor_config& config, caf::actor manager, caf::actor hole, steady::time_point due,
          double* lateness, std::latch* told)
      : caf::event_based_actor(config),
        manager_(std::move(manager)),
        hole_(std::move(hole)),
        due_(due),
        lateness_(lateness),
        told_(told) {}

protected:
  caf::behavior make_behavior() override {
    for (std::size_t i = 0; i < expiry_calls; ++i) {
      const auto told = [this](const caf::error&) {
        *lateness_++ = std::chrono::duration<double, std::milli>(steady::now() - due_).count();
        told_->count_down();
      };
      bulwark::wait_for(this, manager_, due_ - steady::now(), hole_, stuck_atom_v)
          .then([](std::int32_t) {}, told);
    }
    return {[](done_atom) {}};
  }

private:
  caf::actor manager_;
  caf::actor hole_;
  steady::time_point due_;
  double* lateness_;
  std::latch* told_;
};

// The workers share one queue: those of CAF's default, each with its own, sleep up to 10 ms before they
// look for work of others again.
figure expiry_100k_p99_ms(const std::string& id) {
  system_of system{2, "sharing"};
  bulwark::node node{*system};
  auto hole = system->spawn(increment);
  const auto p99_lateness = [&] {
    std::vector<double> lateness(pending, -1);
    std::latch all_told{pending};
    const auto due = steady::now() + 3s;
    std::vector<caf::actor> callers;
    for (std::size_t i = 0; i < expiry_callers; ++i) {
      callers.push_back(system->spawn<patient>(node.timeout_manager(), hole, due,
                                               lateness.data() + i * expiry_calls, &all_told));
      // A timeout runs from its acceptance: it must not wait for that behind thousands of others.
      apps::read_books(node);
    }
    if (steady::now() > due)
      throw std::runtime_error{"too slow to have so many deadlines at one time"};
    all_told.wait();
    for (const auto& each : callers)
      caf::anon_send_exit(each, caf::exit_reason::kill);
    std::sort(lateness.begin(), lateness.end());
    if (lateness.front() < 0)
      throw std::runtime_error{"a deadline came early"};
    return lateness[pending * 99 / 100];
  };
  p99_lateness(); // not counted: the heap grows
  auto result = value(id, "ms", p99_lateness, 5);
  return audited(node, result);
}

} // namespace

std::vector<benchmark> timer_benchmarks() {
  return {
      {"clock_entry_100k", "one more deadline with 100,000 pending against CAF's clock", 1.0 / 500,
       1.0 / 2000, true, clock_entry_100k},
      {"expiry_100k_p99_ms", "100,000 deadlines due at once: p99 lateness at the caller", 25, 8,
       true, expiry_100k_p99_ms},
  };
}

} // namespace bench
