#include "bulwark/lease.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace bulwark {

std::string to_string(owner_lost policy) {
  switch (policy) {
  case owner_lost::local:
    return "local";
  case owner_lost::fail_open:
    return "fail_open";
  case owner_lost::fail_closed:
    return "fail_closed";
  }
  return fmt::format("owner_lost({})", static_cast<unsigned>(policy));
}

bool from_string(std::string_view name, owner_lost& policy) {
  for (auto each : {owner_lost::local, owner_lost::fail_open, owner_lost::fail_closed}) {
    if (name == to_string(each)) {
      policy = each;
      return true;
    }
  }
  return false;
}

bool from_integer(std::uint8_t number, owner_lost& policy) {
  if (number > static_cast<std::uint8_t>(owner_lost::fail_closed))
    return false;
  policy = static_cast<owner_lost>(number);
  return true;
}

std::string to_string(trip_scope scope) {
  switch (scope) {
  case trip_scope::own:
    return "own";
  case trip_scope::quorum:
    return "quorum";
  case trip_scope::any:
    return "any";
  }
  return fmt::format("trip_scope({})", static_cast<unsigned>(scope));
}

bool from_string(std::string_view name, trip_scope& scope) {
  for (auto each : {trip_scope::own, trip_scope::quorum, trip_scope::any}) {
    if (name == to_string(each)) {
      scope = each;
      return true;
    }
  }
  return false;
}

bool from_integer(std::uint8_t number, trip_scope& scope) {
  if (number > static_cast<std::uint8_t>(trip_scope::any))
    return false;
  scope = static_cast<trip_scope>(number);
  return true;
}

policy_mistakes find_mistakes(const sharing_policy& policy) {
  policy_mistakes result;
  check_range(result, "sharing.lease_time", policy.lease_time, std::chrono::milliseconds{10},
              std::chrono::hours{1});
  return result;
}

void lease::begin() noexcept {
  ++session_;
  serial_ = 0;
  until_ = instant::min();
  report_due_ = instant::min();
  unanswered_.clear();
}

lease_stamp lease::stamp(instant now) {
  // What is that old can prolong nothing any more.
  while (!unanswered_.empty() && saturating_add(unanswered_.front().sent, length_) <= now)
    unanswered_.pop_front();
  unanswered_.push_back({.serial = ++serial_, .sent = now});
  report_due_ = saturating_add(now, length_ / 4);
  return {.session = session_, .serial = serial_};
}

bool lease::renew(const lease_stamp& answered, timespan lease_time) {
  if (answered.session != session_ || answered.serial == 0 || answered.serial > serial_)
    return false;
  length_ = lease_time;
  while (!unanswered_.empty() && unanswered_.front().serial <= answered.serial) {
    until_ =
        std::max(until_, saturating_add(unanswered_.front().sent, lease_time - lease_time / 64));
    unanswered_.pop_front();
  }
  return true;
}

} // namespace bulwark
