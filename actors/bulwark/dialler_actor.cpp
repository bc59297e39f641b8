#include "bulwark/dialler_actor.hpp"

#include "bulwark/caf_compat.hpp"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <system_error>

namespace bulwark {

namespace {

caf::error knock_at(const addrinfo& address, timespan longest) {
  const int socket = ::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0)
    return caf::sec::cannot_connect_to_node;
  int why = ::connect(socket, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  if (why == EINPROGRESS) {
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(longest).count();
    pollfd one{.fd = socket, .events = POLLOUT, .revents = 0};
    socklen_t size = sizeof(why);
    if (::poll(&one, 1, static_cast<int>(wait)) == 0)
      why = ETIMEDOUT;
    else
      ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &why, &size);
  }
  ::close(socket);
  if (why == 0)
    return {};
  return caf::make_error(why == ETIMEDOUT ? caf::sec::connection_timeout
                                          : caf::sec::cannot_connect_to_node,
                         std::generic_category().message(why));
}

// One knock, in a thread of its own.
caf::behavior knocker(caf::event_based_actor* self, const caf::actor& middleman) {
  return {
      [self, middleman](caf::connect_atom connect, const std::string& host,
                        std::uint16_t port) -> caf::result<caf::message> {
        self->quit();
        if (auto why = knock(host, port, longest_knock))
          return why;
        return compat::forward(self, middleman, caf::make_message(connect, host, port));
      },
  };
}

} // namespace

caf::error knock(const std::string& host, std::uint16_t port, timespan longest) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found) != 0)
    return caf::make_error(caf::sec::cannot_connect_to_node, "no such host");
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> all{found, ::freeaddrinfo};
  caf::error result = caf::sec::cannot_connect_to_node;
  const auto end = std::chrono::steady_clock::now() + longest;
  for (const auto* each = found; each != nullptr && result; each = each->ai_next)
    result =
        knock_at(*each, std::max<timespan>(end - std::chrono::steady_clock::now(), timespan{0}));
  return result;
}

caf::behavior dialler_actor(caf::event_based_actor* self, const caf::actor& middleman) {
  return {
      [self, middleman](caf::connect_atom connect, const std::string& host, std::uint16_t port) {
        return compat::forward(self, self->spawn<caf::detached>(knocker, middleman),
                               caf::make_message(connect, host, port));
      },
  };
}

} // namespace bulwark
