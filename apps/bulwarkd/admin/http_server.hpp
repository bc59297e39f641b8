#pragma once

#include "bulwarkd/admin/exchange.hpp"
#include "bulwarkd/admin/http_port.hpp"

#include <httplib.h>

#include <cstddef>
#include <functional>
#include <string>

namespace bulwarkd {

/// What cpp-httplib knows of HTTP, the parsing of requests and the writing of answers, over
/// connections of our own: see http_port. What a request can have of it that makes it work for
/// hours is turned off: compression (brotli at its dearest), parts of answers (thousands of ranges
/// in a line), regular expressions over long paths.
class http_server : private httplib::Server {
public:
  static constexpr std::size_t max_body = 65'536;
  static constexpr std::size_t max_path = 1'024;

  /// Before the body is read: false where the request has been answered already.
  using gate = std::function<bool(const httplib::Request&, httplib::Response&)>;
  using handler = std::function<void(exchange&)>;

  http_server(gate pass, handler handle);

  /// Answers one request of a connection.
  http_port::outcome serve(int fd, http_port::stream_id connection, std::string already);

private:
  gate pass_;
  handler handle_;

  void route(const httplib::Request& request, httplib::Response& response);
};

} // namespace bulwarkd
