#include "bulwark/classification.hpp"

#include "bulwark/protocol.hpp"

#include <algorithm>
#include <array>

namespace bulwark {

namespace {

// CAF 0.18.7 reads the category of an error that is none from nowhere.
bool same_code(const caf::error& a, const caf::error& b) noexcept {
  if (!a || !b)
    return !a && !b;
  return a.category() == b.category() && a.code() == b.code();
}

template <class Enum>
bool is_one_of(const caf::error& reason, std::initializer_list<Enum> codes) {
  return reason
         && reason.category()
                == caf::type_id_v<Enum> && std::any_of(codes.begin(), codes.end(), [&](Enum code) {
              return reason.code() == static_cast<std::uint8_t>(code);
            });
}

bool is_lost_connection(const caf::error& reason) {
  using caf::sec;
  return is_one_of(reason, {sec::request_timeout, sec::request_receiver_down,
                            sec::no_route_to_receiving_node, sec::cannot_connect_to_node,
                            sec::disconnect_during_handshake, sec::network_syscall_failed,
                            sec::socket_disconnected, sec::socket_operation_failed,
                            sec::unavailable_or_would_block, sec::connection_closed,
                            sec::connection_timeout})
         || is_one_of(reason, {caf::exit_reason::remote_link_unreachable});
}

// The last T in the error's context: what was put there later, further out, counts.
template <class T>
std::optional<T> find_in_context(const caf::error& reason) {
  if (!reason)
    return std::nullopt;
  const auto& context = reason.context();
  for (auto i = context.size(); i-- > 0;) {
    if (context.match_element<T>(i))
      return context.get_as<T>(i);
  }
  return std::nullopt;
}

} // namespace

std::optional<error_mark> mark_of(const caf::error& reason) {
  return find_in_context<error_mark>(reason);
}

std::optional<timespan> retry_after_of(const caf::error& reason) {
  auto delay = timespan{0};
  if (const auto told = find_in_context<retry_after>(reason))
    delay = told->delay;
  else if (const auto report = report_of(reason))
    delay = report->retry_after;
  return delay > timespan{0} ? std::optional{delay} : std::nullopt;
}

bool forbids_retry(const caf::error& reason) {
  const auto told = find_in_context<retry_after>(reason);
  return told && told->delay < timespan{0};
}

bool is_transient(const caf::error& reason) {
  if (auto mark = mark_of(reason))
    return *mark == error_mark::transient;
  if (const auto told = find_in_context<retry_after>(reason); told && told->delay != timespan{0})
    return told->delay > timespan{0};
  return is_one_of(reason, {errc::timed_out, errc::target_lost}) || is_lost_connection(reason);
}

bool counts_as_failure(const caf::error& reason) {
  if (!reason)
    return false;
  if (auto mark = mark_of(reason))
    return *mark != error_mark::client;
  return !is_one_of(reason, {errc::circuit_open, errc::bulkhead_full, errc::rate_limited,
                             errc::shutting_down, errc::cancelled, errc::owner_lost})
         && !is_one_of(reason, {caf::sec::unexpected_message, caf::sec::invalid_argument});
}

error_predicate error_predicate::of_codes(std::vector<caf::error> codes) {
  error_predicate result{kind::codes};
  result.codes_ = std::move(codes);
  return result;
}

bool error_predicate::operator()(const caf::error& reason) const {
  switch (kind_) {
  case kind::transient:
    return is_transient(reason);
  case kind::counted:
    return counts_as_failure(reason);
  case kind::always:
    return true;
  case kind::never:
    return false;
  case kind::codes:
    return std::any_of(codes_.begin(), codes_.end(),
                       [&](const caf::error& code) { return same_code(code, reason); });
  case kind::function:
    return (*function_)(reason);
  }
  return false;
}

bool operator==(const error_predicate& a, const error_predicate& b) {
  return a.kind_ == b.kind_ && a.function_ == b.function_
         && std::equal(a.codes_.begin(), a.codes_.end(), b.codes_.begin(), b.codes_.end(),
                       same_code);
}

caf::error make_failure(errc code, failure_report report, caf::error last) {
  report.code = code;
  if (!last)
    return caf::make_error(code, std::move(report));
  report.last_error = to_string(last);
  return caf::make_error(code, std::move(report), std::move(last));
}

std::optional<failure_report> report_of(const caf::error& reason) {
  if (!reason || reason.category() != caf::type_id_v<errc>)
    return std::nullopt;
  const auto& context = reason.context();
  if (context.size() == 0 || !context.match_element<failure_report>(0))
    return std::nullopt;
  return context.get_as<failure_report>(0);
}

bool shows_not_begun(const caf::error& reason) {
  const auto report = report_of(reason);
  return report && report->attempts == 0 && is_rejection(report->code);
}

caf::error last_error_of(const caf::error& reason) {
  if (!report_of(reason))
    return {};
  const auto& context = reason.context();
  return context.size() > 1 && context.match_element<caf::error>(1) ? context.get_as<caf::error>(1)
                                                                    : caf::error{};
}

} // namespace bulwark
