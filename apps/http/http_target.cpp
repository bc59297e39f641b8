#include "http/http_target.hpp"

#include <httplib.h>

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

namespace apps {

namespace {

caf::message failure(http_errc code, bulwark::error_mark mark, std::string text) {
  return caf::make_message(caf::make_error(code, mark, std::move(text)));
}

// Retried is what may work the next time. A 4xx is an answer: asking again would not change it.
bool is_unavailable(int status) noexcept {
  return status >= 500 || status == 408 || status == 429;
}

caf::message failure_of(httplib::Error error, const std::string& url) {
  const auto text = httplib::to_string(error) + " (" + url + ")";
  switch (error) {
  case httplib::Error::Connection:
  case httplib::Error::ConnectionTimeout:
    return failure(http_errc::unreachable, bulwark::error_mark::transient, text);
  case httplib::Error::Read:
  case httplib::Error::Write:
    return failure(http_errc::broken_off, bulwark::error_mark::transient, text);
  default: // the library's list grows with its versions
    return failure(http_errc::unusable, bulwark::error_mark::permanent, text);
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

constexpr auto grace = std::chrono::milliseconds{250};

caf::message fetch(const std::string& server, const std::string& path, bulwark::timespan patience) {
  httplib::Client client{server};
  const auto url = server + path;
  if (!client.is_valid())
    return failure(http_errc::unusable, bulwark::error_mark::permanent, "no client for " + url);
  // The guard's own timeout decides, also on a busy machine; the socket's come some time after it, to
  // give the thread back.
  const auto limit = std::chrono::duration_cast<std::chrono::microseconds>(patience + grace);
  client.set_connection_timeout(limit);
  client.set_read_timeout(limit);
  client.set_write_timeout(limit);
  const auto result = client.Get(path);
  if (!result)
    return failure_of(result.error(), url);
  if (is_unavailable(result->status))
    return failure(http_errc::unavailable, bulwark::error_mark::transient,
                   "HTTP " + std::to_string(result->status) + " (" + url + ")");
  return caf::make_message(http_response{.status = result->status, .body = result->body});
}

http_actor::behavior_type http_target(http_actor::pointer self, std::string server,
                                      caf::actor sockets, bulwark::timespan patience) {
  return {
      [=](const http_request& request) -> caf::result<http_response> {
        auto job = bulwark::work{std::make_shared<std::function<caf::message()>>(
            [server, path = request.path, patience] { return fetch(server, path, patience); })};
        // Handed on: the bulkhead answers whoever asked us.
        const auto& element = *self->current_mailbox_element();
        bulwark::compat::deliver(
            caf::actor_cast<caf::strong_actor_ptr>(sockets), element.sender, element.mid,
            caf::make_message(bulwark::execute_atom_v, std::move(job), patience), self->context());
        return caf::delegated<http_response>{};
      },
  };
}

} // namespace apps
