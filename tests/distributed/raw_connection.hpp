#pragma once

#include "distributed/basp_frame.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <utility>

namespace bulwark_tests {

/// A connection to a port of loopback, for bytes that no honest program would send.
class raw_connection {
public:
  explicit raw_connection(std::uint16_t port)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (socket_ < 0)
      throw std::runtime_error{"no socket"};
    open_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }
  raw_connection(raw_connection&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), open_(other.open_) {}
  raw_connection(const raw_connection&) = delete;
  raw_connection& operator=(const raw_connection&) = delete;
  ~raw_connection() {
    if (socket_ >= 0)
      ::close(socket_);
  }

  /// Whether nobody has closed it, as far as we know.
  [[nodiscard]] bool open() const noexcept { return open_; }

  /// Sends all of it, and reads what comes meanwhile, so that the two don't wait for each other.
  /// Returns whether the other side took it.
  bool send(const bytes& what) {
    for (std::size_t sent = 0; open_ && sent < what.size();) {
      pollfd both{.fd = socket_, .events = POLLIN | POLLOUT, .revents = 0};
      ::poll(&both, 1, -1);
      if ((both.revents & POLLIN) != 0)
        read_some(nullptr);
      if (!open_ || (both.revents & POLLOUT) == 0)
        continue;
      const auto size =
          ::send(socket_, what.data() + sent, what.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (size > 0)
        sent += static_cast<std::size_t>(size);
      else if (errno != EAGAIN)
        open_ = false;
    }
    return open_;
  }

  void send_blind(const bytes& what) {
    for (std::size_t sent = 0; sent < what.size();) {
      pollfd both{.fd = socket_, .events = POLLOUT, .revents = 0};
      if (::poll(&both, 1, 200) == 0)
        return;
      const auto size =
          ::send(socket_, what.data() + sent, what.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (size < 0)
        return;
      sent += size;
    }
  }

  /// Waits for the first `size` bytes. Fewer where the other side closes.
  bytes receive(std::size_t size) {
    bytes result;
    while (open_ && result.size() < size)
      read_some(&result);
    return result;
  }

  /// Waits until the other side closes, `longest` milliseconds at most. Returns whether it did.
  bool wait_for_end(int longest) {
    while (open_) {
      pollfd one{.fd = socket_, .events = POLLIN, .revents = 0};
      if (::poll(&one, 1, longest) == 0)
        return false;
      read_some(nullptr);
    }
    return true;
  }

  /// No more from us.
  void end() { ::shutdown(socket_, SHUT_WR); }

  /// Closes with a reset instead of an end.
  void reset() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  }

private:
  int socket_;
  bool open_ = false;

  void read_some(bytes* into) {
    std::array<std::uint8_t, 4'096> buffer;
    const auto size = ::recv(socket_, buffer.data(), buffer.size(), 0);
    if (size <= 0)
      open_ = false;
    else if (into != nullptr)
      into->insert(into->end(), buffer.begin(), buffer.begin() + size);
  }
};

} // namespace bulwark_tests
