#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace bulwarkd {

/// Where the admin port is, and what it permits.
struct admin_settings {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0; ///< 0: any that is free.
  /// The bearer token of who may change something. Empty: nobody may; reading is open all the same.
  std::string token = {};
  /// Answers that name other hosts than loopback ones and `address` are refused otherwise: it
  /// listens on an address that others reach, and they call it by whatever name they know.
  bool open_to_others = false;
  std::size_t max_connections = 64; ///< At once; more cut those that have waited longest.
  std::size_t max_listeners = 32;   ///< Of those, event streams; more are answered 503.
  /// Calls by hand in progress; more are answered 503. Each holds a worker, and the workers that are
  /// left serve who looks and steers.
  int max_calls = 12;
  /// Refusals are asked for so long after the last listener has gone, for one who comes back.
  std::chrono::milliseconds event_linger{30'000};
  /// How often CAF's registry of metrics is brought up to date, where its exporter is configured.
  std::chrono::milliseconds mirror_interval{10'000};
};

} // namespace bulwarkd
