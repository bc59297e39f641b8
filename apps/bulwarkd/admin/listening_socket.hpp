#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace bulwarkd {

/// A descriptor that is closed with its owner.
class descriptor {
public:
  descriptor() = default;
  explicit descriptor(int fd) noexcept : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~descriptor();

  [[nodiscard]] int get() const noexcept { return fd_; }

private:
  int fd_ = -1;
};

/// A socket that listens, and doesn't block. Port 0: any that is free. Throws std::runtime_error, with
/// address and port, where it can't be had: also where another would share it.
descriptor listen_at(const std::string& address, std::uint16_t port);

/// The port of a socket.
[[nodiscard]] std::uint16_t port_of(const descriptor& socket);

} // namespace bulwarkd
