#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bulwark_tests {

using bytes = std::vector<std::uint8_t>;

/// A message of CAF's wire protocol, BASP, as bytes: to be taken apart and put together wrongly.
///
///     byte 0       1  2        3      4 .. 7   8 .. 15         16 .. 23  24 .. 31
///     operation   (unused)     flags  length   operation data  source    destination
///
/// and `length` bytes of payload. Numbers are big-endian. A conversation begins with a server
/// handshake one way and a client handshake the other.
struct basp_frame {
  enum operation : std::uint8_t {
    server_handshake,
    client_handshake,
    direct_message,
    routed_message,
    monitor_message,
    down_message,
    heartbeat,
  };
  static constexpr std::size_t header_size = 32;
  static constexpr std::size_t flags_at = 3;
  static constexpr std::size_t length_at = 4;
  static constexpr std::size_t data_at = 8;
  static constexpr std::size_t source_at = 16;
  static constexpr std::size_t destination_at = 24;

  bytes header = bytes(header_size);
  bytes payload = {};

  [[nodiscard]] std::uint8_t what() const { return header[0]; }

  [[nodiscard]] std::uint64_t number(std::size_t at, std::size_t size) const {
    std::uint64_t result = 0;
    for (std::size_t i = 0; i < size; ++i)
      result = result << 8U | header[at + i];
    return result;
  }

  void number(std::size_t at, std::size_t size, std::uint64_t value) {
    for (std::size_t i = size; i-- > 0; value >>= 8U)
      header[at + i] = static_cast<std::uint8_t>(value);
  }

  /// As announced.
  [[nodiscard]] std::uint64_t length() const { return number(length_at, 4); }

  /// Announces the payload that there is.
  basp_frame& measured() {
    number(length_at, 4, payload.size());
    return *this;
  }

  /// Whether CAF takes the header for one, whatever the payload is.
  [[nodiscard]] bool valid() const {
    const auto data = number(data_at, 8);
    const auto source = number(source_at, 8);
    const auto destination = number(destination_at, 8);
    switch (what()) {
    case server_handshake:
      return data != 0;
    case client_handshake:
      return source == 0 && destination == 0;
    case direct_message:
    case routed_message:
      return destination != 0 && length() != 0;
    case monitor_message:
      return length() != 0 && data == 0;
    case down_message:
      return source != 0 && destination == 0 && length() != 0 && data == 0;
    case heartbeat:
      return source == 0 && destination == 0 && length() == 0 && data == 0;
    default:
      return false;
    }
  }

  /// Whether CAF keeps the connection after this whatever the payload is.
  [[nodiscard]] bool never_refused() const {
    return valid() && (what() == direct_message || what() == heartbeat);
  }

  void append_to(bytes& stream) const {
    stream.insert(stream.end(), header.begin(), header.end());
    stream.insert(stream.end(), payload.begin(), payload.end());
  }

  /// What one side of a conversation said; an unfinished message at the end is left out.
  static std::vector<basp_frame> all_of(const bytes& stream) {
    std::vector<basp_frame> result;
    for (auto i = stream.begin(); stream.end() - i >= std::ptrdiff_t{header_size};) {
      basp_frame next;
      next.header.assign(i, i + header_size);
      i += header_size;
      if (static_cast<std::uint64_t>(stream.end() - i) < next.length())
        break;
      next.payload.assign(i, i + static_cast<std::ptrdiff_t>(next.length()));
      i += static_cast<std::ptrdiff_t>(next.length());
      result.push_back(std::move(next));
    }
    return result;
  }
};

} // namespace bulwark_tests
