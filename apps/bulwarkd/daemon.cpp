#include "bulwarkd/daemon.hpp"

#include "bulwarkd/command_line.hpp"
#include "bulwarkd/handshake_watch.hpp"
#include "bulwarkd/log.hpp"
#include "bulwarkd/operations.hpp"
#include "bulwarkd/settings_text.hpp"
#include "bulwarkd/tls.hpp"

#include <caf/io/middleman.hpp>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <optional>
#include <string>
#include <thread>

namespace bulwarkd {

namespace {

struct node_config : caf::actor_system_config {
  node_config() {
    load<caf::io::middleman>();
    set("caf.logger.console.verbosity", "quiet");
    // A peer that falls silent is known as lost after 5 s; CAF's own defaults are 10 s and 30 s.
    set("caf.middleman.heartbeat-interval", caf::timespan{std::chrono::seconds{1}});
    set("caf.middleman.connection-timeout", caf::timespan{std::chrono::seconds{5}});
    // A worker that has run out of work looks for more for 2.5 ms before it sleeps, not for 25: else
    // each second's one look at the statistics costs more than all that it reads.
    set("caf.work-stealing.moderate-poll-attempts", 50);
  }
};

sigset_t set_of(std::initializer_list<int> signals) {
  sigset_t result;
  ::sigemptyset(&result);
  for (const auto each : signals)
    ::sigaddset(&result, each);
  return result;
}

sigset_t signals_that_end() {
  return set_of({SIGTERM, SIGINT});
}

sigset_t signals_that_are_awaited() {
  return set_of({SIGTERM, SIGINT, SIGHUP});
}

// For all threads that are started from now on: signals are waited for, not handled.
void block_signals() {
  const auto signals = signals_that_are_awaited();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN); // a log that nobody reads is no reason to end
}

std::string name_of(int signal) {
  return std::string{"SIG"} + ::sigabbrev_np(signal);
}

int wait_for_signal() {
  const auto signals = signals_that_are_awaited();
  int result = 0;
  while (::sigwait(&signals, &result) != 0)
    continue;
  return result;
}

// 0: none came in time.
int wait_for_end(bulwark::timespan longest) {
  const auto signals = signals_that_end();
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(longest);
  const timespec wait{.tv_sec = whole.count(), .tv_nsec = (longest - whole).count()};
  int signal = 0;
  do
    signal = ::sigtimedwait(&signals, nullptr, &wait);
  while (signal < 0 && errno == EINTR);
  return std::max(signal, 0);
}

// In a thread of its own beside the orderly end: a second signal ends the process at once, and so
// does an end that takes too long, for a peer that reads nothing can hold up CAF.
void watch_the_end(int first, bulwark::timespan longest) {
  constexpr bulwark::timespan sent_twice = std::chrono::milliseconds{500}; // as timeout(1) does
  auto signal = wait_for_end(sent_twice);
  if (signal == 0 || signal == first)
    signal = wait_for_end(longest);
  if (signal > 0)
    log_error("{}: the second, ends at once", name_of(signal));
  else
    log_error("has not ended in time, ends at once");
  ::_exit(failed);
}

int complain(const mistakes& wrong) {
  for (const auto& each : wrong)
    log_error("{}", each);
  log_error("{} mistake{} in the settings: nothing is started", wrong.size(),
            wrong.size() == 1 ? "" : "s");
  return wrong_settings;
}

void serve(operations& node) {
  auto signal = wait_for_signal();
  for (; signal == SIGHUP; signal = wait_for_signal())
    node.reload("SIGHUP");
  constexpr auto grace = std::chrono::seconds{10}; // for CAF to send what it has
  const auto longest = node.begin_to_end();
  std::thread{watch_the_end, signal, longest + grace}.detach();
  log_info("{}: takes no new calls, finishes those in progress within {}", name_of(signal),
           bulwark::to_text(longest));
  if (node.drain())
    log_info("all calls have finished");
  else
    log_warning("drain-timeout is over: calls that were still in progress were answered with "
                "shutting_down");
}

// What is said without a node.
std::optional<std::string> text_to_say(const command_line& line) {
  if (line.help)
    return help_text();
  if (line.version)
    return "bulwarkd " BULWARK_VERSION "\n";
  return line.reference ? std::optional{reference()} : std::nullopt;
}

void add(mistakes& to, const mistakes& more) {
  to.insert(to.end(), more.begin(), more.end());
}

// What files that settings name have to hold.
token_reading read_files(const configuration& told) {
  token_reading result;
  if (told.tls)
    add(result.wrong, find_tls_mistakes(*told.tls));
  if (told.admin && !told.admin->token_file.empty()) {
    auto found = read_token(told.admin->token_file);
    result.token = std::move(found.token);
    add(result.wrong, found.wrong);
  }
  return result;
}

} // namespace

int run(int argc, const char* const* argv, const target_table& targets) {
  block_signals();
  caf::init_global_meta_objects<caf::id_block::bulwark>();
  caf::io::middleman::init_global_meta_objects();
  caf::core::init_global_meta_objects();
  auto line = parse_command_line(argc, argv);
  if (const auto text = text_to_say(line)) {
    std::fputs(text->c_str(), stdout);
    return ended_as_told;
  }
  auto [told, of_settings] = read_configuration(line.settings, targets);
  auto wrong = line.wrong;
  add(wrong, of_settings);
  const auto files = read_files(told);
  add(wrong, files.wrong);
  node_config config;
  add(wrong, apply_to(config, line.settings));
  if (!wrong.empty())
    return complain(wrong);
  if (line.check)
    return ended_as_told;
  log_info("bulwarkd {} '{}', process {}, CAF {}", BULWARK_VERSION, told.name, ::getpid(),
           bulwark::compat::caf_version());
  try {
    watch_handshakes();
    if (told.tls)
      load_tls(config, *told.tls);
    caf::actor_system system{config};
    operations node{system,        told,
                    line.settings, [argc, argv] { return parse_command_line(argc, argv); },
                    targets,       files.token};
    serve(node);
  } catch (const std::exception& error) {
    log_error("{}", error.what());
    return failed;
  }
  log_info("ended");
  return ended_as_told;
}

} // namespace bulwarkd
