#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace bulwark_tests {

/// What a program left behind.
struct program_end {
  int code = -1; ///< -1: it was killed.
  std::string output;

  [[nodiscard]] bool says(const std::string& text) const {
    return output.find(text) != std::string::npos;
  }
};

/// Runs a program to its end, as a shell would; what it prints and complains is the output.
inline program_end run(const std::string& program, const std::string& arguments) {
  auto* pipe = ::popen((program + " " + arguments + " 2>&1").c_str(), "r");
  if (pipe == nullptr)
    throw std::runtime_error{"can't run " + program};
  program_end result;
  std::array<char, 4096> buffer{};
  for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    result.output.append(buffer.data(), n);
  const auto status = ::pclose(pipe);
  if (WIFEXITED(status))
    result.code = WEXITSTATUS(status);
  return result;
}

} // namespace bulwark_tests
