// Deadlines: what one more costs while many are pending, and how late they come when all are due.

#include "load.hpp"
#include "measure.hpp"

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>

namespace bench {

namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr std::size_t pending = 100'000;

caf::behavior nothing() {
  return {[](done_atom) {}};
}

// -- one more deadline with 100,000 pending ------------------------------------------

// Nanoseconds for one of `count` messages that the timeout manager is asked to send in an hour.
double schedule_in_manager(caf::scoped_actor& self, const caf::actor& manager, std::size_t count) {
  return time_of([&] {
           for (std::size_t i = 0; i < count; ++i)
             bulwark::compat::deliver(
                 caf::actor_cast<caf::strong_actor_ptr>(manager),
                 caf::actor_cast<caf::strong_actor_ptr>(caf::actor{self}), caf::make_message_id(),
                 caf::make_message(bulwark::schedule_atom_v, bulwark::timespan{1h},
                                   caf::make_message(done_atom_v)),
                 nullptr);
           // It answers in order: then all of them are in its wheel.
           bulwark::compat::request(self, manager, bulwark::get_stats_atom_v)
               .receive([](const bulwark::timeout_manager_stats&) {}, [](const caf::error&) {});
         })
         / static_cast<double>(count);
}

// The same for CAF's clock. It takes entries in by a thread of its own, so one that is due at once goes
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

figure clock_entry_100k(const std::string& id) {
  system_of system{1};
  bulwark::node node{*system};
  caf::scoped_actor self{*system};
  auto owner = system->spawn(nothing);
  auto* owner_of_timers =
      dynamic_cast<caf::event_based_actor*>(caf::actor_cast<caf::abstract_actor*>(owner));
  std::vector<caf::disposable> timers;
  progress(id + ": " + std::to_string(pending) + " deadlines on both sides");
  schedule_in_manager(self, node.timeout_manager(), pending);
  schedule_in_clock(owner_of_timers, pending, timers);
  auto result = ratio(
      id, [&] { return schedule_in_manager(self, node.timeout_manager(), 20'000); },
      [&] { return schedule_in_clock(owner_of_timers, 40, timers); });
  for (auto& timer : timers)
    timer.dispose();
  return result;
}

// -- 100,000 due at once ---------------------------------------------------------------

constexpr std::size_t expiry_callers = 10'000;
constexpr std::size_t expiry_calls = pending / expiry_callers;

// Has calls time out at `due`, and writes down how late it is told of each.
class patient : public caf::event_based_actor {
public:
  patient(caf::actor_config& config, caf::actor manager, caf::actor hole, steady::time_point due,
          double* lateness, std::atomic<std::size_t>* open)
      : caf::event_based_actor(config),
        manager_(std::move(manager)),
        hole_(std::move(hole)),
        due_(due),
        lateness_(lateness),
        open_(open) {}

protected:
  caf::behavior make_behavior() override {
    for (std::size_t i = 0; i < expiry_calls; ++i) {
      const auto told = [this](const caf::error&) {
        *lateness_++ = std::chrono::duration<double, std::milli>(steady::now() - due_).count();
        open_->fetch_sub(1);
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
  std::atomic<std::size_t>* open_;
};

figure expiry_100k_p99_ms(const std::string& id) {
  system_of system{2};
  bulwark::node node{*system};
  auto hole = system->spawn(increment);
  return value(
      id, "ms",
      [&] {
        std::vector<double> lateness(pending, -1);
        std::atomic<std::size_t> open{pending};
        const auto due = steady::now() + 1500ms;
        std::vector<caf::actor> callers;
        for (std::size_t i = 0; i < expiry_callers; ++i)
          callers.push_back(system->spawn<patient>(node.timeout_manager(), hole, due,
                                                   lateness.data() + i * expiry_calls, &open));
        const auto give_up = due + 30s;
        while (open > 0 && steady::now() < give_up)
          std::this_thread::sleep_for(1ms);
        for (const auto& each : callers)
          caf::anon_send_exit(each, caf::exit_reason::kill);
        std::sort(lateness.begin(), lateness.end());
        if (open > 0 || lateness.front() < 0) // lost or early: no figure at all
          return std::numeric_limits<double>::infinity();
        return lateness[pending * 99 / 100];
      },
      3);
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
