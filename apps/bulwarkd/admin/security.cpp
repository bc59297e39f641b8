#include "bulwarkd/admin/security.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>

namespace bulwarkd {

namespace {

std::string lower(std::string_view text) {
  std::string result{text};
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

// "name:80", "[::1]:80" without the port, and without the brackets.
std::string host_of(std::string_view authority) {
  if (!authority.empty() && authority.front() == '[')
    return lower(authority.substr(1, std::min(authority.find(']'), authority.size()) - 1));
  return lower(authority.substr(0, authority.find(':')));
}

bool is_loopback(const std::string& host) {
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1)
    return (ntohl(v4.s_addr) >> 24) == 127;
  return host == "localhost" || host == "::1";
}

} // namespace

verdict check_host(const admin_settings& settings, const request_origin& from) {
  const auto host = host_of(from.host);
  if (host.empty())
    return {400, "the request has no Host"};
  if (settings.open_to_others || is_loopback(host) || host == lower(settings.address))
    return {};
  return {403, "Host is neither a loopback name nor the address of the admin port"};
}

verdict check_change(const admin_settings& settings, const request_origin& from) {
  if (settings.token.empty())
    return {403, "nothing can be changed here: no token is configured (bulwark.admin.token-file)"};
  const auto& site = from.fetch_site;
  if (!site.empty() && site != "same-origin" && site != "none")
    return {403, "the request comes from a page of another origin"};
  if (!from.origin.empty() && lower(from.origin) != "http://" + lower(from.host)
      && lower(from.origin) != "https://" + lower(from.host))
    return {403, "the request comes from a page of another origin"};
  constexpr std::string_view scheme = "bearer ";
  if (lower(std::string_view{from.authorization}.substr(
          0, std::min(scheme.size(), from.authorization.size())))
      != scheme)
    return {401, "a change needs the header 'Authorization: Bearer TOKEN'"};
  if (!same_secret(std::string_view{from.authorization}.substr(scheme.size()), settings.token))
    return {401, "the token is another"};
  return {};
}

bool same_secret(std::string_view given, std::string_view secret) noexcept {
  // Each byte of the given one is compared, with some byte of the secret: what it takes tells
  // nothing of how much was right, nor of the secret's length.
  volatile unsigned difference = given.size() == secret.size() ? 0U : 1U;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const auto expected = secret.empty() ? '\0' : secret[i % secret.size()];
    difference = difference | static_cast<unsigned>(given[i] ^ expected);
  }
  return difference == 0 && !secret.empty();
}

std::string operator_name(const std::string& told, const std::string& address) {
  constexpr std::size_t longest = 64;
  const auto printable =
      std::all_of(told.begin(), told.end(), [](unsigned char c) { return c >= 0x20 && c < 0x7f; });
  return !told.empty() && told.size() <= longest && printable ? told : address;
}

} // namespace bulwarkd
