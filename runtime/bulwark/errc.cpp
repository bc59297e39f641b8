#include "bulwark/errc.hpp"

#include <fmt/format.h>

#include <limits>

namespace bulwark {

namespace {

// Empty: no enumerator has that number.
std::string_view name_of(errc code) {
  switch (code) {
  case errc::circuit_open:
    return "circuit_open";
  case errc::retries_exhausted:
    return "retries_exhausted";
  case errc::timed_out:
    return "timed_out";
  case errc::bulkhead_full:
    return "bulkhead_full";
  case errc::rate_limited:
    return "rate_limited";
  case errc::cancelled:
    return "cancelled";
  case errc::shutting_down:
    return "shutting_down";
  case errc::target_lost:
    return "target_lost";
  case errc::invalid_policy:
    return "invalid_policy";
  case errc::duplicate_name:
    return "duplicate_name";
  case errc::unknown_name:
    return "unknown_name";
  case errc::owner_lost:
    return "owner_lost";
  }
  return {};
}

} // namespace

std::string to_string(errc code) {
  auto name = name_of(code);
  return name.empty() ? fmt::format("errc({})", static_cast<unsigned>(code)) : std::string{name};
}

bool from_string(std::string_view name, errc& code) {
  if (name.empty())
    return false;
  // Over all numbers, so that the switch above stays the only list of codes.
  for (auto number = 0U; number <= std::numeric_limits<std::uint8_t>::max(); ++number) {
    if (name_of(static_cast<errc>(number)) == name) {
      code = static_cast<errc>(number);
      return true;
    }
  }
  return false;
}

bool from_integer(std::uint8_t number, errc& code) {
  if (name_of(static_cast<errc>(number)).empty())
    return false;
  code = static_cast<errc>(number);
  return true;
}

} // namespace bulwark
