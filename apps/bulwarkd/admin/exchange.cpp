#include "bulwarkd/admin/exchange.hpp"

#include <cctype>
#include <charconv>

namespace bulwarkd {

namespace {

using nlohmann::json;

const char* title_of(int status) {
  switch (status) {
  case 400:
    return "Bad Request";
  case 401:
    return "Unauthorized";
  case 403:
    return "Forbidden";
  case 404:
    return "Not Found";
  case 405:
    return "Method Not Allowed";
  case 409:
    return "Conflict";
  case 413:
    return "Payload Too Large";
  case 414:
    return "URI Too Long";
  case 415:
    return "Unsupported Media Type";
  case 422:
    return "Unprocessable Content";
  case 502:
    return "Bad Gateway";
  case 503:
    return "Service Unavailable";
  default:
    return "Error";
  }
}

std::string decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size()) {
      const auto [end, error] = std::from_chars(&text[i + 1], &text[i + 1] + 2, value, 16);
      if (error == std::errc{} && end == &text[i + 1] + 2) {
        result += static_cast<char>(value);
        i += 2;
        continue;
      }
    }
    result += text[i];
  }
  return result;
}

} // namespace

std::optional<bool> exchange::flag(const std::string& name) const {
  const auto count = request.get_param_value_count(name);
  if (count == 0)
    return false;
  const auto value = request.get_param_value(name);
  const auto is_yes = value.empty() || value == "true" || value == "1";
  return count == 1 && (is_yes || value == "false" || value == "0") ? std::optional{is_yes}
                                                                    : std::nullopt;
}

void answer(exchange& with, const json& content) {
  answer_text(with, text_of(content));
}

void answer_text(exchange& with, std::string json_text) {
  json_text += '\n';
  with.response.status = 200;
  with.response.set_content(json_text, "application/json");
}

void refuse(httplib::Response& response, int status, const std::string& detail,
            const std::vector<std::string>& mistakes) {
  json content{
      {"type", "about:blank"}, {"title", title_of(status)}, {"status", status}, {"detail", detail}};
  if (!mistakes.empty())
    content["mistakes"] = mistakes;
  response.status = status;
  response.set_content(text_of(content) + '\n', "application/problem+json");
}

std::vector<std::string> split_path(std::string_view target) {
  target = target.substr(0, target.find_first_of("?#"));
  std::vector<std::string> result;
  while (!target.empty()) {
    target.remove_prefix(1); // the slash, or what stands for it
    const auto end = std::min(target.find('/'), target.size());
    result.push_back(decoded(target.substr(0, end)));
    target.remove_prefix(end);
  }
  return result;
}

} // namespace bulwarkd
