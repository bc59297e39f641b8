#include "bulwarkctl/api.hpp"

#include "bulwarkctl/text.hpp"

#include <fmt/format.h>
#include <httplib.h>

#include <algorithm>
#include <regex>

namespace bulwarkctl {

namespace {

exit_code code_of(int status) {
  switch (status) {
  case 401:
  case 403:
    return not_permitted;
  case 404:
    return not_found;
  default:
    return refused;
  }
}

// In words of the machine that asks; the library has names for programmers.
std::string why_text(httplib::Error error) {
  switch (error) {
  case httplib::Error::Connection:
    return "nobody takes the connection";
  case httplib::Error::ConnectionTimeout:
    return "no connection in time";
  case httplib::Error::Read:
    return "the connection was lost, it took too long, or it speaks no HTTP";
  case httplib::Error::SSLConnection:
  case httplib::Error::SSLLoadingCerts:
  case httplib::Error::SSLServerVerification:
    return "TLS failed, or its certificate isn't trusted";
  default:
    return httplib::to_string(error);
  }
}

constexpr auto json_type = "application/json";

// Who is there says so sooner. It can't be interrupted, and who leaves `top` waits for it.
constexpr std::chrono::milliseconds longest_connecting{2'000};

// The first of what came, for people.
std::string beginning_of(const std::string& body) {
  std::string words;
  for (const auto c : body.substr(0, 400)) {
    const auto is_space = c == ' ' || c == '\n' || c == '\r' || c == '\t';
    if (!is_space)
      words += c;
    else if (!words.empty() && words.back() != ' ')
      words += ' ';
  }
  return words.empty() ? "with nothing in it" : cut(safe(words), 80);
}

} // namespace

api::api(const connection& where)
    : url_(safe(where.url)), token_(where.token), operator_(where.operator_name) {
  static const std::regex pattern{
      R"((https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?)(/[^?#\s]*)?)"};
  std::smatch parts;
  if (!std::regex_match(where.url, parts, pattern))
    throw failure{wrong_usage, fmt::format("--url {}: must be http[s]://HOST[:PORT][/PATH]", url_)};
  prefix_ = parts[4];
  while (!prefix_.empty() && prefix_.back() == '/')
    prefix_.pop_back();
  client_ = std::make_unique<httplib::Client>(parts[1].str());
  client_->set_connection_timeout(std::min(where.timeout, longest_connecting));
  client_->set_read_timeout(where.timeout);
  client_->set_write_timeout(where.timeout);
  client_->set_keep_alive(true);
  client_->set_url_encode(false); // names are by now, and differently
  httplib::Headers headers{{"Accept", "application/json, application/problem+json"}};
  if (!operator_.empty())
    headers.emplace("X-Operator", operator_);
  client_->set_default_headers(headers);
  if (!token_.empty())
    client_->set_bearer_token_auth(token_);
}

api::~api() = default;

json api::get(const std::string& path) {
  return answer_of(client_->Get(prefix_ + path));
}

json api::post(const std::string& path, const json& body) {
  return answer_of(client_->Post(prefix_ + path, line_of(body), json_type));
}

json api::put(const std::string& path, const json& body) {
  return answer_of(client_->Put(prefix_ + path, line_of(body), json_type));
}

void api::stop() {
  client_->stop();
}

bool api::follow(const std::string& path, const std::string& last_id,
                 std::chrono::milliseconds patience,
                 const std::function<bool(std::string_view)>& on_bytes) {
  client_->set_read_timeout(patience);
  httplib::Headers headers{{"Accept", "text/event-stream"}};
  if (!last_id.empty())
    headers.emplace("Last-Event-ID", last_id);
  auto status = 0;
  auto wanted = true;
  std::string type;
  std::string refusal; // or another's page, which may have no end
  const auto is_stream = [&] { return status == 200 && type.rfind("text/event-stream", 0) == 0; };
  const auto result = client_->Get(
      prefix_ + path, headers,
      [&](const httplib::Response& response) {
        status = response.status;
        type = response.get_header_value("Content-Type");
        return true;
      },
      [&](const char* data, std::size_t size) {
        if (is_stream())
          return wanted = on_bytes({data, size});
        refusal.append(data, size);
        return refusal.size() < 100'000;
      });
  if (status == 0)
    answer_of(result);
  else if (status == 200 && !is_stream())
    throw_foreign(status, type, refusal);
  else if (!is_stream())
    throw_problem(status, type, refusal);
  return result || !wanted;
}

json api::answer_of(const httplib::Result& result) const {
  if (!result)
    throw failure{no_connection,
                  fmt::format("no answer from {}: {}", url_, why_text(result.error()))};
  const auto type = result->get_header_value("Content-Type");
  if (result->status < 200 || result->status > 299)
    throw_problem(result->status, type, result->body);
  if (result->status == 204)
    return {};
  auto document = json::parse(result->body, nullptr, false);
  if (document.is_discarded())
    throw_foreign(result->status, type, result->body);
  return document;
}

// Of a proxy before the daemon, or of another program at that port.
void api::throw_foreign(int status, const std::string& type, const std::string& body) const {
  throw failure{no_connection,
                fmt::format("what answers at {} is no bulwarkd: HTTP {}, {}, {}", url_, status,
                            type.empty() ? "of no type" : safe(type), beginning_of(body))};
}

void api::throw_problem(int status, const std::string& type, const std::string& body) const {
  const auto document = json::parse(body, nullptr, false);
  if (document.is_discarded() || !document.is_object())
    throw_foreign(status, type, body);
  auto why = text_at(document, "detail");
  if (why == "-")
    why = text_at(document, "title");
  if (why == "-")
    why = fmt::format("HTTP {}", status);
  if (const auto& mistakes = at(document, "mistakes"); mistakes.is_array())
    for (const auto& each : mistakes)
      why += "\n  " + text_at(each, "");
  throw failure{code_of(status), why, line_of(document)};
}

} // namespace bulwarkctl
