#pragma once

#include "bulwark/errc.hpp"
#include "bulwark/time.hpp"

#include <cstdint>
#include <string>

namespace bulwark {

/// What an error of bulwark knows beside its code.
struct failure_report {
  std::string guard = {};      ///< The guard's name; empty where a part was used alone.
  std::string part = {};       ///< The part that decided: a breaker's, a bulkhead's name.
  std::uint32_t attempts = 0;  ///< Attempts that were started.
  timespan elapsed{0};         ///< Since the call was accepted; whole ms from 100 ms on.
  timespan retry_after{0};     ///< When it makes sense to come again, in whole ms; 0: not known.
  std::string last_error = {}; ///< The text of the last attempt's error; empty: there was none.
  errc code = errc::timed_out; ///< What happened: the error's own code.

  friend bool operator==(const failure_report&, const failure_report&) = default;
};

/// One sentence for an operator, without the code: "guard 'db': circuit is open, next probe in
/// 12s".
std::string describe(errc code, const failure_report& report);

} // namespace bulwark
