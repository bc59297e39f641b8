#pragma once

#include "bulwark/time.hpp"

#include <chrono>
#include <functional>
#include <thread>

namespace bulwark::sync {

/// Where the time comes from and how to let it pass: a steady clock and a sleeping thread, if the
/// user (a test) names nothing else. Both may be called from several threads at once.
struct time_source {
  std::function<instant()> now = [] {
    return instant{std::chrono::steady_clock::now().time_since_epoch()};
  };
  std::function<void(timespan)> sleep = [](timespan length) {
    std::this_thread::sleep_for(length);
  };
};

} // namespace bulwark::sync
