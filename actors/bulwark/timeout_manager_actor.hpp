#pragma once

#include "bulwark/change_mark.hpp"
#include "bulwark/holders.hpp"
#include "bulwark/protocol.hpp"
#include "bulwark/timing_wheel.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace bulwark {

/// Everybody's timer: one a node. It keeps all due times in one timing wheel and at most one entry
/// of its own in CAF's clock, for the earliest of them; none where nothing is due. (CAF's clock
/// takes 329 us for one more entry with 100,000 pending, the wheel some nanoseconds.)
class timeout_manager_actor : public marked_actor {
public:
  /// For `call`, which names no timeout.
  static constexpr timespan default_timeout = std::chrono::seconds{30};

  timeout_manager_actor(caf::actor_config& config, std::string name);

  const char* name() const override;
  void on_exit() override;

protected:
  caf::behavior make_behavior() override;

private:
  // Something to be sent when it is due. Weak: a timer keeps nobody alive.
  struct timer : wheel_entry {
    caf::weak_actor_ptr receiver;
    caf::message content;
    std::uint64_t id = 0;   // of a scheduled message; 0: a wake-up
    caf::actor_id whom = 0; // of a wake-up
  };

  std::string name_;
  timing_wheel wheel_;
  std::unordered_map<caf::actor_id, std::unique_ptr<timer>> wake_ups_; // one a supervisor at most
  std::unordered_map<std::uint64_t, std::unique_ptr<timer>> messages_;
  timeout_manager_stats counts_;
  caf::disposable alarm_;
  instant armed_ = end_of_time;
  std::size_t sweep_at_ = 1024;
  caf::actor supervisor_;  // carries `run`; spawned at the first one
  guard_stats runs_;       // what it said last
  guard_stats ended_runs_; // and what those had said that have ended
  gathering gathering_;
  std::vector<caf::response_promise> shutdowns_; // to be answered when it has ended

  [[nodiscard]] instant now() const;
  void on_down(const caf::actor_addr& whom);
  void on_alarm();
  void fire(timer& due);
  void arm();
  void disarm();
  void sweep();
  void insert(timer& entry, instant due);
  void wake(const wake_request& request);
  caf::result<caf::message> run(const caf::actor& target, timespan timeout,
                                const caf::message& content);
  std::uint64_t schedule(timespan delay, const caf::message& content);
  bool cancel(std::uint64_t id);
  void gather(std::function<void()> and_then);
  caf::response_promise shut_down(bool wait);
  caf::actor supervisor();
  [[nodiscard]] timeout_manager_stats stats() const;
};

} // namespace bulwark
