#pragma once

#include "bulwark/all.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <string>

/// @file What the programs' actors say to each other about HTTP. An application's own types have an
/// id block of their own, which begins where CAF lets it; bulwark's begins a thousand later.

namespace apps {

/// Fetch that path, from the server that the target stands for.
struct http_request {
  std::string path;
};

/// What the server said; a client's mistakes (400, 401, 403, 404 …) too: they are answers.
struct http_response {
  std::int32_t status = 0;
  std::string body;
};

/// Why there is no answer that is worth to be called one.
enum class http_errc : std::uint8_t {
  unavailable = 1, ///< The server says that it can't now: 5xx, 408, 429. Transient.
  unreachable = 2, ///< No connection: refused, no route, no such host. Transient.
  broken_off = 3,  ///< The connection ended, or fell silent, before the answer. Transient.
  unusable = 4,    ///< It will not work the next time either: TLS, an endless redirect.
};

std::string to_string(http_errc code);
bool from_string(bulwark::compat::text_view name, http_errc& code);
bool from_integer(std::uint8_t number, http_errc& code);

template <class Inspector>
bool inspect(Inspector& f, http_request& x) {
  return f.object(x).fields(f.field("path", x.path));
}

template <class Inspector>
bool inspect(Inspector& f, http_response& x) {
  return f.object(x).fields(f.field("status", x.status), f.field("body", x.body));
}

template <class Inspector>
bool inspect(Inspector& f, http_errc& x) {
  return caf::default_enum_inspect(f, x);
}

} // namespace apps

CAF_BEGIN_TYPE_ID_BLOCK(apps, caf::first_custom_type_id)
CAF_ADD_TYPE_ID(apps, (apps::http_request))
CAF_ADD_TYPE_ID(apps, (apps::http_response))
CAF_ADD_TYPE_ID(apps, (apps::http_errc))
CAF_END_TYPE_ID_BLOCK(apps)

CAF_ERROR_CODE_ENUM(apps::http_errc)
