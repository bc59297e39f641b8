#pragma once

#include "bulwark/time.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>

/// @file A request of HTTP that blocks, and nothing of actors.

namespace apps {

/// A URL in two: "http://host:port", which a target stands for, and "/path?query".
struct http_url {
  std::string server;
  std::string path;
};

/// Nullopt where `text` is no URL of HTTP or HTTPS.
std::optional<http_url> parse_url(std::string_view text);

/// What the server said; a client's mistakes (400, 401, 403, 404 …) too: they are answers.
struct fetched {
  int status = 0;
  std::string body;
};

/// Why there is no answer that is worth to be called one.
struct not_fetched {
  enum reason {
    unavailable, ///< The server says that it can't now: 5xx, 408, 429. Transient.
    unreachable, ///< No connection: refused, no route, no such host. Transient.
    broken_off,  ///< The connection ended, or fell silent, before the answer. Transient.
    unusable,    ///< It will not work the next time either: TLS, an endless redirect.
  };
  reason why = unusable;
  std::string text;

  [[nodiscard]] bool is_transient() const noexcept { return why != unusable; }
};

/// Asks once, and waits for the answer: `patience` and a little more.
std::variant<fetched, not_fetched> fetch(const std::string& server, const std::string& path,
                                         bulwark::timespan patience);

} // namespace apps
