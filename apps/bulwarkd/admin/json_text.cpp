#include "bulwarkd/admin/json_text.hpp"

namespace bulwarkd {

using nlohmann::json;

std::string text_of(const json& content) {
  return content.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string quoted(const std::string& text) {
  return text_of(json(text));
}

} // namespace bulwarkd
