#pragma once

#include "bulwark/time.hpp"

#include <caf/actor_control_block.hpp>

#include <condition_variable>
#include <mutex>

namespace bulwark {

/// Where a peer's front door is: its connector says it, new supervisors and code outside of actors
/// read it. Thread-safe.
class peer_line {
public:
  /// Null: there is no connection.
  void set(caf::strong_actor_ptr door) {
    {
      std::lock_guard guard{mutex_};
      door_.swap(door);
    }
    changed_.notify_all();
  }

  [[nodiscard]] caf::strong_actor_ptr door() const {
    std::lock_guard guard{mutex_};
    return door_;
  }

  /// Blocks until there is a connection, `longest` at most. Returns whether there is one.
  [[nodiscard]] bool wait(timespan longest) const {
    std::unique_lock guard{mutex_};
    return changed_.wait_for(guard, longest, [this] { return door_ != nullptr; });
  }

private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  caf::strong_actor_ptr door_;
};

} // namespace bulwark
