#pragma once

#include "bulwarkctl/api.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace bulwarkctl {

/// What a daemon said of its guards, or why it didn't.
struct look {
  json document;
  std::chrono::steady_clock::time_point time;
  std::string trouble; ///< "" none; else there is no document.
};

/// Asks for the guards at an interval, in a thread of its own: who shows them answers keys meanwhile.
class poller {
public:
  poller(const connection& where, std::chrono::milliseconds interval);
  poller(const poller&) = delete;
  poller& operator=(const poller&) = delete;
  ~poller();

  /// Is readable when there is a new look.
  [[nodiscard]] int descriptor() const noexcept { return told_[0]; }

  /// The newest, once.
  std::optional<look> take();

private:
  api daemon_;
  std::chrono::milliseconds interval_;
  int told_[2] = {-1, -1};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  std::optional<look> newest_;
  std::thread thread_;

  void work();
};

} // namespace bulwarkctl
