#include "bulwarkd/admin/listening_socket.hpp"

#include <fmt/format.h>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <stdexcept>
#include <system_error>

namespace bulwarkd {

descriptor::~descriptor() {
  if (fd_ >= 0)
    ::close(fd_);
}

descriptor listen_at(const std::string& address, std::uint16_t port) {
  const auto fail = [&](const std::string& why) {
    throw std::runtime_error{
        fmt::format("the admin port {}:{} can't be opened: {}", address, port, why)};
  };
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const auto code =
          ::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &wanted, &found);
      code != 0)
    fail(::gai_strerror(code));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned{found, ::freeaddrinfo};
  descriptor result{
      ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, found->ai_protocol)};
  const int yes = 1;
  constexpr int backlog = 128;
  // SO_REUSEADDR only, which cpp-httplib doesn't: with SO_REUSEPORT two daemons would share a port.
  if (result.get() < 0
      || ::setsockopt(result.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0
      || ::bind(result.get(), found->ai_addr, found->ai_addrlen) != 0
      || ::listen(result.get(), backlog) != 0)
    fail(std::generic_category().message(errno));
  return result;
}

std::uint16_t port_of(const descriptor& socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0)
    return 0;
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

} // namespace bulwarkd
