#include "bulwarkctl/commands.hpp"
#include "bulwarkctl/text.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <clocale>
#include <cstdio>

namespace {

using namespace bulwarkctl;

int complain(const options& wanted, exit_code code, const std::string& why,
             const std::string& document = {}) {
  if (wanted.as_json && !document.empty())
    fmt::print(stderr, "{}\n", document);
  else
    fmt::print(stderr, "bulwarkctl: {}\n", why);
  return code;
}

int run(int argc, char** argv, options& wanted) {
  const auto app = command_line(wanted);
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& end) {
    // Help and version end here too. CLI11 has exit codes of its own.
    if (end.get_exit_code() == 0)
      return app->exit(end);
    return complain(wanted, wrong_usage, safe(end.what()) + "; see bulwarkctl --help");
  }
  complete_connection(wanted);
  wanted.run(wanted);
  return done;
}

} // namespace

int main(int argc, char** argv) {
  // The widths of characters, and which of them can be shown: whatever the user's language.
  std::setlocale(LC_CTYPE, "C.UTF-8");
  options wanted;
  try {
    return run(argc, argv, wanted);
  } catch (const failure& why) {
    return complain(wanted, why.code(), why.what(), why.document());
  } catch (const std::exception& why) {
    return complain(wanted, refused, safe(why.what()));
  }
}
