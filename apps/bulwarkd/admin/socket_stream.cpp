#include "bulwarkd/admin/socket_stream.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace bulwarkd {

namespace {

void tell_address(const sockaddr_storage& address, std::string& ip, int& port) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    port = ntohs(v4.sin_port);
  } else if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    port = ntohs(v6.sin6_port);
  }
  ip = text.data();
}

} // namespace

socket_stream::socket_stream(int fd, std::string already, const limits& bounds)
    : fd_(fd),
      buffer_(std::move(already)),
      limits_(bounds),
      read_until_(clock::now() + bounds.read) {}

// Until there is something to read.
bool socket_stream::wait() const {
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(read_until_ - clock::now()).count();
    if (left <= 0)
      return false;
    pollfd ready{.fd = fd_, .events = POLLIN, .revents = 0};
    const auto count = ::poll(&ready, 1, static_cast<int>(left));
    if (count > 0)
      return true;
    if (count == 0 || errno != EINTR)
      return false;
  }
}

bool socket_stream::is_readable() const {
  return taken_ < buffer_.size() || (!broken_ && wait());
}

bool socket_stream::is_writable() const {
  return true;
}

bool socket_stream::fill() {
  std::array<char, 4096> chunk{};
  while (!broken_) {
    const auto count = ::recv(fd_, chunk.data(), chunk.size(), 0);
    if (count > 0) {
      buffer_.assign(chunk.data(), static_cast<std::size_t>(count));
      taken_ = 0;
      return true;
    }
    const auto again = count < 0 && (errno == EAGAIN || errno == EINTR);
    if (!again || !wait())
      broken_ = true;
  }
  return false;
}

ssize_t socket_stream::read(char* ptr, size_t size) {
  if (read_ >= limits_.most_read) {
    exceeded_ = true;
    return -1;
  }
  if (taken_ == buffer_.size() && !fill())
    return -1;
  const auto count = std::min({size, buffer_.size() - taken_, limits_.most_read - read_});
  std::memcpy(ptr, buffer_.data() + taken_, count);
  taken_ += count;
  read_ += count;
  return static_cast<ssize_t>(count);
}

ssize_t socket_stream::write(const char* ptr, size_t size) {
  answer_.append(ptr, size);
  return static_cast<ssize_t>(size);
}

void socket_stream::get_remote_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getpeername(fd_, reinterpret_cast<sockaddr*>(&address), &length) == 0)
    tell_address(address, ip, port);
}

void socket_stream::get_local_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length) == 0)
    tell_address(address, ip, port);
}

} // namespace bulwarkd
