#pragma once

#include "bulwark/statistics.hpp"
#include "bulwark/sync_workers.hpp"
#include "bulwark/worker_pool.hpp"

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace bulwark::sync {

/// A bulkhead that stands alone: the core behind a mutex, and a pool of threads.
///
/// The core leases permits to holders. Here is only one, and what it gets beyond what it asked for
/// it gives back at once: so the core's books are exact at every moment, and nobody waits while a
/// permit is free.
class own_workers final : public workers, private bulkhead_effects {
public:
  /// Requires: find_mistakes(policy) is empty.
  own_workers(const bulkhead_policy& policy, std::string name);
  ~own_workers() override;

  void submit(job_ptr what) override;
  void shut_down(bool wait) override;
  std::uint32_t available_capacity() override;
  bulkhead_stats stats() override;

private:
  using clock = std::chrono::steady_clock;

  struct waiter {
    job_ptr what;
    clock::time_point due;
  };

  // What the core wishes, to be done after the lock has been given up.
  struct wishes {
    std::vector<job_ptr> start;
    std::vector<std::pair<job_ptr, errc>> refuse;
  };

  const std::string name_;
  std::mutex mutex_;
  std::condition_variable changed_; // for those who wait for the end
  std::condition_variable timer_wakes_;
  bulwark::bulkhead core_;
  std::map<ticket_id, waiter> waiting_; // in the order of their due times too
  ticket_id last_ticket_ = 0;
  std::uint32_t unasked_ = 0;          // permits given beyond those asked for
  std::vector<std::uint64_t> recalls_; // rounds, to be answered
  wishes wishes_;
  counters books_;
  std::uint32_t untold_ = 0; // jobs that are out of the books, their futures about to be told
  bool ending_ = false;
  worker_pool pool_;
  std::thread timer_; // only where there is a queue_timeout

  void give_back(std::uint32_t permits);
  wishes take_wishes();
  void fulfil(wishes wanted);
  void work_on(const job_ptr& what);
  wishes end_of_job();
  std::vector<job_ptr> give_up_start();
  void told();
  void watch_queue();

  void grant(holder_id holder, ticket_id ticket, std::uint32_t extra, bool keep) override;
  void refuse(holder_id holder, ticket_id ticket, errc why) override;
  void recall(holder_id holder, std::uint64_t round) override;
};

} // namespace bulwark::sync
