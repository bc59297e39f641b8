#include "showcase/database.hpp"
#include "showcase/scenes.hpp"

#include <stdexcept>
#include <thread>

namespace showcase {

using namespace bulwark;
using namespace std::chrono_literals;

void bulkhead_scene(stage& on) {
  const auto feels = std::make_shared<mood>();
  const auto db = caf::actor_cast<caf::actor>(on.system().spawn(database, feels));
  const auto pool = on.node().bulkhead("pool", {.max_workers = 2, .queue_size = 3});
  on.claim(on.ask<std::uint32_t>(pool, available_capacity_atom_v).value() == 2,
           "2 may run at once");

  feels->delay_ms = 100;
  const auto before = on.now();
  const auto outcomes = on.ask_at_once(8, pool, call_atom_v, db, caf::make_message(read_atom_v, 1));
  const auto took = on.now() - before;
  on.say("8 calls of 100ms at once: " + to_text(outcomes) + " in " + bulwark::to_text(took));
  on.claim(outcomes.at("ok") == 5 && outcomes.at("bulkhead_full") == 3,
           "2 run, 3 wait, 3 are refused at once");
  on.claim(took >= 300ms, "2 at a time, 5 take three turns");
  on.claim(feels->asked == 5, "the database never heard of those that were refused");

  const auto stats = on.ask<bulkhead_stats>(pool, get_stats_atom_v).value();
  on.claim(stats.active == 0 && stats.completed == 5 && stats.rejected == 3,
           "all permits are back, and all is counted");
}

namespace {

std::uint64_t count_primes(std::uint32_t below) {
  std::uint64_t result = 0;
  for (std::uint32_t n = 2; n < below; ++n) {
    auto is_prime = true;
    for (std::uint32_t d = 2; is_prime && d * d <= n; ++d)
      is_prime = n % d != 0;
    result += is_prime ? 1 : 0;
  }
  return result;
}

} // namespace

void functions_scene(stage& on) {
  const auto threads = on.node().bulkhead("threads", {.max_workers = 2, .queue_size = 10});

  const auto primes =
      on.ask<std::uint64_t>(threads, execute_atom_v, make_work(count_primes, 100'000U));
  on.say("primes below 100000: " + to_text(primes));
  on.claim(primes.has_value() && *primes == 9592,
           "a function's result is the answer, and no worker of CAF's computed it");

  const auto thrown =
      on.ask(threads, execute_atom_v,
             make_work([]() -> std::string { throw std::runtime_error{"out of paper"}; }));
  on.say("a function that throws: " + to_text(thrown));
  on.claim(!thrown && thrown.error() == caf::sec::runtime_error, "what it throws is an error");

  const auto sleep = make_work([]() -> std::string {
    std::this_thread::sleep_for(200ms);
    return "at last";
  });
  const auto late = on.ask(threads, execute_atom_v, sleep, timespan{50ms});
  on.say("a function that takes 200ms, bounded by 50ms: " + to_text(late));
  const auto stats = on.ask<bulkhead_stats>(threads, get_stats_atom_v).value();
  on.claim(is(late, errc::timed_out) && stats.abandoned == 1 && stats.active == 1,
           "nobody waits for it, but it keeps its worker until it returns");

  const auto before = on.now();
  on.tell(threads, shutdown_atom_v, true);
  on.say("shutdown, true: done after " + bulwark::to_text(on.now() - before));
  on.claim(on.now() - before > 50ms, "it waited for what still ran");
}

} // namespace showcase
