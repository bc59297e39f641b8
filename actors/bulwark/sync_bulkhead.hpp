#pragma once

#include "bulwark/exceptions.hpp"
#include "bulwark/sync_workers.hpp"

#include <future>
#include <memory>
#include <string>
#include <utility>

namespace bulwark::sync {

/// A bulkhead for plain calls: functions run on its threads, at most max_workers at once, at most
/// queue_size wait. See bulwark/bulkhead.hpp.
///
///     bulwark::sync::bulkhead pool{{.max_workers = 4, .queue_size = 20}};
///     auto page = pool.execute(render, document); // a future, at once
///     show(page.get());
///
/// Thread safety: all members may be called from any thread; shutdown with `wait = true`, and the
/// destructor, not from a function that the bulkhead runs, for they wait for it.
class bulkhead {
public:
  /// One that stands alone, with threads of its own: a thread is started when work comes and none
  /// is idle. Throws policy_error where the policy is out of range.
  explicit bulkhead(const bulkhead_policy& policy = {}, std::string name = {});

  /// The node's bulkhead of that name, made where there is none: guards that use it and this object
  /// draw on the same permits, and wait in the same queue. Throws policy_error as node::bulkhead()
  /// does. Not from within an actor.
  bulkhead(node& home, const std::string& name, const bulkhead_policy& policy = {});

  bulkhead(const bulkhead&) = delete;
  bulkhead& operator=(const bulkhead&) = delete;

  /// shutdown(true).
  ~bulkhead();

  /// Has a thread call `f(args…)`; both are copied or moved, as for std::thread. The future has
  /// what it returns or throws. Refusals too come through the future, and only so: bulkhead_error
  /// (errc::bulkhead_full, errc::shutting_down), timeout_error after queue_timeout in the queue,
  /// std::system_error or carried_error where the system gives no thread. When the future is
  /// ready, the books have it and the permit is free. Its destructor doesn't wait.
  template <class F, class... Ts>
  std::future<job_result<F, Ts...>> execute(F&& f, Ts&&... args) {
    auto [what, future] = make_job(std::forward<F>(f), std::forward<Ts>(args)...);
    workers_->submit(std::move(what));
    return std::move(future);
  }

  /// Permits that are free.
  [[nodiscard]] std::uint32_t available_capacity() const { return workers_->available_capacity(); }

  /// Of a node's part: what all who use it have done.
  [[nodiscard]] bulkhead_stats get_stats() const { return workers_->stats(); }

  /// From now on execute() is refused. `wait`: what runs and what is queued is finished first;
  /// else what is queued is refused with errc::shutting_down, and what runs goes on. A second call
  /// is permitted: `false`, then `true` waits.
  ///
  /// On a node's part this is about what came in through this object. The part itself lives as long
  /// as the node, for its other users; a place in its queue is given up when its turn comes.
  void shutdown(bool wait = true) { workers_->shut_down(wait); }

private:
  std::unique_ptr<workers> workers_;
};

} // namespace bulwark::sync
