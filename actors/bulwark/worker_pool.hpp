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
  /// no thread and none is running that would get to it, and std::logic_error after join().
  void submit(std::function<void()> job);

  /// Runs what was submitted to its end, and ends the threads. A function can't be interrupted:
  /// this takes as long as the longest of them.
  void join();

private:
  std::mutex mutex_;
  std::condition_variable work_to_do_;
  std::deque<std::function<void()>> jobs_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool closing_ = false;

  void run();
};

} // namespace bulwark
