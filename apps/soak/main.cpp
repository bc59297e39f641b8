// ./dev soak: a node, and another process, under mixed load with faults for a long time. Memory,
// descriptors and latency have to stay level, the books to balance, and every call to be answered,
// once.

#include "soak/faults.hpp"
#include "soak/load.hpp"
#include "soak/peer.hpp"
#include "soak/picture.hpp"
#include "soak/sample.hpp"
#include "soak/types.hpp"

#include "report/books.hpp"

#include <caf/io/middleman.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <optional>
#include <thread>

using namespace std::chrono_literals;

namespace {

using clock_type = std::chrono::steady_clock;

struct options {
  double minutes = 30;
  std::uint32_t interval = 5;
  std::uint32_t rate = 5000;
  std::uint32_t kill_every = 60;
  std::uint64_t seed = 1;
  std::string svg;
};

// Times and memory say nothing in a run that is shorter.
constexpr double shortest_judged = 10;

struct config : caf::actor_system_config {
  config() {
    caf::init_global_meta_objects<caf::id_block::soak>();
    caf::init_global_meta_objects<caf::id_block::bulwark>();
    caf::io::middleman::init_global_meta_objects();
    caf::core::init_global_meta_objects();
    load<caf::io::middleman>();
    set("caf.logger.console.verbosity", "quiet");
  }
};

double seconds_since(clock_type::time_point begin) {
  return std::chrono::duration<double>{clock_type::now() - begin}.count();
}

/// What the run has shown so far.
struct course {
  std::vector<soak::sample> samples;
  std::vector<std::string> imbalances;
};

void take_sample(course& run, bulwark::node& node, soak::load& work, clock_type::time_point begin,
                 std::uint64_t& answered) {
  const auto before = run.samples.empty() ? 0 : run.samples.back().seconds;
  soak::sample now{.seconds = seconds_since(begin), .used = soak::resources_now()};
  const auto all = work.books().answered();
  now.calls_per_second =
      static_cast<double>(all - std::exchange(answered, all)) / (now.seconds - before);
  const auto latency = work.books().take_latency();
  now.p50 = latency.quantile(0.5);
  now.p99 = latency.quantile(0.99);
  for (auto& each : apps::find_imbalances(apps::read_books(node), false))
    run.imbalances.push_back(fmt::format("after {:.0f} s: {}", now.seconds, each));
  run.samples.push_back(now);
}

void print_progress(const course& run, const soak::faults& all, const options& wishes) {
  const auto& now = run.samples.back();
  fmt::print(stderr,
             "soak: {:.0f} of {:.0f} s: {:.2f} MiB, {} descriptors, {} threads, p50 {}, p99 {}, "
             "{:.0f} answers/s, {} faults, {} kills, {} imbalances\n",
             now.seconds, wishes.minutes * 60, static_cast<double>(now.used.memory) / 1024,
             now.used.descriptors, now.used.threads, bulwark::to_text(now.p50),
             bulwark::to_text(now.p99), now.calls_per_second, all.count(), all.kills(),
             run.imbalances.size());
}

// The load with its faults, and after it the node at rest.
// Longer than 40 lines: it is the order of things.
std::vector<soak::finding> soak_node(caf::actor_system& system, const options& wishes,
                                     course& run) {
  const auto idle = soak::resources_now();
  std::vector<soak::finding> found;
  {
    soak::peer_process peer;
    bulwark::node node{system, "soak"};
    auto remote = std::optional{bulwark::connect(node, "127.0.0.1", peer.port())};
    if (!remote->wait_until_connected(30s))
      throw std::runtime_error{"the other process can't be reached"};
    soak::load work{node, *remote, wishes.rate, wishes.seed};
    {
      soak::faults all{node, work, peer, std::chrono::seconds{wishes.kill_every}, wishes.seed};
      const auto begin = clock_type::now();
      std::uint64_t answered = 0;
      for (auto next = begin; seconds_since(begin) < wishes.minutes * 60;) {
        next += std::chrono::seconds{wishes.interval};
        std::this_thread::sleep_until(next);
        take_sample(run, node, work, begin, answered);
        print_progress(run, all, wishes);
      }
      found.push_back({all.told() > 0, fmt::format("listeners were told {} events of {} faults "
                                                   "and {} kills",
                                                   all.told(), all.count(), all.kills())});
    }
    const auto& books = work.books();
    const auto all_answered = work.stop(30s);
    found.push_back({all_answered && books.strays() == 0,
                     fmt::format("every call answered once: {} answers, {} of them errors, {} "
                                 "calls of callers that vanished, {} without an answer, {} "
                                 "answers too many",
                                 books.answered(), books.errors(), books.forgotten(),
                                 books.waiting(), books.strays())});
    const auto at_rest = apps::read_books_at_rest(node, 30s);
    fmt::print("{}", apps::to_table(at_rest));
    for (auto& each : apps::find_imbalances(at_rest, true))
      run.imbalances.push_back("at rest: " + each);
    found.push_back({run.imbalances.empty(),
                     fmt::format("books balanced: {} looks, {} imbalances{}", run.samples.size(),
                                 run.imbalances.size(),
                                 run.imbalances.empty() ? "" : ", first " + run.imbalances[0])});
  }
  auto end = soak::resources_now();
  for (auto patience = 100; patience > 0 && end.descriptors > idle.descriptors; --patience) {
    std::this_thread::sleep_for(50ms);
    end = soak::resources_now();
  }
  found.push_back(
      {end.descriptors <= idle.descriptors,
       fmt::format("descriptors before and after all: {}, {}", idle.descriptors, end.descriptors)});
  return found;
}

int run(const options& wishes) {
  config settings;
  course all;
  // Its memory is to be there from the beginning: what grows is looked for.
  all.samples.resize(static_cast<std::size_t>(wishes.minutes * 60 / wishes.interval) + 2);
  all.samples.clear();
  std::vector<soak::finding> found;
  {
    caf::actor_system system{settings};
    found = soak_node(system, wishes, all);
  }
  if (wishes.minutes >= shortest_judged)
    for (auto& each : soak::judge(all.samples))
      found.push_back(std::move(each));
  if (!wishes.svg.empty())
    soak::draw(wishes.svg, all.samples);
  auto good = true;
  for (const auto& each : found) {
    fmt::print("{} {}\n", each.holds ? "holds: " : "BROKEN:", each.what);
    good = good && each.holds;
  }
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app{"bulwark under mixed load with faults: does it stay level?"};
  options wishes;
  std::optional<std::uint16_t> peer_at;
  app.add_option("--minutes", wishes.minutes,
                 "how long; from 10 on memory, descriptors and p99 are judged too")
      ->check(CLI::Range(0.05, 100'000.0))
      ->capture_default_str();
  app.add_option("--interval", wishes.interval, "seconds between two looks")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  app.add_option("--rate", wishes.rate, "steady calls a second; the others are half as many")
      ->check(CLI::Range(100, 1'000'000))
      ->capture_default_str();
  app.add_option("--kill-every", wishes.kill_every,
                 "seconds between two kills of the other process")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  app.add_option("--seed", wishes.seed, "of all chance")->capture_default_str();
  app.add_option("--svg", wishes.svg, "also draw the run into this file");
  app.add_option("--peer", peer_at)->group(""); // the other process, at this port
  CLI11_PARSE(app, argc, argv);
  try {
    if (!peer_at)
      return run(wishes);
    config settings;
    caf::actor_system system{settings};
    return soak::run_peer(system, *peer_at);
  } catch (const std::exception& why) {
    fmt::print(stderr, "soak: {}\n", why.what());
    return EXIT_FAILURE;
  }
}
