#include "bulwarkctl/options.hpp"

#include "bulwarkctl/commands.hpp"
#include "bulwarkctl/text.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace bulwarkctl {

namespace {

constexpr auto footer = R"(
Changes need the daemon's token: in $BULWARK_TOKEN, or in a file that --token-file names.
A name or value that begins with - is said after --: bulwarkctl call db -- -5
Colours are only shown in a terminal, and not where $NO_COLOR is set.

Ends with
  0  done
  1  the daemon refused it, or it failed there, or may be done: it says which
  2  wrong usage
  3  no connection, or what answers is no bulwarkd
  4  not permitted: no token, or another one, or the daemon permits no changes
  5  no guard, circuit breaker or journal of that name)";

CLI::App* add(CLI::App& app, const std::string& name, const std::string& what, options& into,
              void (*run)(const options&)) {
  auto* result = app.add_subcommand(name, what);
  result->callback([&into, run] { into.run = run; });
  return result;
}

void add_common(CLI::App& app, options& into) {
  app.add_option("--url", into.where.url, "the daemon's admin port")
      ->envname("BULWARK_URL")
      ->type_name("URL")
      ->capture_default_str();
  app.add_option("--token-file", into.token_file, "holds the token, for changes")
      ->type_name("FILE");
  app.add_option("--operator", into.where.operator_name,
                 "who you are, for the daemon's journal; else your login name")
      ->envname("BULWARK_OPERATOR")
      ->type_name("NAME");
  app.add_option("--timeout", into.timeout,
                 "how long the daemon may take to answer; to connect 2 at most")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  app.add_flag("--json", into.as_json,
               "the daemon's own JSON, one document a line, in ASCII; of a refusal on stderr");
}

void add_readers(CLI::App& app, options& into) {
  add(app, "list", "guards: what they guard and with what, and their circuits' states", into, list);
  auto* command =
      add(app, "stats", "what guards have counted since the daemon's start", into, stats);
  command->add_option("NAME", into.name, "one guard, with all its figures");
  command->add_flag("--watch", into.watch, "again and again, until it is interrupted");
  command->add_option("--interval", into.interval, "of --watch")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  add(app, "nodes", "the daemon and those it is connected to, and what they count together", into,
      nodes);
  command =
      add(app, "journal", "what happened, over restarts too, the newest first", into, journal);
  command->add_option("--limit", into.limit, "entries at most")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--before", into.before, "only what is older than this entry")
      ->type_name("ID");
  command = add(app, "events", "transitions, rejections and changes that the daemon still has",
                into, events);
  command->add_flag("-f,--follow", into.follow,
                    "from now on, as they come, also over the daemon's restarts");
  command->add_option("--after", into.after, "only what is newer than this event")->type_name("ID");
  command =
      add(app, "top", "guards as a live table, with their rates; its last line shows its keys",
          into, top);
  command->add_option("--interval", into.interval, "between two looks")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.1, 60.0))
      ->capture_default_str();
  command->add_option("--sort", into.sort, "what stands at the top")
      ->check(
          CLI::IsMember({"name", "state", "calls", "failures", "rejections", "p99", "in-flight"}))
      ->capture_default_str();
}

void add_changers(CLI::App& app, options& into) {
  auto* command = add(app, "breaker", "why a circuit breaker is as it is, or another state for it",
                      into, breaker);
  command->add_option("NAME", into.name, "a circuit breaker's")->required();
  command->add_option("ACTION", into.action, "what to do; close is the same as reset")
      ->required()
      ->check(CLI::IsMember({"why", "force-open", "disable", "reset", "close", "metrics-only"}));
  command =
      add(app, "policy", "the settings of a guard that are in force, or others", into, policy);
  command->add_option("NAME", into.name, "a guard's")->required();
  command->add_option("ACTION", into.action, "what to do")
      ->required()
      ->check(CLI::IsMember({"get", "set"}));
  command->add_option("FIELD=VALUE", into.settings,
                      "to set, as deadline=5s or retry.max-attempts=3");
  command->add_flag("--dry-run", into.dry_run, "only show what would change");
  command = add(app, "call", "a call through a guard, by hand", into, call);
  command->add_option("NAME", into.name, "a guard's")->required();
  command->add_option("VALUE", into.value, "a whole number, or a text")->required();
  command->add_flag("--text", into.as_text, "VALUE is a text also where it is a number");
  command->add_option("--patience", into.call_timeout, "how long to wait for the reply")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.001, 60.0))
      ->capture_default_str();
}

void add_config(CLI::App& app, options& into) {
  auto* group = app.add_subcommand("config", "the daemon's settings, from its files");
  group->require_subcommand(1);
  group->fallthrough();
  auto* command =
      add(*group, "check", "what is wrong with a file, by bulwarkd itself; asks no daemon", into,
          config_check);
  command->add_option("FILE", into.file, "settings in CAF's syntax")->required();
  command
      ->add_option("--bulwarkd", into.daemon,
                   "the program that checks it; else the one beside this, or in $PATH")
      ->type_name("PROGRAM");
  add(*group, "diff", "what a reload would change", into, config_diff);
  command = add(*group, "reload", "has the daemon read its files again", into, config_reload);
  command->add_flag("--dry-run", into.dry_run, "only show what would change");
}

} // namespace

std::unique_ptr<CLI::App> command_line(options& into) {
  auto app = std::make_unique<CLI::App>(
      "Looks at a running bulwarkd and steers it, over its admin port.", "bulwarkctl");
  app->require_subcommand(1);
  app->fallthrough();
  app->set_version_flag("--version", BULWARK_VERSION);
  app->footer(footer);
  app->get_formatter()->column_width(26);
  add_common(*app, into);
  add_readers(*app, into);
  add_changers(*app, into);
  add_config(*app, into);
  auto* command = add(*app, "completion", "a script for a shell, to be sourced", into, completion);
  command->add_option("SHELL", into.shell, "whose")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh"}));
  add(*app, "man", "this help as a man page, for man -l", into, manual);
  // What the scripts of completion ask; of no use to people.
  command = add(*app, "complete", "", into, complete)->group("");
  command->add_option("WORD", into.words, "");
  return app;
}

void complete_connection(options& of) {
  if (of.where.operator_name.empty()) {
    const auto* user = ::getpwuid(::geteuid());
    of.where.operator_name = user == nullptr ? std::to_string(::geteuid()) : user->pw_name;
  }
  const auto is_printable = [](char c) { return c > 0x20 && c < 0x7f; };
  const auto is_in_name = [](char c) { return c >= 0x20 && c < 0x7f; };
  auto& name = of.where.operator_name;
  if (name.size() > 64 || !std::all_of(name.begin(), name.end(), is_in_name))
    throw failure{wrong_usage, "--operator: must be 1 .. 64 printable characters of ASCII"};
  if (const auto* token = std::getenv("BULWARK_TOKEN"); of.token_file.empty() && token != nullptr)
    of.where.token = token;
  auto& token = of.where.token;
  // One line; a token is no longer than that.
  if (std::ifstream file{of.token_file}; !of.token_file.empty())
    std::getline(file, token);
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r' || token.back() == ' '))
    token.pop_back();
  if (token.empty() && !of.token_file.empty())
    throw failure{wrong_usage,
                  fmt::format("--token-file {}: can't be read, or its first line is empty",
                              safe(of.token_file))};
  if (token.size() > 4096 || !std::all_of(token.begin(), token.end(), is_printable))
    throw failure{wrong_usage, "the token must be of printable characters, without spaces"};
  of.where.timeout = std::chrono::milliseconds{static_cast<long long>(of.timeout * 1000)};
}

} // namespace bulwarkctl
