#pragma once

#include "support/child_process.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace bulwark_tests {

/// bulwarkd: a node on any port of loopback, unless its arguments say another.
class daemon_process : public child_process {
public:
  explicit daemon_process(const std::vector<std::string>& arguments)
      : child_process(with_program(arguments)) {}

  std::uint16_t port() {
    if (port_ == 0) {
      const auto line = first_line_with("listening on ");
      port_ =
          static_cast<std::uint16_t>(std::stoi(line.substr(line.rfind(':', line.find(',')) + 1)));
    }
    return port_;
  }

  [[nodiscard]] std::string address() { return "127.0.0.1:" + std::to_string(port()); }

private:
  std::uint16_t port_ = 0;

  static std::vector<std::string> with_program(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {BULWARKD, "--listen.port=0"});
    return arguments;
  }
};

} // namespace bulwark_tests
