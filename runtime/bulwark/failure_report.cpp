#include "bulwark/failure_report.hpp"

#include <fmt/format.h>

namespace bulwark {

namespace {

// "guard 'db', part 'pool': "; empty where there are no names.
std::string whereabouts(const failure_report& report) {
  auto result = std::string{};
  if (!report.guard.empty())
    result += fmt::format("guard '{}'", report.guard);
  if (!report.part.empty())
    result += fmt::format("{}part '{}'", result.empty() ? "" : ", ", report.part);
  return result.empty() ? result : result + ": ";
}

std::string event(errc code) {
  switch (code) {
  case errc::circuit_open:
    return "circuit is open";
  case errc::retries_exhausted:
    return "gave up";
  case errc::timed_out:
    return "no answer in time";
  case errc::bulkhead_full:
    return "bulkhead is full";
  case errc::rate_limited:
    return "rate limit is reached";
  case errc::cancelled:
    return "cancelled by the caller";
  case errc::shutting_down:
    return "shutting down";
  case errc::target_lost:
    return "the target is gone";
  case errc::invalid_policy:
    return "policy refused";
  case errc::duplicate_name:
    return "the name is in use for something else";
  case errc::unknown_name:
    return "nothing has that name";
  case errc::owner_lost:
    return "the node that owns it can't be reached";
  }
  return fmt::format("failed with code {}", static_cast<unsigned>(code));
}

// " after 3 attempts in 7.2s"; empty where neither is known.
std::string effort(const failure_report& report) {
  auto has_elapsed = report.elapsed > timespan::zero();
  if (report.attempts == 0)
    return has_elapsed ? " after " + to_text(report.elapsed) : std::string{};
  return fmt::format(" after {} attempt{}{}{}", report.attempts, report.attempts == 1 ? "" : "s",
                     has_elapsed ? " in " : "", has_elapsed ? to_text(report.elapsed) : "");
}

} // namespace

std::string describe(errc code, const failure_report& report) {
  auto text = whereabouts(report) + event(code) + effort(report);
  if (report.retry_after > timespan::zero())
    text += (code == errc::circuit_open ? ", next probe in " : ", try again in ")
            + to_text(report.retry_after);
  // What a refused policy or name carries is no attempt's error but the reason itself.
  const auto is_reason = code == errc::invalid_policy || code == errc::duplicate_name;
  if (!report.last_error.empty())
    text += (is_reason ? ": " : ", last error: ") + report.last_error;
  return text;
}

} // namespace bulwark
