#pragma once

#include <nlohmann/json.hpp>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <random>

/// @file What goes wrong on command.

namespace apps {

/// As the control endpoint shows and takes them; shares are of all requests, 0 .. 1.
struct fault_settings {
  double error_share = 0;          ///< Answered with error_status.
  std::int32_t error_status = 503; ///< 400 .. 599.
  std::uint32_t fail_next = 0;     ///< So many requests fail for certain, whatever the share.
  std::uint32_t delay_ms = 0;      ///< Before each answer; 0 .. 600'000.
  double hang_share = 0;           ///< Never answered, until the faults are changed.
  double reset_share = 0;          ///< The connection is reset.
};

/// The fields that `changes` names take its values. Throws std::invalid_argument, with the field,
/// its value and what is permitted, and changes nothing then.
void apply(fault_settings& settings, const nlohmann::json& changes);

nlohmann::json to_json(const fault_settings& settings);

/// Draws the lots. Thread safety: all members may be called from any thread.
class faults {
public:
  enum class lot : std::uint8_t { answer, error, hang, reset };

  struct verdict {
    lot what = lot::answer;
    std::int32_t status = 200;
    std::uint32_t delay_ms = 0;
  };

  faults(const fault_settings& settings, std::uint64_t seed) : settings_(settings), random_(seed) {}

  [[nodiscard]] verdict draw();
  void change(const nlohmann::json& changes);
  [[nodiscard]] fault_settings settings() const;

  /// Returns when the settings have been changed.
  void wait_for_change() const;

private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::uint64_t changes_ = 0;
  fault_settings settings_;
  std::mt19937_64 random_;
};

} // namespace apps
