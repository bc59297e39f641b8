#pragma once

#include "bulwark/protocol.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace bulwarkd {

/// What is sent to those who listen: a part of a server-sent event stream.
using event_frame = std::shared_ptr<const std::string>;

/// "event: NAME", with the id where there is one, and the data.
[[nodiscard]] event_frame make_frame(const std::string& name, const std::string& data,
                                     std::optional<std::uint64_t> id = {});

/// The last events, numbered, for those who come back. Not thread-safe.
class event_ring {
public:
  /// `first`: numbers are above it. From another process they have to be greater than the last
  /// one's: the time in microseconds is.
  explicit event_ring(std::uint64_t first) : last_(first), complete_after_(first) {}

  /// `data` gets the number as "id".
  event_frame add(const std::string& name, nlohmann::json data);

  struct missed {
    std::vector<event_frame> frames = {};
    bool has_gap = false; ///< There were more, or there may have been: none has that number yet.
  };
  [[nodiscard]] missed after(std::uint64_t id) const;

private:
  static constexpr std::size_t most = 1'000;
  std::deque<std::pair<std::uint64_t, event_frame>> kept_;
  std::uint64_t last_;
  std::uint64_t complete_after_; // all after it are kept
};

/// Refusals, summed up: a guard refuses a hundred thousand calls a second, and says so of each. Not
/// thread-safe.
class rejection_sums {
public:
  /// Whether it is the first one since take().
  bool add(const bulwark::rejection_event& event);
  /// `when`: of the last of them.
  [[nodiscard]] std::vector<event_frame> take(std::chrono::system_clock::time_point when);
  [[nodiscard]] bool empty() const noexcept { return sums_.empty(); }

private:
  std::map<std::tuple<std::string, std::string, bulwark::errc>, std::uint64_t> sums_;
};

/// {"time","name","from","to","why","generation"}
[[nodiscard]] nlohmann::json to_data(const bulwark::circuit_event& event,
                                     std::chrono::system_clock::time_point when);

} // namespace bulwarkd
