#include "bulwark/policy.hpp"

#include <fmt/format.h>

namespace bulwark {

namespace {

void add(policy_mistakes& mistakes, std::string_view field, std::string value, std::string_view low,
         std::string_view high) {
  mistakes.push_back({std::string{field}, std::move(value), fmt::format("{} .. {}", low, high)});
}

} // namespace

std::string to_string(const policy_mistakes& mistakes) {
  auto result = std::string{};
  for (const auto& mistake : mistakes)
    result += fmt::format("{}{} is {}, permitted: {}", result.empty() ? "" : "; ", mistake.field,
                          mistake.value, mistake.permitted);
  return result;
}

void check_range(policy_mistakes& mistakes, std::string_view field, std::uint64_t value,
                 std::uint64_t low, std::uint64_t high) {
  if (value < low || value > high)
    add(mistakes, field, fmt::to_string(value), fmt::to_string(low), fmt::to_string(high));
}

void check_range(policy_mistakes& mistakes, std::string_view field, timespan value, timespan low,
                 timespan high) {
  if (value >= low && value <= high)
    return;
  auto text = to_text(value);
  // So near to the limit that it reads the same: then exactly.
  if (text == to_text(low) || text == to_text(high))
    text = fmt::format("{}ns", value.count());
  add(mistakes, field, std::move(text), to_text(low), to_text(high));
}

void check_range(policy_mistakes& mistakes, std::string_view field, double value, double low,
                 double high) {
  // Asked this way round, NaN is refused.
  if (!(value >= low && value <= high))
    add(mistakes, field, fmt::to_string(value), fmt::to_string(low), fmt::to_string(high));
}

} // namespace bulwark
