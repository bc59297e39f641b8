#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <stdexcept>
#include <vector>

namespace bulwark_tests {

/// A port of loopback that neither takes a connection nor refuses it, as one of a host that drops
/// packets: its queue of connections is full, and the system drops more.
class deaf_port {
public:
  explicit deaf_port(int port) {
    address_.sin_family = AF_INET;
    address_.sin_port = htons(static_cast<std::uint16_t>(port));
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto listener = open_socket();
    const int yes = 1;
    ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (::bind(listener, as_any(), sizeof(address_)) != 0 || ::listen(listener, 0) != 0)
      throw std::runtime_error{"the port can't be had"};
    for (auto count = 0; is_taken(); ++count)
      if (count == 100)
        throw std::runtime_error{"the port takes every connection"};
  }
  deaf_port(const deaf_port&) = delete;
  deaf_port& operator=(const deaf_port&) = delete;
  ~deaf_port() {
    for (const auto each : sockets_)
      ::close(each);
  }

private:
  sockaddr_in address_{};
  std::vector<int> sockets_;

  int open_socket() {
    return sockets_.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  }

  [[nodiscard]] const sockaddr* as_any() const {
    return reinterpret_cast<const sockaddr*>(&address_);
  }

  // Whether one more connection was taken, or is about to be.
  bool is_taken() {
    pollfd ready{.fd = open_socket(), .events = POLLOUT, .revents = 0};
    [[maybe_unused]] const auto begun = ::connect(ready.fd, as_any(), sizeof(address_));
    return ::poll(&ready, 1, 300) == 1;
  }
};

} // namespace bulwark_tests
