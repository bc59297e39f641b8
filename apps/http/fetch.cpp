#include "http/fetch.hpp"

#include <httplib.h>

#include <algorithm>
#include <chrono>

namespace apps {

namespace {

constexpr auto grace = std::chrono::milliseconds{250};

// Retried is what may work the next time. A 4xx is an answer: asking again would not change it.
bool is_unavailable(int status) noexcept {
  return status >= 500 || status == 408 || status == 429;
}

not_fetched failure_of(httplib::Error error, const std::string& url) {
  auto text = httplib::to_string(error) + " (" + url + ")";
  switch (error) {
  case httplib::Error::Connection:
  case httplib::Error::ConnectionTimeout:
    return {not_fetched::unreachable, std::move(text)};
  case httplib::Error::Read:
  case httplib::Error::Write:
    return {not_fetched::broken_off, std::move(text)};
  default: // the library's list grows with its versions
    return {not_fetched::unusable, std::move(text)};
  }
}

} // namespace

std::optional<http_url> parse_url(std::string_view text) {
  for (std::string_view scheme : {"http://", "https://"}) {
    if (!text.starts_with(scheme))
      continue;
    const auto end = std::min(text.find_first_of("/?#", scheme.size()), text.size());
    auto path = std::string{text.substr(end)};
    path = path.substr(0, path.find('#'));
    if (!path.starts_with('/'))
      path = "/" + path;
    if (end == scheme.size() || text.find_first_of(" \t\r\n") != text.npos)
      return std::nullopt;
    return http_url{.server = std::string{text.substr(0, end)}, .path = std::move(path)};
  }
  return std::nullopt;
}

std::variant<fetched, not_fetched> fetch(const std::string& server, const std::string& path,
                                         bulwark::timespan patience) {
  httplib::Client client{server};
  const auto url = server + path;
  if (!client.is_valid())
    return not_fetched{not_fetched::unusable, "no client for " + url};
  // The guard's own timeout decides, also on a busy machine; the socket's come some time after it, to
  // give the thread back.
  const auto limit = std::chrono::duration_cast<std::chrono::microseconds>(patience + grace);
  client.set_connection_timeout(limit);
  client.set_read_timeout(limit);
  client.set_write_timeout(limit);
  auto result = client.Get(path);
  if (!result)
    return failure_of(result.error(), url);
  if (is_unavailable(result->status))
    return not_fetched{not_fetched::unavailable,
                       "HTTP " + std::to_string(result->status) + " (" + url + ")"};
  return fetched{.status = result->status, .body = std::move(result->body)};
}

} // namespace apps
