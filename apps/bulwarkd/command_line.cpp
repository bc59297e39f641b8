#include "bulwarkd/command_line.hpp"

#include <algorithm>
#include <fmt/format.h>

#include <optional>
#include <string_view>

namespace bulwarkd {

namespace {

class parser {
public:
  explicit parser(command_line& result) : result_(result) {}

  void parse(int argc, const char* const* argv) {
    for (int i = 1; i < argc; ++i) {
      const std::string_view word = argv[i];
      if (word == "--config-file" && i + 1 < argc)
        file_ = argv[++i];
      else
        take(word);
    }
    if (file_)
      read_file();
    for (const auto& [key, value] : overrides_)
      caf::put(result_.settings, key, value);
  }

private:
  command_line& result_;
  std::optional<std::string> file_;
  std::vector<std::pair<std::string, caf::config_value>> overrides_;

  void take(std::string_view word) {
    constexpr std::string_view file_option = "--config-file=";
    const auto equals = word.find('=');
    if (word == "--help" || word == "-h")
      result_.help = true;
    else if (word == "--version")
      result_.version = true;
    else if (word == "--check")
      result_.check = true;
    else if (word.substr(0, file_option.size()) == file_option)
      file_ = std::string{word.substr(file_option.size())};
    else if (word.substr(0, 2) == "--" && equals != word.npos && equals > 2)
      take_key(std::string{word.substr(2, equals - 2)}, std::string{word.substr(equals + 1)});
    else
      result_.wrong.push_back(
          fmt::format("{}: no such option; keys are said as --KEY=VALUE, see --help", word));
  }

  void take_key(std::string key, const std::string& text) {
    // CAF's settings lose their order, and the process with it, where other bytes are in their names.
    const auto in_keys = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'
             || c == '_' || c == '.';
    };
    if (!std::all_of(key.begin(), key.end(), in_keys)) {
      result_.wrong.push_back(
          fmt::format("--{}: no such key; keys are of letters, digits, -, _ and .", key));
      return;
    }
    if (key.rfind("caf.", 0) != 0)
      key.insert(0, "bulwark.");
    // What is no number, duration, list or group is a text: 127.0.0.1:4711 begins as a number does.
    auto value = caf::config_value::parse(text);
    overrides_.emplace_back(std::move(key), value ? std::move(*value) : caf::config_value{text});
  }

  void read_file() {
    auto found = caf::actor_system_config::parse_config_file(file_->c_str());
    if (!found) {
      result_.wrong.push_back(
          fmt::format("--config-file = {}: {}", *file_, describe(found.error())));
      return;
    }
    result_.settings = std::move(*found);
    for (const auto& [key, value] : result_.settings) {
      if (key != "bulwark" && key != "caf")
        result_.wrong.push_back(fmt::format("{}: no such group; there are bulwark, caf", key));
    }
  }

  // CAF's error holds the line and the column.
  static std::string describe(const caf::error& why) {
    if (why == caf::sec::cannot_open_file)
      return "can't be read";
    const auto& context = why.context();
    if (context.match_elements<std::int32_t, std::int32_t>())
      return fmt::format("line {}, column {}: {}", context.get_as<std::int32_t>(0),
                         context.get_as<std::int32_t>(1),
                         to_string(static_cast<caf::pec>(why.code())));
    return to_string(why);
  }
};

void flatten(const caf::settings& group, const std::string& path,
             std::vector<std::pair<std::string, caf::config_value>>& into) {
  for (const auto& [key, value] : group) {
    const auto name = path + "." + key;
    if (const auto* below = caf::get_if<caf::settings>(&value))
      flatten(*below, name, into);
    else
      into.emplace_back(name, value);
  }
}

} // namespace

command_line parse_command_line(int argc, const char* const* argv) {
  command_line result;
  parser{result}.parse(argc, argv);
  return result;
}

std::string help_text() {
  return R"(usage: bulwarkd [--config-file=FILE] [--KEY=VALUE ...]

A node of bulwark: hosts guards, and answers who calls them through its front door.

  --config-file=FILE   settings, in CAF's syntax
  --KEY=VALUE          one setting, over the file's: --listen.port=4711,
                       --guards.db.target=127.0.0.1:4712/db, --caf.scheduler.max-threads=2
  --check              say what is wrong with the settings, and end
  --version, --help

Keys are those of the group `bulwark` and CAF's own, docs/bulwarkd.md has them all. TERM, INT and
HUP end it: calls in progress are finished first, for `drain-timeout` at most.

Ends with 0 when it was told to, 1 when something failed, 2 when settings are wrong.
)";
}

mistakes apply_to(caf::actor_system_config& config, const caf::settings& settings) {
  mistakes wrong;
  std::vector<std::pair<std::string, caf::config_value>> all;
  if (const auto found = settings.find("caf"); found != settings.end()) {
    if (const auto* group = caf::get_if<caf::settings>(&found->second))
      flatten(*group, "caf", all);
    else
      wrong.emplace_back("caf: must be a group, { … }");
  }
  for (auto& [key, value] : all) {
    const auto* option = config.custom_options().qualified_name_lookup(key);
    if (key.rfind("caf.openssl", 0) == 0)
      wrong.push_back(fmt::format("{}: say it in bulwark.tls", key));
    else if (option == nullptr)
      wrong.push_back(fmt::format("{}: CAF has no such key", key));
    else if (auto copy = value; option->sync(copy))
      wrong.push_back(
          fmt::format("{} = {}: must be {}", key, to_string(value),
                      std::string{option->type_name().begin(), option->type_name().end()}));
    else
      config.set(key, value);
  }
  return wrong;
}

} // namespace bulwarkd
