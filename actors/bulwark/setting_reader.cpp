#include "bulwark/setting_reader.hpp"

namespace bulwark {

std::string written(const caf::config_value& value) {
  constexpr std::size_t longest = 80;
  if (const auto* length = caf::get_if<caf::timespan>(&value); length && *length < timespan{0})
    return to_text(*length); // CAF knows units for positive ones only
  auto text = to_string(value);
  if (text.size() > longest)
    text = text.substr(0, longest) + "…";
  return text;
}

} // namespace bulwark
