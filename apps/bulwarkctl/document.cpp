#include "bulwarkctl/document.hpp"

#include "bulwarkctl/text.hpp"

namespace bulwarkctl {

const json& at(const json& document, std::string_view path) {
  static const json nothing;
  const auto* here = &document;
  while (!path.empty()) {
    const auto end = path.find('/');
    const std::string key{path.substr(0, end)};
    path = end == std::string_view::npos ? std::string_view{} : path.substr(end + 1);
    if (!here->is_object() || !here->contains(key))
      return nothing;
    here = &(*here)[key];
  }
  return *here;
}

std::string text_at(const json& document, std::string_view path) {
  const auto& value = at(document, path);
  if (value.is_null())
    return "-";
  return value.is_string() ? safe(value.get_ref<const std::string&>()) : line_of(value);
}

double number_at(const json& document, std::string_view path) {
  const auto& value = at(document, path);
  return value.is_number() ? value.get<double>() : 0.0;
}

std::string duration_at(const json& document, std::string_view path) {
  const auto& value = at(document, path);
  return value.is_number() ? duration_text(value.get<double>()) : text_at(document, path);
}

std::string share_at(const json& guard, std::string_view some, std::string_view all) {
  return at(guard, "permits").is_object() ? text_at(guard, some) + "/" + text_at(guard, all) : "-";
}

std::string line_of(const json& document) {
  return document.dump(-1, ' ', true, json::error_handler_t::replace);
}

} // namespace bulwarkctl
