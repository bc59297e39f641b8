#include "bulwarkd/admin/api.hpp"

#include "bulwarkd/admin/security.hpp"

#include <algorithm>
#include <utility>

namespace bulwarkd {

/// A star in the pattern stands for one segment.
struct admin_api::route {
  std::string_view method;
  std::vector<std::string_view> pattern;
  handler what;

  [[nodiscard]] bool matches(const std::vector<std::string>& path) const {
    return std::equal(
        pattern.begin(), pattern.end(), path.begin(), path.end(),
        [](auto wanted, const auto& given) { return wanted == "*" || wanted == given; });
  }
};

namespace {

request_origin origin_of(const httplib::Request& request) {
  return {.host = request.get_header_value("Host"),
          .origin = request.get_header_value("Origin"),
          .fetch_site = request.get_header_value("Sec-Fetch-Site"),
          .authorization = request.get_header_value("Authorization")};
}

// Twice the same header: whoever reads the other one sees another request.
bool is_ambiguous(const httplib::Request& request) {
  for (const auto* each : {"Host", "Origin", "Sec-Fetch-Site", "Authorization", "Content-Length"})
    if (request.get_header_value_count(each) > 1)
      return true;
  return request.has_header("Content-Length") && request.has_header("Transfer-Encoding");
}

} // namespace

admin_api::admin_api(bulwark::node& node, control& steering, event_hub& events,
                     const admin_settings& settings, journal_reader journal, page_lookup page)
    : node_(node),
      control_(steering),
      events_(events),
      settings_(settings),
      journal_(std::move(journal)),
      page_(std::move(page)) {}

bool admin_api::pass(const httplib::Request& request, httplib::Response& response) const {
  const auto from = origin_of(request);
  auto found =
      is_ambiguous(request) ? verdict{400, "a header is there twice"} : check_host(settings_, from);
  const auto reads = request.method == "GET" || request.method == "HEAD";
  if (found.status == 0 && !reads)
    found = check_change(settings_, from);
  if (found.status == 0)
    return true;
  if (found.status == 401)
    response.set_header("WWW-Authenticate", "Bearer");
  refuse(response, found.status, found.why);
  return false;
}

const std::vector<admin_api::route>& admin_api::routes() {
  static const std::vector<route> all{
      {"GET", {"healthz"}, &admin_api::health},
      {"GET", {"readyz"}, &admin_api::ready},
      {"GET", {"metrics"}, &admin_api::metrics},
      {"GET", {"api", "v1", "guards"}, &admin_api::all_guards},
      {"GET", {"api", "v1", "guards", "*"}, &admin_api::one_guard},
      {"GET", {"api", "v1", "parts"}, &admin_api::all_parts},
      {"GET", {"api", "v1", "breakers", "*", "why"}, &admin_api::why},
      {"GET", {"api", "v1", "nodes"}, &admin_api::nodes},
      {"GET", {"api", "v1", "journal"}, &admin_api::journal},
      {"GET", {"api", "v1", "events"}, &admin_api::events},
      {"POST", {"api", "v1", "breakers", "*"}, &admin_api::operate},
      {"PUT", {"api", "v1", "guards", "*", "policy"}, &admin_api::change_policy},
      {"POST", {"api", "v1", "reload"}, &admin_api::reload},
      {"POST", {"api", "v1", "guards", "*", "call"}, &admin_api::call},
  };
  return all;
}

void admin_api::handle(exchange& with) {
  const auto path = split_path(with.request.target);
  const auto method = with.request.method == "HEAD" ? "GET" : with.request.method;
  std::string others;
  for (const auto& each : routes()) {
    if (!each.matches(path))
      continue;
    if (each.method == method) {
      for (std::size_t i = 0; i < path.size(); ++i)
        if (each.pattern[i] == "*")
          with.names.push_back(path[i]);
      return (this->*each.what)(with);
    }
    others += (others.empty() ? "" : ", ") + std::string{each.method};
  }
  if (others.empty() && method == "GET")
    return page(with);
  if (others.empty())
    return refuse(with.response, 404, "there is nothing at this path");
  with.response.set_header("Allow", others);
  refuse(with.response, 405, "this path has other methods: " + others);
}

} // namespace bulwarkd
