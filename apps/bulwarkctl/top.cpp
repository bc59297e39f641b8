#include "bulwarkctl/commands.hpp"
#include "bulwarkctl/poller.hpp"
#include "bulwarkctl/terminal.hpp"
#include "bulwarkctl/text.hpp"
#include "bulwarkctl/top_view.hpp"

#include <csignal>
#include <cstdlib>
#include <optional>
#include <string_view>

namespace bulwarkctl {

namespace {

// As no-color.org has it: any value but an empty one refuses them.
bool colours_are_wanted() {
  const auto* refused_by = std::getenv("NO_COLOR");
  const auto* kind = std::getenv("TERM");
  return (refused_by == nullptr || *refused_by == '\0') && kind != nullptr
         && std::string_view{kind} != "dumb";
}

// The number of the signal that ended it, 0: a key did.
int run(terminal& screen, top_view& view, poller& looks) {
  while (true) {
    const auto size = screen.current_size();
    screen.draw(view.frame(size.columns, size.rows));
    switch (screen.wait(-1, looks.descriptor())) {
    case terminal::wake::key:
      if (!view.press(screen.key()))
        return 0;
      break;
    case terminal::wake::told:
      if (auto seen = looks.take())
        view.take(std::move(*seen));
      break;
    case terminal::wake::ended:
      return screen.signal();
    case terminal::wake::resized:
    case terminal::wake::timeout:
      break;
    }
  }
}

int run(const options& wanted, look first) {
  top_view view{wanted.where.url, wanted.sort, colours_are_wanted()};
  view.take(std::move(first));
  std::optional<terminal> screen{std::in_place};
  poller looks{wanted.where,
               std::chrono::milliseconds{static_cast<long long>(wanted.interval * 1000)}};
  const auto number = run(*screen, view, looks);
  // Before the poller ends: nothing can interrupt a connection that it waits for.
  screen.reset();
  return number;
}

} // namespace

void top(const options& wanted) {
  if (wanted.as_json)
    throw failure{wrong_usage, "top has no JSON; stats --watch --json has"};
  // What can't be had at all is said on the terminal as it is.
  look first{.document = api{wanted.where}.get("/api/v1/guards"),
             .time = std::chrono::steady_clock::now(),
             .trouble = {}};
  const auto number = run(wanted, std::move(first));
  // Interrupted is how one leaves it, too; other signals are meant for the process.
  if (number == 0 || number == SIGINT)
    return;
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, number);
  std::signal(number, SIG_DFL);
  std::raise(number);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

} // namespace bulwarkctl
