#include "bulwark/worker_pool.hpp"

#include <stdexcept>
#include <utility>

namespace bulwark {

worker_pool::~worker_pool() {
  join();
}

void worker_pool::submit(std::function<void()> job) {
  std::unique_lock guard{mutex_};
  if (closing_)
    throw std::logic_error{"worker_pool: submit after close"};
  if (idle_ <= jobs_.size()) {
    try {
      threads_.emplace_back([this] { run(); });
      ++idle_; // from now on, not from its first breath: or the next job would start another
    } catch (const std::system_error&) {
      if (threads_.empty())
        throw;
    }
  }
  jobs_.push_back(std::move(job));
  guard.unlock();
  work_to_do_.notify_one();
}

void worker_pool::run() {
  std::unique_lock guard{mutex_};
  for (;;) {
    work_to_do_.wait(guard, [this] { return closing_ || !jobs_.empty(); });
    --idle_;
    if (jobs_.empty()) {
      ++ended_;
      return;
    }
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    ++running_;
    guard.unlock();
    job();
    job = nullptr; // what it holds goes before the lock is taken
    guard.lock();
    --running_;
    ++idle_;
  }
}

void worker_pool::close() {
  {
    std::lock_guard guard{mutex_};
    closing_ = true;
  }
  work_to_do_.notify_all();
}

void worker_pool::join() {
  close();
  std::lock_guard one_at_a_time{joining_};
  std::vector<std::thread> threads;
  {
    std::lock_guard guard{mutex_};
    threads.swap(threads_);
  }
  for (auto& thread : threads)
    thread.join();
}

bool worker_pool::finished() const {
  std::lock_guard guard{mutex_};
  return closing_ && ended_ >= threads_.size();
}

std::size_t worker_pool::threads() const {
  std::lock_guard guard{mutex_};
  return threads_.size();
}

std::size_t worker_pool::pending() const {
  std::lock_guard guard{mutex_};
  return jobs_.size() + running_;
}

} // namespace bulwark
