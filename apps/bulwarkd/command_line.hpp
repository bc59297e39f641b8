#pragma once

#include "bulwarkd/configuration.hpp"

#include <caf/all.hpp>

#include <string>

namespace bulwarkd {

/// What the command line asks for, and the settings it comes to: those of the file, overridden by
/// its own.
struct command_line {
  bool help = false;
  bool version = false;
  bool check = false;
  bool reference = false;
  caf::settings settings;
  mistakes wrong;
};

/// Reads the command line, and the file that it names.
[[nodiscard]] command_line parse_command_line(int argc, const char* const* argv);

/// What CAF would read as something else than it says, without a word: a text that ends in the midst
/// of something, or has dots in a key. A sentence with the line; empty: nothing.
[[nodiscard]] std::string find_misreading(const std::string& text);

[[nodiscard]] std::string help_text();

/// Hands the group `caf` of the settings to CAF. What CAF doesn't know, or can't take, is a mistake.
[[nodiscard]] mistakes apply_to(caf::actor_system_config& config, const caf::settings& settings);

} // namespace bulwarkd
