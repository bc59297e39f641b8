#pragma once

#include "bulwark/front_door_actor.hpp"

#include "support/caller.hpp"
#include "support/target.hpp"
#include "support/types.hpp"

#if CAF_MAJOR_VERSION >= 1
#include <caf/detail/test_coordinator.hpp>
#else
#include <caf/scheduler/test_coordinator.hpp>
#endif

#include <memory>
#include <string>
#include <vector>

namespace bulwark_tests {

/// The types of bulwark and of the tests, made known to CAF; once a program.
void init_types();

/// An actor system whose time belongs to the test and whose actors run only when it says so, all in
/// the test's own thread. Nothing waits, and every run is the same.
///
///     virtual_system sys;
///     auto target = sys.spawn_manual();
///     auto answer = sys.ask(target.handle, ask_atom_v, 1);
///     sys.advance(5s);
class virtual_system {
  // What differs between CAF's versions, and only tests know.
#if CAF_MAJOR_VERSION >= 1
  // Only what the header has: the rest of these classes is not exported from CAF's library.
  using coordinator = caf::detail::test_coordinator;
  coordinator& scheduler() {
    return static_cast<coordinator&>(system_.scheduler());
  }
  caf::detail::test_actor_clock& clock() {
    return static_cast<caf::detail::test_actor_clock&>(system_.clock());
  }
  auto& entries() {
    return clock().actions;
  }
  static bool disposed(const caf::action& entry) {
    return entry.disposed();
  }
  void run_once() {
    auto& jobs = scheduler().jobs;
    auto* job = jobs.front();
    jobs.pop_front();
    switch (job->resume(&system_.scheduler(), 1)) {
    case caf::resumable::resume_later:
      jobs.push_front(job);
      break;
    case caf::resumable::done:
    case caf::resumable::awaiting_message:
      caf::intrusive_ptr_release(job);
      break;
    case caf::resumable::shutdown_execution_unit:
      break;
    }
  }
  void pass(bulwark::timespan by) {
    clock().current_time += by;
    while (!entries().empty() && entries().begin()->first <= clock().current_time) {
      auto due = entries().begin()->second;
      entries().erase(entries().begin());
      if (!due.disposed())
        due.run();
    }
  }
#else
  using coordinator = caf::scheduler::test_coordinator;
  coordinator& scheduler() {
    return dynamic_cast<coordinator&>(system_.scheduler());
  }
  caf::detail::test_actor_clock& clock() {
    return scheduler().clock();
  }
  auto& entries() {
    return clock().schedule;
  }
  template <class Entry>
  static bool disposed(const Entry& entry) {
    return entry.f.disposed();
  }
  void run_once() {
    scheduler().run_once();
  }
  void pass(bulwark::timespan by) {
    clock().advance_time(by);
  }
#endif

public:
  virtual_system() : system_(config_) {}

  ~virtual_system() {
    // A target that has not answered everything holds itself alive: CAF 1.1 has promises do that.
    for (const auto& address : manuals_)
      if (auto target = caf::actor_cast<caf::actor>(address))
        caf::anon_send_exit(target, caf::exit_reason::kill);
    run();
  }

  caf::actor_system& operator*() {
    return system_;
  }
  caf::actor_system* operator->() {
    return &system_;
  }
  operator caf::actor_system&() {
    return system_;
  }

  /// Until no actor has anything to do; the time stays as it is.
  void run() {
    while (scheduler().has_job())
      run_once();
  }

  /// One actor, the next in the queue, takes one message.
  void step() {
    if (scheduler().has_job())
      run_once();
  }

  /// Time goes by: what becomes due happens at its time, in order.
  void advance(bulwark::timespan by) {
    run();
    const auto end = now() + by;
    for (auto due = next_timeout(); due && *due <= end; due = next_timeout()) {
      pass(std::max(*due - now(), bulwark::timespan{0}));
      run();
    }
    if (end > now())
      pass(end - now());
    run();
  }

  [[nodiscard]] caf::actor_clock::time_point now() {
    return clock().now();
  }

  /// Timers pending in CAF's own clock.
  [[nodiscard]] std::size_t clock_entries() {
    std::size_t result = 0;
    for (const auto& [time, entry] : entries())
      result += disposed(entry) ? 0 : 1;
    return result;
  }

  /// Sends a request from a caller of its own. Nothing has happened before run() or advance().
  template <class Handle, class... Ts>
  reply_ptr send(const Handle& to, Ts&&... xs) {
    auto result = std::make_shared<reply>();
    callers_.push_back(system_.spawn<caller>(caf::actor_cast<caf::strong_actor_ptr>(to),
                                             caf::make_message(std::forward<Ts>(xs)...), result));
    return result;
  }

  /// The same, and runs.
  template <class Handle, class... Ts>
  reply_ptr ask(const Handle& to, Ts&&... xs) {
    auto result = send(to, std::forward<Ts>(xs)...);
    run();
    return result;
  }

  /// A request's answer that is sure to come at once, as a T.
  template <class T, class Handle, class... Ts>
  T get(const Handle& to, Ts&&... xs) {
    return ask(to, std::forward<Ts>(xs)...)->template as<T>();
  }

  /// The actor that sent the latest request.
  [[nodiscard]] caf::actor last_caller() const {
    return callers_.back();
  }

  /// Ends an actor from outside, as a crash would.
  void kill(const caf::actor& whom) {
    caf::anon_send_exit(whom, caf::exit_reason::kill);
    run();
  }

  struct manual {
    caf::actor handle;
    std::shared_ptr<target_log> log;
  };

  manual spawn_manual() {
    auto log = std::make_shared<target_log>();
    auto handle = system_.spawn(manual_target, log);
    manuals_.push_back(caf::actor_cast<caf::actor_addr>(handle));
    return {std::move(handle), log};
  }

  /// The manual target answers its n-th question.
  template <class T>
  void answer(const manual& target, std::uint64_t which, T value) {
    bulwark::compat::tell(caf::actor_cast<caf::strong_actor_ptr>(target.handle), answer_atom_v,
                          which, caf::make_message(std::move(value)));
    run();
  }

private:
  struct config : caf::actor_system_config {
    config() {
      init_types();
      set("caf.scheduler.policy", "testing");
      set("caf.logger.console.verbosity", "quiet");
    }
  };

  std::optional<caf::actor_clock::time_point> next_timeout() {
    for (const auto& [time, entry] : entries())
      if (!disposed(entry))
        return time;
    return std::nullopt;
  }

  config config_;
  caf::actor_system system_;
  std::vector<caf::actor> callers_;
  std::vector<caf::actor_addr> manuals_; // weak: a test may watch them end
};

/// A node in a virtual system. The node's own end waits for actors, and here they run only when
/// told to: so they end first.
class virtual_node {
public:
  explicit virtual_node(virtual_system& system) : system_(system), node_(*system) {}
  virtual_node(const virtual_node&) = delete;
  virtual_node& operator=(const virtual_node&) = delete;

  ~virtual_node() {
    system_.ask(node_.registry(), bulwark::shutdown_all_atom_v);
    bulwark::front_door_actor::end(node_.front_door());
    for (const auto& part :
         {node_.cluster(), node_.bulkhead_registry(), node_.timeout_manager(), node_.registry()})
      system_.ask(part, bulwark::shutdown_atom_v);
  }

  bulwark::node* operator->() { return &node_; }
  bulwark::node& operator*() { return node_; }

private:
  virtual_system& system_;
  bulwark::node node_;
};

} // namespace bulwark_tests
