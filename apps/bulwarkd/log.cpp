#include "bulwarkd/log.hpp"

#include <unistd.h>

#include <chrono>
#include <ctime>

namespace bulwarkd {

namespace {

std::string time_now() {
  using namespace std::chrono;
  const auto now = system_clock::now().time_since_epoch();
  const auto whole = duration_cast<seconds>(now);
  const auto second = static_cast<std::time_t>(whole.count());
  std::tm parts{};
  ::gmtime_r(&second, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     duration_cast<milliseconds>(now - whole).count());
}

std::string_view name_of(log_level level) {
  switch (level) {
  case log_level::info:
    return "info";
  case log_level::warning:
    return "warning";
  case log_level::error:
    break;
  }
  return "error";
}

} // namespace

void write_log(log_level level, std::string_view text) {
  auto line = fmt::format("{} {:<7} ", time_now(), name_of(level));
  for (const auto c : text) {
    if (const auto code = static_cast<unsigned char>(c); code < 0x20 || code == 0x7f)
      line += fmt::format("\\x{:02x}", code);
    else
      line += c;
  }
  line += '\n';
  // One call: lines of several threads don't mix. A log that can't be written is no reason to end.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

} // namespace bulwarkd
