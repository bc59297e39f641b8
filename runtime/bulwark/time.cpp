#include "bulwark/time.hpp"

#include <fmt/format.h>

namespace bulwark {

namespace {

struct unit {
  std::uint64_t nanoseconds;
  const char* name;
};

constexpr auto second = unit{1'000'000'000, "s"};

// At most three decimals, cut off and not rounded: 999999 ns must not read as the 1 ms it isn't.
std::string decimal(std::uint64_t nanoseconds, unit in) {
  auto whole = nanoseconds / in.nanoseconds;
  auto thousandths = nanoseconds % in.nanoseconds * 1000 / in.nanoseconds;
  auto result =
      thousandths == 0 ? fmt::format("{}", whole) : fmt::format("{}.{:03}", whole, thousandths);
  if (thousandths != 0)
    result.resize(result.find_last_not_of('0') + 1);
  return result + in.name;
}

std::string short_text(std::uint64_t nanoseconds) {
  for (auto in : {second, unit{1'000'000, "ms"}, unit{1000, "us"}})
    if (nanoseconds >= in.nanoseconds)
      return decimal(nanoseconds, in);
  return nanoseconds == 0 ? "0s" : decimal(nanoseconds, unit{1, "ns"});
}

// From a minute on: "1m30s", "36500d". Parts that are nothing are left out.
std::string long_text(std::uint64_t nanoseconds) {
  constexpr auto minute = 60 * second.nanoseconds;
  auto result = std::string{};
  for (auto in : {unit{minute * 60 * 24, "d"}, unit{minute * 60, "h"}, unit{minute, "m"}}) {
    if (auto count = nanoseconds / in.nanoseconds; count != 0)
      result += fmt::format("{}{}", count, in.name);
    nanoseconds %= in.nanoseconds;
  }
  constexpr auto millisecond = second.nanoseconds / 1000;
  return nanoseconds < millisecond ? result : result + decimal(nanoseconds, second);
}

} // namespace

std::string to_text(timespan length) {
  auto negative = length < timespan::zero();
  auto bits = static_cast<std::uint64_t>(length.count());
  auto magnitude = negative ? 0 - bits : bits; // in unsigned, because -min doesn't fit
  auto text = magnitude < 60 * second.nanoseconds ? short_text(magnitude) : long_text(magnitude);
  return negative ? "-" + text : text;
}

} // namespace bulwark
