// Completion. The scripts only ask this program, so that they needn't change when it does.
#include "bulwarkctl/commands.hpp"
#include "bulwarkctl/output.hpp"
#include "bulwarkctl/text.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace bulwarkctl {

namespace {

constexpr auto bash =
    R"script(# bulwarkctl's completion for bash: source <(bulwarkctl completion bash)
_bulwarkctl() {
  local line IFS=$'\n'
  COMPREPLY=()
  while read -r line; do
    COMPREPLY+=("$(printf '%q' "$line")")
  done < <("${COMP_WORDS[0]}" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _bulwarkctl bulwarkctl
)script";

constexpr auto zsh = R"script(#compdef bulwarkctl
# bulwarkctl's completion for zsh: source <(bulwarkctl completion zsh), or as _bulwarkctl in $fpath
_bulwarkctl() {
  local -a found
  found=("${(@f)$("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  found=(${found:#})
  if (( $#found )); then compadd -- $found; else _files; fi
}
if [ "$funcstack[1]" = "_bulwarkctl" ]; then _bulwarkctl "$@"; else compdef _bulwarkctl bulwarkctl; fi
)script";

bool is_shown(const CLI::App* app) {
  return !app->get_group().empty();
}

// The options that may stand here: a command's own and those of all above it.
std::vector<std::string> option_names(const CLI::App* app) {
  std::vector<std::string> result;
  for (; app != nullptr; app = app->get_parent())
    for (const auto* each : app->get_options())
      for (const auto& name : each->get_lnames())
        result.push_back("--" + name);
  return result;
}

const CLI::Option* option_of(const CLI::App* app, const std::string& word) {
  for (; app != nullptr; app = app->get_parent())
    for (const auto* each : app->get_options())
      if (each->nonpositional() && each->check_name(word))
        return each;
  return nullptr;
}

const CLI::App* below(const CLI::App* app, const std::string& word) {
  const auto found = app->get_subcommands(
      [&](const auto* each) { return is_shown(each) && each->get_name() == word; });
  return found.empty() ? nullptr : found.front();
}

// What a set of permitted values prints itself as, {a,b}.
std::vector<std::string> permitted(const CLI::Option* option) {
  const auto type = option->get_type_name();
  const auto begin = type.rfind('{');
  const auto end = type.rfind('}');
  if (begin == type.npos || end == type.npos || end < begin)
    return {};
  return CLI::detail::split(type.substr(begin + 1, end - begin - 1), ',');
}

// Of the daemon, which may not be there: then nothing is offered.
std::vector<std::string> names_of(const options& wanted, bool of_breakers) {
  std::vector<std::string> result;
  try {
    auto where = wanted.where;
    where.timeout = std::chrono::seconds{1};
    const auto document = api{where}.get("/api/v1/guards");
    for (const auto& each : at(document, "guards")) {
      const auto& name = at(each, of_breakers ? "breaker" : "name");
      // One with strange characters could be other words in a shell's line.
      if (name.is_string() && name == text_at(name, ""))
        result.push_back(name);
    }
  } catch (const std::exception&) {
    return {};
  }
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

std::vector<std::string> candidates(const CLI::App* app, const options& wanted,
                                    const std::vector<std::string>& words) {
  std::size_t positionals = 0;
  const CLI::Option* waiting = nullptr; // an option whose value comes next
  for (const auto& word : words) {
    if (waiting != nullptr)
      waiting = nullptr;
    else if (const auto* option = option_of(app, word.substr(0, word.find('='))); option != nullptr)
      waiting =
          option->get_items_expected_max() > 0 && word.find('=') == word.npos ? option : nullptr;
    else if (const auto* next = below(app, word); next != nullptr)
      app = next;
    else
      ++positionals;
  }
  if (waiting != nullptr)
    return permitted(waiting);
  std::vector<std::string> result;
  for (const auto* each : app->get_subcommands([](const auto* one) { return is_shown(one); }))
    result.push_back(each->get_name());
  const auto places = app->get_options([](const auto* one) { return one->get_positional(); });
  if (positionals < places.size()) {
    result = permitted(places[positionals]);
    if (places[positionals]->get_name(true) == "NAME")
      result = names_of(wanted, app->get_name() == "breaker");
  }
  for (auto& each : option_names(app))
    result.push_back(std::move(each));
  return result;
}

} // namespace

void completion(const options& wanted) {
  print(wanted.shell == "zsh" ? zsh : bash);
}

void complete(const options& wanted) {
  options scratch;
  const auto app = command_line(scratch);
  auto words = wanted.words;
  const auto begun = words.empty() ? std::string{} : words.back();
  if (!words.empty())
    words.pop_back();
  for (const auto& each : candidates(app.get(), wanted, words))
    if (each.rfind(begun, 0) == 0 && (!begun.empty() || each.rfind("--", 0) != 0))
      print(each + '\n');
}

} // namespace bulwarkctl
