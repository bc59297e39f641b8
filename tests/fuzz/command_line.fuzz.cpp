// What people type: bulwarkd's command line, addresses, enumerators' names, durations.
#include "bulwarkd/command_line.hpp"
#include "bulwarkd/configuration.hpp"

#include "fuzz/bytes.hpp"
#include "models/must.hpp"
#include "support/real_system.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>
#include <vector>

using namespace bulwark;
using namespace bulwark_tests;
using namespace bulwarkd;

namespace {

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> result{""};
  for (char each : text) {
    if (each == '\n' || each == '\0')
      result.emplace_back();
    else
      result.back() += each;
  }
  // A file is another fuzzer's, and not to be any that the bytes name.
  std::erase_if(result, [](const auto& each) { return each.rfind("--config-file", 0) == 0; });
  return result;
}

void check_command_line(const std::vector<std::string>& words) {
  static const auto targets = [] {
    init_types();
    return ready_made_targets();
  }();
  std::vector<const char*> arguments{"bulwarkd"};
  for (const auto& each : words)
    arguments.push_back(each.c_str());
  const auto line = parse_command_line(static_cast<int>(arguments.size()), arguments.data());
  for (const auto& each : line.wrong)
    MUST(each.find("no such option") != each.npos || each.find("no such key") != each.npos);
  const auto [told, wrong] = read_configuration(line.settings, targets);
  for (const auto& each : wrong)
    MUST(each.rfind("bulwark", 0) == 0);
  caf::actor_system_config config;
  for (const auto& each : apply_to(config, line.settings))
    MUST(each.rfind("caf", 0) == 0);
}

void check_address(const std::string& text) {
  const auto address = parse_remote(text);
  if (!address)
    return;
  MUST(address->port != 0 && !address->host.empty());
  MUST(text.find(address->host) != text.npos);
  MUST(parse_remote_name(text).has_value() == !address->name.empty());
  if (address->host.find_first_of(":[]/") == std::string::npos && !address->name.empty()) {
    const auto again = parse_remote_name(part_name(*address));
    MUST(again && again->host == address->host && again->port == address->port
         && again->name == address->name);
  }
}

template <class Enum>
void check_name(std::string_view text) {
  Enum value{};
  if (from_string(text, value))
    MUST(to_string(value) == text);
}

// What is written is the length, cut off after three decimals.
void check_duration(timespan length) {
  const auto written = to_text(length);
  std::string_view text = written;
  const auto negative = !text.empty() && text.front() == '-';
  MUST(negative == (length < timespan{0}));
  text.remove_prefix(negative ? 1 : 0);
  MUST(!text.empty());
  auto sum = 0.0L;
  auto resolution = 1.0L;
  while (!text.empty()) {
    const auto end = text.find_first_not_of("0123456789.");
    MUST(end != text.npos && end != 0);
    double number = 0;
    MUST(std::from_chars(text.data(), text.data() + end, number).ptr == text.data() + end);
    text.remove_prefix(end);
    const auto unit = text.substr(0, text.find_first_of("0123456789"));
    text.remove_prefix(unit.size());
    const auto nanoseconds = unit == "d"    ? 86'400e9L
                             : unit == "h"  ? 3'600e9L
                             : unit == "m"  ? 60e9L
                             : unit == "s"  ? 1e9L
                             : unit == "ms" ? 1e6L
                             : unit == "us" ? 1e3L
                             : unit == "ns" ? 1.0L
                                            : 0.0L;
    MUST(nanoseconds != 0);
    sum += static_cast<long double>(number) * nanoseconds;
    resolution = nanoseconds / 1'000;
  }
  const auto exact = std::abs(static_cast<long double>(length.count()));
  MUST(sum <= exact + 1.0L + exact / 1e15L);
  MUST(exact < sum + std::max({resolution, 1e6L * (exact >= 60e9L ? 1 : 0), 1.0L}) + exact / 1e15L);
}

} // namespace

BULWARK_FUZZ(input) {
  const auto kind = input.below(4);
  if (kind == 0)
    return check_duration(timespan{input.any<std::int64_t>() >> (input.byte() % 64)});
  const auto text = input.rest();
  if (kind == 1)
    return check_address(text);
  if (kind == 2) {
    check_name<errc>(text);
    check_name<error_mark>(text);
    check_name<part_kind>(text);
    check_name<circuit_state>(text);
    check_name<transition_cause>(text);
    check_name<jitter_kind>(text);
    check_name<node_state>(text);
    check_name<owner_lost>(text);
    return check_name<trip_scope>(text);
  }
  check_command_line(words_of(text));
}
