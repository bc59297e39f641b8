// Completion. The scripts only ask this program, so that they needn't change when it does.
#include "bulwarkctl/commands.hpp"
#include "bulwarkctl/output.hpp"
#include "bulwarkctl/text.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace bulwarkctl {

namespace {

constexpr auto bash =
    R"script(# bulwarkctl's completion for bash: source <(bulwarkctl completion bash)
_bulwarkctl() {
  local line i piece before rest=${COMP_LINE:0:COMP_POINT} words=() IFS=$'\n'
  # For bash a word ends at : and = too, and only what comes after is replaced; here at blanks alone.
  for ((i = 0; i <= COMP_CWORD; ++i)); do
    [[ $i -gt 0 && $rest != [[:blank:]]* ]] || words+=('')
    before=${words[-1]}
    rest=${rest#"${rest%%[![:blank:]]*}"}
    piece=${COMP_WORDS[i]}
    [[ $i -lt $COMP_CWORD ]] || piece=$rest
    rest=${rest#"$piece"}
    words[-1]+=$piece
  done
  [[ $piece != [:=]* ]] || before=${words[-1]}
  COMPREPLY=()
  while read -r line; do
    COMPREPLY+=("$(printf '%q' "${line#"$before"}")")
  done < <("${words[0]}" complete -- "${words[@]:1}" 2>/dev/null)
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

// The addresses that are known: from the environment, and the default.
std::vector<std::string> values_of(const CLI::Option* option, const connection& where) {
  if (!option->check_name("--url"))
    return permitted(option);
  std::vector<std::string> result{where.url};
  if (option->get_default_str() != where.url)
    result.push_back(option->get_default_str());
  return result;
}

// Of the daemon, which may not be there: then nothing is offered.
std::vector<std::string> names_of(connection where, bool of_breakers) {
  std::vector<std::string> result;
  try {
    where.timeout = std::chrono::seconds{1};
    where.token.clear(); // nobody has said yet that the line is meant
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

// Where a line stands after its words.
struct position {
  const CLI::App* app;
  connection where;                     // whom the line asks
  const CLI::Option* waiting = nullptr; // an option whose value comes next
  std::size_t positionals = 0;

  void pass(const std::string& word) {
    const auto equals = word.find('=');
    if (waiting != nullptr) {
      take_value(*std::exchange(waiting, nullptr), word);
    } else if (const auto* option = option_of(app, word.substr(0, equals)); option != nullptr) {
      if (equals != word.npos)
        take_value(*option, word.substr(equals + 1));
      else if (option->get_items_expected_max() > 0)
        waiting = option;
    } else if (const auto* next = below(app, word); next != nullptr) {
      app = next;
    } else {
      ++positionals;
    }
  }

  void take_value(const CLI::Option& option, const std::string& value) {
    if (option.check_name("--url"))
      where.url = value;
  }
};

std::vector<std::string> candidates(const position& here, const std::string& begun,
                                    const connection& known) {
  if (here.waiting != nullptr)
    return values_of(here.waiting, known);
  const auto* app = here.app;
  std::vector<std::string> result;
  const auto equals = std::min(begun.find('='), begun.size());
  if (const auto* option = option_of(app, begun.substr(0, equals));
      option != nullptr && equals < begun.size()) {
    for (const auto& each : values_of(option, known))
      result.push_back(begun.substr(0, equals + 1) + each);
    return result;
  }
  for (const auto* each : app->get_subcommands([](const auto* one) { return is_shown(one); }))
    result.push_back(each->get_name());
  const auto places = app->get_options([](const auto* one) { return one->get_positional(); });
  if (here.positionals < places.size()) {
    result = permitted(places[here.positionals]);
    if (places[here.positionals]->get_name(true) == "NAME")
      result = names_of(here.where, app->get_name() == "breaker");
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
  position here{.app = app.get(), .where = wanted.where};
  for (const auto& each : words)
    here.pass(each);
  for (const auto& each : candidates(here, begun, wanted.where))
    if (each.rfind(begun, 0) == 0 && (!begun.empty() || each.rfind("--", 0) != 0))
      print(each + '\n');
}

} // namespace bulwarkctl
