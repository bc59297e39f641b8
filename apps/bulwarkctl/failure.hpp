#pragma once

#include <stdexcept>
#include <string>

namespace bulwarkctl {

/// What the program ends with; scripts depend on it.
enum exit_code : int {
  done = 0,
  refused = 1, ///< The daemon refused it, or it failed there, or may be done; the text says which.
  wrong_usage = 2,
  no_connection = 3, ///< Nobody answers at the address, or not as a bulwarkd does.
  not_permitted = 4, ///< No token, or another; or the daemon permits no changes.
  not_found = 5,     ///< No guard, circuit breaker, node or journal of that name.
};

/// Why a command ends without what it was asked for, and the exit code for that.
class failure : public std::runtime_error {
public:
  failure(exit_code code, const std::string& why, std::string document = {})
      : std::runtime_error(why), code_(code), document_(std::move(document)) {}

  [[nodiscard]] exit_code code() const noexcept { return code_; }

  /// The daemon's own words, a document of JSON; empty where they aren't its.
  [[nodiscard]] const std::string& document() const noexcept { return document_; }

private:
  exit_code code_;
  std::string document_;
};

} // namespace bulwarkctl
