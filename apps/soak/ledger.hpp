#pragma once

#include "bulwark/statistics.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>

namespace soak {

/// What all callers together have asked and got. Thread-safe.
///
///     asked = answered + forgotten + waiting
class ledger {
public:
  void ask() noexcept { ++asked_; }

  /// The one answer to a call. `steady`: of the stream whose latency is looked at.
  void answer(bool error, bool steady, bulwark::timespan took) {
    ++answered_;
    errors_ += error ? 1 : 0;
    if (!steady)
      return;
    std::lock_guard hold{mutex_};
    latency_.record(took);
  }

  /// An answer to a call that had one, or that was never made.
  void stray() noexcept { ++strays_; }

  /// Callers have ended, and wait for `calls` no longer.
  void forget(std::uint64_t calls) noexcept { forgotten_ += calls; }

  [[nodiscard]] std::uint64_t answered() const noexcept { return answered_; }
  [[nodiscard]] std::uint64_t errors() const noexcept { return errors_; }
  [[nodiscard]] std::uint64_t strays() const noexcept { return strays_; }
  [[nodiscard]] std::uint64_t forgotten() const noexcept { return forgotten_; }
  /// Calls that have no answer yet. At rest exact, else off by what happens meanwhile.
  [[nodiscard]] std::int64_t waiting() const noexcept {
    return static_cast<std::int64_t>(asked_) - static_cast<std::int64_t>(answered_ + forgotten_);
  }

  /// The steady stream's latencies since the last time.
  [[nodiscard]] bulwark::latency_histogram take_latency() {
    std::lock_guard hold{mutex_};
    return std::exchange(latency_, {});
  }

private:
  std::atomic<std::uint64_t> asked_ = 0;
  std::atomic<std::uint64_t> answered_ = 0;
  std::atomic<std::uint64_t> errors_ = 0;
  std::atomic<std::uint64_t> strays_ = 0;
  std::atomic<std::uint64_t> forgotten_ = 0;
  std::mutex mutex_;
  bulwark::latency_histogram latency_;
};

} // namespace soak
