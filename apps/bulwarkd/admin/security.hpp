#pragma once

#include "bulwarkd/admin/settings.hpp"

#include <string>
#include <string_view>

namespace bulwarkd {

/// What of a request says who sent it, as it came; "" where it isn't there.
struct request_origin {
  std::string host = {};
  std::string origin = {};
  std::string fetch_site = {};
  std::string authorization = {};
};

/// An HTTP status and why; status 0: permitted.
struct verdict {
  int status = 0;
  std::string why = {};
};

/// Whether the request may be answered at all. A page of somebody else's that gives its own name our
/// address (DNS rebinding) would read what the browser can reach: so `Host` has to name loopback or
/// the configured address. Beyond loopback names can't be known: `open_to_others` lets all pass.
[[nodiscard]] verdict check_host(const admin_settings& settings, const request_origin& from);

/// Whether it may change something: it has the token, and no page of another origin sends it.
[[nodiscard]] verdict check_change(const admin_settings& settings, const request_origin& from);

/// Takes as long whatever `given` is.
[[nodiscard]] bool same_secret(std::string_view given, std::string_view secret) noexcept;

/// For the journal: what the caller calls itself where that is 1 to 64 printable characters, else
/// its address.
[[nodiscard]] std::string operator_name(const std::string& told, const std::string& address);

} // namespace bulwarkd
