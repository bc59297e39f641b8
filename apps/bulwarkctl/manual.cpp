// The man page, of the command line itself.
#include "bulwarkctl/commands.hpp"
#include "bulwarkctl/output.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace bulwarkctl {

namespace {

// A text that roff takes as such: no word of it is an escape or a request.
std::string roff(const std::string& text) {
  std::string result;
  auto line_begins = true;
  for (const auto c : text) {
    if (line_begins && (c == '.' || c == '\''))
      result += "\\&";
    line_begins = c == '\n';
    if (c == '\\')
      result += "\\e";
    else if (c == '-')
      result += "\\-";
    else
      result += c;
  }
  return result;
}

std::string option_text(const CLI::Option* option) {
  auto name = option->get_name(option->get_positional(), !option->get_positional());
  if (option->get_items_expected_max() > 0 && !option->get_positional())
    name += " " + option->get_type_name();
  auto result = fmt::format(".TP\n\\fB{}\\fR\n{}", roff(name), roff(option->get_description()));
  if (option->get_positional() && option->get_type_name().find('{') != std::string::npos)
    result += ": " + roff(option->get_type_name().substr(option->get_type_name().find('{')));
  if (!option->get_default_str().empty())
    result += "; default " + roff(option->get_default_str());
  if (!option->get_envname().empty())
    result += "; or in $" + roff(option->get_envname());
  return result + "\n";
}

std::string options_text(const CLI::App* app) {
  std::string result;
  for (const auto* each : app->get_options())
    result += option_text(each);
  return result;
}

std::string commands_text(const CLI::App* app, const std::string& before) {
  std::string result;
  for (const auto* each :
       app->get_subcommands([](const auto* one) { return !one->get_group().empty(); })) {
    const auto name = before + each->get_name();
    result += fmt::format(".SS {}\n{}\n", roff(name), roff(each->get_description()));
    for (const auto* option : each->get_options())
      if (option != each->get_help_ptr())
        result += option_text(option);
    result += commands_text(each, name + " ");
  }
  return result;
}

} // namespace

void manual(const options&) {
  options scratch;
  const auto app = command_line(scratch);
  auto text = fmt::format(".TH BULWARKCTL 1 \"\" \"bulwark {}\"\n", BULWARK_VERSION);
  text += fmt::format(".SH NAME\nbulwarkctl \\- {}\n", roff(app->get_description()));
  text += ".SH SYNOPSIS\n.B bulwarkctl\n[OPTION ...] COMMAND [ARGUMENT ...]\n";
  text += ".SH OPTIONS\nBefore the command or after it.\n" + options_text(app.get());
  text += ".SH COMMANDS\n" + commands_text(app.get(), "");
  text += ".SH NOTES\n.nf\n" + roff(app->get_footer()) + "\n.fi\n";
  print(text);
}

} // namespace bulwarkctl
