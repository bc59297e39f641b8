#include "http/types.hpp"

namespace apps {

std::string to_string(http_errc code) {
  switch (code) {
  case http_errc::unavailable:
    return "unavailable";
  case http_errc::unreachable:
    return "unreachable";
  case http_errc::broken_off:
    return "broken_off";
  case http_errc::unusable:
    return "unusable";
  }
  return "http_errc(?)";
}

bool from_string(bulwark::compat::text_view name, http_errc& code) {
  for (auto each : {http_errc::unavailable, http_errc::unreachable, http_errc::broken_off,
                    http_errc::unusable}) {
    if (to_string(each) == std::string{name.data(), name.size()}) {
      code = each;
      return true;
    }
  }
  return false;
}

bool from_integer(std::uint8_t number, http_errc& code) {
  if (number < 1 || number > 4)
    return false;
  code = static_cast<http_errc>(number);
  return true;
}

} // namespace apps
