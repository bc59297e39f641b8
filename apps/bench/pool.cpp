// A function handed to a bulkhead's threads, and its result back.

#include "load.hpp"
#include "measure.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

namespace bench {

namespace {

constexpr int calls = 5'000;

// The plainest pool there is: one queue, one mutex.
class plain_pool {
public:
  explicit plain_pool(std::size_t threads) {
    for (std::size_t i = 0; i < threads; ++i)
      threads_.emplace_back([this] { run(); });
  }

  ~plain_pool() {
    {
      std::lock_guard guard{mutex_};
      closing_ = true;
    }
    changed_.notify_all();
    for (auto& thread : threads_)
      thread.join();
  }

  std::future<int> submit(std::function<int()> f) {
    std::packaged_task<int()> task{std::move(f)};
    auto result = task.get_future();
    {
      std::lock_guard guard{mutex_};
      tasks_.push_back(std::move(task));
    }
    changed_.notify_one();
    return result;
  }

private:
  void run() {
    std::unique_lock guard{mutex_};
    for (;;) {
      changed_.wait(guard, [this] { return closing_ || !tasks_.empty(); });
      if (tasks_.empty())
        return;
      auto task = std::move(tasks_.front());
      tasks_.pop_front();
      guard.unlock();
      task();
      guard.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::packaged_task<int()>> tasks_;
  std::vector<std::thread> threads_;
  bool closing_ = false;
};

int square(int x) {
  return x * x;
}

double in_bulkhead(bulwark::sync::bulkhead& bulkhead) {
  return time_of([&] {
    for (auto i = 0; i < calls; ++i)
      bulkhead.execute(square, i).get();
  });
}

figure execute_vs_async(const std::string& id) {
  bulwark::sync::bulkhead bulkhead{{.max_workers = 2}};
  return ratio(
      id, [&] { return in_bulkhead(bulkhead); },
      [&] {
        return time_of([&] {
          for (auto i = 0; i < calls; ++i)
            std::async(std::launch::async, square, i).get();
        });
      });
}

figure execute_vs_pool(const std::string& id) {
  bulwark::sync::bulkhead bulkhead{{.max_workers = 2}};
  plain_pool pool{2};
  return ratio(
      id, [&] { return in_bulkhead(bulkhead); },
      [&] {
        return time_of([&] {
          for (auto i = 0; i < calls; ++i)
            pool.submit([i] { return square(i); }).get();
        });
      });
}

} // namespace

std::vector<benchmark> pool_benchmarks() {
  return {
      {"execute_vs_async", "function on a bulkhead's threads against std::async", 0.5, 0.5, true,
       execute_vs_async},
      {"execute_vs_pool", "function on a bulkhead's threads against a plain thread pool", 1.2, 1.2,
       true, execute_vs_pool},
  };
}

} // namespace bench
