#pragma once

#include "bulwark/exceptions.hpp"
#include "bulwark/node.hpp"
#include "bulwark/sync_job.hpp"
#include "bulwark/time.hpp"

#include <future>
#include <memory>
#include <utility>

namespace bulwark::sync {

/// Bounds the time that a caller waits for a function.
///
///     bulwark::sync::timeout_manager timeouts;
///     auto user = timeouts.run(2s, fetch_user, 42); // or timeout_error
///
/// A function can't be interrupted: one that is out of time goes on, in its thread, and what comes
/// of it is dropped. That is why it works on copies of its arguments, and why this object's
/// destructor waits until all functions have returned: leaving the scope means that none runs any
/// more.
///
/// Threads: started when a function comes and none is idle, never more than functions in progress.
/// Thread safety: run() may be called from any thread.
class timeout_manager {
public:
  /// One that stands alone.
  timeout_manager();
  /// Stands on the node's timeout manager: it keeps the time, and its statistics contain what runs
  /// here. The threads are this object's. Not from within an actor.
  explicit timeout_manager(node& home);

  timeout_manager(const timeout_manager&) = delete;
  timeout_manager& operator=(const timeout_manager&) = delete;
  ~timeout_manager();

  /// Returns what `f(args…)` returns and throws what it throws; timeout_error, no earlier than
  /// after `timeout`, where it has done neither by then. `f` and the arguments are copied or moved,
  /// as for std::thread. Throws policy_error where `timeout` is out of 1 ns .. 100 years, and
  /// std::system_error where the system gives no thread.
  template <class F, class... Ts>
  job_result<F, Ts...> run(timespan timeout, F&& f, Ts&&... args) {
    require_in_range(timeout);
    auto [what, future] = make_job(std::forward<F>(f), std::forward<Ts>(args)...);
    start(what, timeout);
    if (own_time_ && future.wait_for(timeout) == std::future_status::timeout)
      refuse_late(*what, timeout);
    what = nullptr;
    return future.get();
  }

  /// Where the time and the threads come from.
  class backend;

private:
  std::unique_ptr<backend> backend_;
  bool own_time_; // the caller itself waits; else the node's part answers in time

  static void require_in_range(timespan timeout);
  static void refuse_late(job& what, timespan timeout);
  void start(const job_ptr& what, timespan timeout);
};

/// The process's own timeout manager, which sync::wait_for uses. It is made at the first use and
/// destroyed at the end of the program, after main() has returned: the program doesn't end before
/// the functions that it runs have, so a function that never returns needs std::quick_exit, or a
/// timeout_manager that its user leaks on purpose.
[[nodiscard]] timeout_manager& process_timeouts();

/// Runs `f(args…)` for at most `timeout`: see timeout_manager::run().
///
///     auto user = bulwark::sync::wait_for(2s, fetch_user, 42);
template <class F, class... Ts>
job_result<F, Ts...> wait_for(timespan timeout, F&& f, Ts&&... args) {
  return process_timeouts().run(timeout, std::forward<F>(f), std::forward<Ts>(args)...);
}

} // namespace bulwark::sync
