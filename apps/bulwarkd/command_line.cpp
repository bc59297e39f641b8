#include "bulwarkd/command_line.hpp"

#include "bulwarkd/text_file.hpp"

#include <fmt/format.h>

#include <algorithm>

#include <optional>
#include <sstream>
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
    else if (word == "--reference")
      result_.reference = true;
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
    const auto complain = [this](const std::string& what) {
      result_.wrong.push_back(fmt::format("--config-file = {}: {}", *file_, what));
    };
    const auto text = read_text(*file_);
    if (!text)
      return complain("can't be read");
    if (const auto misread = find_misreading(*text); !misread.empty())
      return complain(misread);
    std::istringstream lines{*text};
    auto found = caf::actor_system_config::parse_config(lines);
    if (!found)
      return complain(describe(found.error()));
    if (found
            ->empty()) // more likely one that is just being written than the wish for an empty node
      return complain("has no settings");
    result_.settings = std::move(*found);
    for (const auto& [key, value] : result_.settings) {
      if (key != "bulwark" && key != "caf")
        result_.wrong.push_back(fmt::format("{}: no such group; there are bulwark, caf", key));
    }
  }

  // CAF's error holds the line and the column.
  static std::string describe(const caf::error& why) {
    const auto& context = why.context();
    if (context.match_elements<std::int32_t, std::int32_t>())
      return fmt::format("line {}, column {}: {}", context.get_as<std::int32_t>(0),
                         context.get_as<std::int32_t>(1),
                         to_string(static_cast<caf::pec>(why.code())));
    return to_string(why);
  }
};

} // namespace

/// CAF takes a file that ends in the midst of a group, as one that is just being written does, and
/// then all that would have come is missing. And it drops a group that has a key with a dot in it, as
/// keys stand in messages and on the command line: without a word, whatever else is in that group.
std::string find_misreading(const std::string& text) {
  struct opening {
    char closed_by;
    std::size_t line;
  };
  std::vector<opening> open;
  std::size_t line = 1;
  auto wants_more = false; // after `=`
  auto in_value = false;
  const auto in_group = [&open] { return open.empty() || open.back().closed_by == '}'; };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = text[i];
    line += c == '\n' ? 1 : 0;
    if (c == '#') {
      i = std::min(text.find('\n', i), text.size()) - 1;
      continue;
    }
    in_value = c == '=' || (in_value && c != ',' && c != '{' && c != '}' && c != '\n');
    if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
      wants_more = c == '=';
    if (c == '.' && !in_value && in_group())
      return fmt::format("line {}: a key has no dots; groups are written as NAME {{ … }}", line);
    if (c == '"' || c == '\'') {
      const auto begun = line;
      for (++i; i < text.size() && text[i] != c; ++i)
        i += text[i] == '\\' ? 1 : 0;
      if (i >= text.size())
        return fmt::format("line {}: the text that begins here has no end", begun);
    } else if (c == '{' || c == '[') {
      open.push_back({c == '{' ? '}' : ']', line});
    } else if (!open.empty() && c == open.back().closed_by) {
      open.pop_back();
    }
  }
  if (!open.empty())
    return fmt::format("line {}: what is opened here is never closed, {} is missing",
                       open.back().line, open.back().closed_by);
  return wants_more ? fmt::format("line {}: a value is missing", line) : std::string{};
}

namespace {

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
  --reference          write all settings there are, as docs/settings.md has them, and end
  --version, --help

Keys are those of the group `bulwark` and CAF's own, docs/bulwarkd.md has them all. HUP
has the file read again: what differs takes effect while calls go on. TERM and INT
end it: calls in progress are finished first, for `drain-timeout` at most.

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
