#pragma once

#include "bulwarkctl/api.hpp"

#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
} // namespace CLI

namespace bulwarkctl {

/// What the command line says; each command has its own of it.
struct options {
  connection where;
  std::string token_file;
  double timeout = 10; ///< seconds
  bool as_json = false;

  std::string name; ///< Of a guard or a circuit breaker.
  std::string action;
  std::vector<std::string> settings; ///< FIELD=VALUE
  bool dry_run = false;
  std::string value;
  bool as_text = false;
  double call_timeout = 5; ///< seconds
  bool watch = false;
  double interval = 1; ///< seconds
  bool follow = false;
  std::string after; ///< An event's id.
  std::size_t limit = 50;
  std::string before; ///< An entry's id.
  std::string file;
  std::string daemon; ///< The program that checks a file.
  std::string sort = "state";
  std::string shell;
  std::vector<std::string> words; ///< Of a command line that is to be completed.

  /// The command, once the line is parsed.
  void (*run)(const options&) = nullptr;
};

/// The whole command line, which fills `into`; help, man page and completion are made from it too.
[[nodiscard]] std::unique_ptr<CLI::App> command_line(options& into);

/// The token from $BULWARK_TOKEN or from the file, and the operator's name. Throws failure. Never from an option: others on
/// the machine see those.
void complete_connection(options& of);

} // namespace bulwarkctl
