#include "simulation/shrink.hpp"
#include "simulation/world.hpp"

#include <CLI/CLI.hpp>

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>

/// @file ./dev simulate: worlds, one seed after another, until one shows a fault or there have been enough.

using namespace bulwark_simulation;

namespace {

struct totals {
  std::uint64_t seeds = 0;
  double hours = 0; // that were simulated
  std::uint64_t events = 0;
  std::uint64_t calls = 0;
  std::uint64_t attempts = 0;
  std::uint64_t messages = 0;
  std::uint64_t transitions = 0;
  std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();

  void add(const outcome& of) {
    ++seeds;
    hours += static_cast<double>(of.simulated) / 3.6e12;
    events += of.events;
    calls += of.calls;
    attempts += of.attempts;
    messages += of.messages;
    transitions += of.transitions;
  }
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  }
  void print(std::FILE* to, char end) const {
    fmt::print(
        to,
        "{} seeds, {:.1f} hours, {} events ({:.2f} million a second), {} calls, {} attempts, "
        "{} messages between nodes, {} transitions{}",
        seeds, hours, events, static_cast<double>(events) / 1e6 / seconds(), calls, attempts,
        messages, transitions, end);
    std::fflush(to);
  }
};

std::string features_of(const plan& of) {
  std::string result;
  for (unsigned i = 0; i < static_cast<unsigned>(feature::count_); ++i)
    if (const auto which = static_cast<feature>(i); of.has(which))
      result += (result.empty() ? "" : ", ") + to_string(which);
  return result.empty() ? "none" : result;
}

/// What happened, as short as it can be made.
void explain(const plan& failing, const outcome& seen) {
  fmt::print("\nseed {} after {}: {}: {}\n", failing.seed, to_text(timespan{seen.when}), seen.wrong,
             seen.detail);
  fmt::print("looking for a shorter history...\n");
  std::fflush(stdout);
  const auto shortest =
      shrink(failing, [&](const plan& each) { return world{each}.run().wrong == seen.wrong; });
  const auto short_one = world{shortest, true}.run();
  fmt::print("{} of {} actions are enough, with {} nodes of {} guards; features: {}\n\n",
             shortest.actions.size(), failing.actions.size(), shortest.nodes, shortest.guards,
             features_of(shortest));
  for (const auto& line : short_one.timeline)
    fmt::print("{}\n", line);
  fmt::print("\n{}: {}\nagain: ./dev simulate --seed {} --seeds 1\n", short_one.wrong,
             short_one.detail, failing.seed);
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app{"Simulates nodes with everything that goes wrong, and checks what must hold."};
  std::uint64_t seed = 1;
  std::uint64_t seeds = 0;
  double hours = 0;
  auto timeline = false;
  app.add_option("--seed", seed, "the first seed")->capture_default_str();
  app.add_option("--seeds", seeds, "how many; 0: as many as --hours takes, or 10000");
  app.add_option("--hours", hours, "of simulated time, over all seeds")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--timeline", timeline, "print what happens");
  CLI11_PARSE(app, argc, argv);
  if (seeds == 0 && hours == 0)
    seeds = 10'000;

  totals sum;
  const auto on_terminal = ::isatty(STDERR_FILENO) == 1;
  auto next_word = 2.0;
  while ((seeds == 0 || sum.seeds < seeds) && (hours == 0 || sum.hours < hours)) {
    const auto with = make_plan(seed + sum.seeds);
    const auto came = world{with, timeline}.run();
    for (const auto& line : came.timeline)
      fmt::print("{}\n", line);
    sum.add(came);
    if (!came.wrong.empty()) {
      explain(with, came);
      return 1;
    }
    if (sum.seconds() >= next_word) {
      sum.print(stderr, on_terminal ? '\r' : '\n');
      next_word = sum.seconds() + (on_terminal ? 2 : 60);
    }
  }
  sum.print(stdout, '\n');
  return 0;
}
