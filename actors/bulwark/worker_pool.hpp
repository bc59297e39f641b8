#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace bulwark {

/// Threads for work that blocks or computes, away from CAF's workers. A thread is started when work
/// comes and none is idle: who bounds the work (a bulkhead, by its permits) bounds the threads.
///
/// Thread safety: all members may be called from any thread.
class worker_pool {
public:
  worker_pool() = default;
  worker_pool(const worker_pool&) = delete;
  worker_pool& operator=(const worker_pool&) = delete;

  /// Waits for what runs; see join(). The last owner must not be one of the pool's own threads.
  ~worker_pool();

  /// Has a thread run `job`, which must not throw. Throws std::system_error where the system gives
  /// no thread and none is running that would get to it, and std::logic_error after close().
  void submit(std::function<void()> job);

  /// Takes no more jobs. The threads run what was submitted to its end, and then end. Doesn't wait.
  void close();

  /// Closes, and waits until the threads have ended. A function can't be interrupted: this takes as
  /// long as the longest of them. Whoever calls it, and however many at once, all wait. Not for the
  /// pool's own threads, who would wait for themselves.
  void join();

  /// Closed, and all threads are past their last job: join() would not wait.
  [[nodiscard]] bool finished() const;

  /// Threads that were started and not yet joined.
  [[nodiscard]] std::size_t threads() const;
  /// Jobs that were submitted and have not returned.
  [[nodiscard]] std::size_t pending() const;

private:
  mutable std::mutex mutex_;
  std::mutex
      joining_; // before mutex_; held until all have ended, so that a second join() waits too
  std::condition_variable work_to_do_;
  std::deque<std::function<void()>> jobs_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  std::size_t ended_ = 0;
  std::size_t running_ = 0;
  bool closing_ = false;

  void run();
};

} // namespace bulwark
