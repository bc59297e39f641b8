#include "bulwark/call_context.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace bulwark {

namespace {

constexpr std::uint32_t most_attempts = 1'000'000;
constexpr std::size_t most_fields = 32;
constexpr std::size_t longest_name = 64;
constexpr std::size_t longest_value = 256;

constexpr std::array<std::pair<criticality, std::string_view>, criticality_count> criticalities{
    {{criticality::critical, "critical"},
     {criticality::normal, "normal"},
     {criticality::sheddable, "sheddable"}}};

bool is_hex(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); // upper case is an error there
  });
}

bool all_zero(std::string_view text) noexcept {
  return text.find_first_not_of('0') == std::string_view::npos;
}

bool is_too_much(const std::map<std::string, std::string>& more) noexcept {
  return more.size() > most_fields || std::any_of(more.begin(), more.end(), [](const auto& each) {
           return each.first.size() > longest_name || each.second.size() > longest_value;
         });
}

std::optional<std::uint32_t> to_attempt(const std::string& text) noexcept {
  std::uint32_t result = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
  if (error != std::errc{} || end != text.data() + text.size() || result < 1
      || result > most_attempts)
    return std::nullopt;
  return result;
}

} // namespace

bool is_trace_parent(std::string_view text) noexcept {
  constexpr std::size_t length = 55;
  if (text.size() < length || text.size() > longest_value || text[2] != '-' || text[35] != '-'
      || text[52] != '-')
    return false;
  const auto version = text.substr(0, 2);
  const auto trace = text.substr(3, 32);
  const auto parent = text.substr(36, 16);
  if (!is_hex(version) || !is_hex(trace) || !is_hex(parent) || !is_hex(text.substr(53, 2))
      || all_zero(trace) || all_zero(parent) || version == "ff")
    return false;
  return text.size() == length || (version != "00" && text[length] == '-');
}

policy_mistakes find_mistakes(const call_context& context) {
  policy_mistakes result;
  check_range(result, "call_context.attempt", std::uint64_t{context.attempt}, 1, most_attempts);
  if (context.importance > criticality::sheddable) // came in as a number
    result.push_back({"call_context.importance",
                      fmt::to_string(static_cast<unsigned>(context.importance)),
                      "critical, normal, sheddable"});
  if (context.tenant.size() > longest_tenant)
    result.push_back({"call_context.tenant", fmt::format("{} bytes long", context.tenant.size()),
                      fmt::format("0 .. {} bytes", longest_tenant)});
  if (!context.trace_parent.empty() && !is_trace_parent(context.trace_parent))
    result.push_back({"call_context.trace_parent",
                      "'" + context.trace_parent.substr(0, longest_value) + "'",
                      "empty, or 00-<32 hex>-<16 hex>-<2 hex>, in lower case, neither id 0"});
  if (is_too_much(context.more))
    result.push_back(
        {"call_context.more", fmt::format("{} fields", context.more.size()),
         fmt::format("{} fields of {} and {} bytes", most_fields, longest_name, longest_value)});
  return result;
}

bool says_more(const call_context& context) noexcept {
  return context.importance != criticality::normal || context.idempotent || !context.tenant.empty()
         || !context.trace_parent.empty() || !context.more.empty();
}

call_context next_hop(const call_context* from, std::optional<timespan> remaining,
                      std::uint32_t attempt) {
  auto result = from != nullptr ? *from : call_context{};
  result.remaining = remaining;
  result.by_guard = false;
  result.attempt = std::min(result.attempt + attempt - 1, most_attempts);
  return result;
}

std::map<std::string, std::string> to_wire(const call_context& context) {
  auto result = context.more;
  if (context.attempt != 1)
    result["attempt"] = fmt::to_string(context.attempt);
  if (context.importance != criticality::normal)
    result["criticality"] = to_string(context.importance);
  if (context.idempotent)
    result["idempotent"] = *context.idempotent ? "yes" : "no";
  if (!context.tenant.empty())
    result["tenant"] = context.tenant;
  if (!context.trace_parent.empty())
    result["traceparent"] = context.trace_parent;
  if (context.by_guard)
    result["by_guard"] = "yes";
  return result;
}

call_context from_wire(std::optional<timespan> remaining,
                       std::map<std::string, std::string> fields) {
  call_context result;
  result.remaining = remaining;
  const auto take = [&fields](const char* name) {
    auto node = fields.extract(name);
    return node.empty() ? std::string{} : std::move(node.mapped());
  };
  result.attempt = to_attempt(take("attempt")).value_or(1);
  from_string(take("criticality"), result.importance);
  if (const auto text = take("idempotent"); text == "yes" || text == "no")
    result.idempotent = text == "yes";
  if (auto text = take("tenant"); text.size() <= longest_tenant)
    result.tenant = std::move(text);
  if (auto text = take("traceparent"); is_trace_parent(text))
    result.trace_parent = std::move(text);
  result.by_guard = take("by_guard") == "yes";
  if (!is_too_much(fields))
    result.more = std::move(fields);
  return result;
}

std::string to_string(criticality importance) {
  for (const auto& [value, name] : criticalities) {
    if (value == importance)
      return std::string{name};
  }
  return fmt::format("criticality({})", static_cast<unsigned>(importance));
}

bool from_string(std::string_view name, criticality& importance) {
  for (const auto& [value, text] : criticalities) {
    if (text == name) {
      importance = value;
      return true;
    }
  }
  return false;
}

} // namespace bulwark
