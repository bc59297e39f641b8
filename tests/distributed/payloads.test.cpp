// Large payloads and a steady stream of small calls over one connection.
#include "support/catch.hpp"
#include "support/networked_system.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iostream>
#include <mutex>
#include <thread>
#include <vector>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

using clock = std::chrono::steady_clock;

bool long_tests() {
  return std::getenv("BULWARK_LONG_TESTS") != nullptr;
}

// Resident memory of this process, in KiB.
std::size_t memory() {
  std::size_t total = 0;
  std::size_t resident = 0;
  std::ifstream{"/proc/self/statm"} >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / 1'024;
}

// Sends on time, whatever becomes of what was sent before (an open loop), and takes down how long
// after it was due each answer came.
class stream : public caf::event_based_actor {
public:
  struct result {
    std::mutex mutex;
    std::vector<clock::duration> latencies;
    std::size_t failed = 0;
  };

  stream(caf::actor_config& config, caf::actor to, std::shared_ptr<result> log)
      : caf::event_based_actor(config), to_(std::move(to)), log_(std::move(log)) {}

protected:
  caf::behavior make_behavior() override {
    return {[this](ask_atom, std::int64_t due) {
              const clock::time_point when{clock::duration{due}};
              compat::request(this, to_, ask_atom_v, std::int32_t{21})
                  .then([this, when](std::int32_t) { note(when, true); },
                        [this, when](const caf::error&) { note(when, false); });
            },
            [this](die_atom) { quit(); }};
  }

private:
  caf::actor to_;
  std::shared_ptr<result> log_;

  void note(clock::time_point due, bool good) {
    std::lock_guard guard{log_->mutex};
    log_->latencies.push_back(clock::now() - due);
    log_->failed += good ? 0U : 1U;
  }
};

struct fixture {
  networked_system there;
  bulwark::node their_node{*there};
  caf::actor guard = their_node.guard("db", there->spawn(doubling_target), {});
  std::uint16_t port = publish(their_node, 0);
  networked_system here;
  bulwark::node node{*here};
  remote_node remote = connect(node, "127.0.0.1", port);

  fixture() { REQUIRE(remote.wait_until_connected(60s)); }
};

double milliseconds(clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

} // namespace

TEST_CASE(
    "a megabyte each way beside thousands of small calls a second leaves no growth and no hole "
    "in the small ones [D55]",
    "[distributed]") {
  fixture f;
  auto small = f.remote.guard("db", {.deadline = 1min});
  networked_system* const here = &f.here;
  const auto run = [&](clock::duration length, int per_second, int large_per_second) {
    auto log = std::make_shared<stream::result>();
    auto sender = (*here)->spawn<stream>(small, log);
    std::deque<reply_ptr> large;
    const std::string megabyte(1'000'000, 'x');
    const auto begin = clock::now();
    const auto calls = static_cast<int>(std::chrono::duration<double>(length).count() * per_second);
    for (int i = 0; i < calls; ++i) {
      const auto due = begin + i * (1'000'000'000ns / per_second);
      // sleeps: the pace is what is tested
      std::this_thread::sleep_until(due);
      compat::tell(caf::actor_cast<caf::strong_actor_ptr>(sender), ask_atom_v,
                   std::int64_t{due.time_since_epoch().count()});
      if (large_per_second > 0 && i % (per_second / large_per_second) == 0)
        large.push_back(here->send(small, payload{megabyte}));
      if (!large.empty() && large.front()->count() > 0) {
        CHECK(large.front()->as<payload>().text.size() == megabyte.size());
        large.pop_front();
      }
    }
    for (const auto& each : large) {
      each->wait();
      CHECK(each->as<payload>().text.size() == megabyte.size());
    }
    while (true) { // each answer is an event
      here->get<guard_stats>(small, get_stats_atom_v);
      std::lock_guard guard{log->mutex};
      if (log->latencies.size() == static_cast<std::size_t>(calls))
        break;
    }
    here->kill(sender);
    CHECK(log->failed == 0);
    std::sort(log->latencies.begin(), log->latencies.end());
    const auto p99 = log->latencies[log->latencies.size() * 99 / 100];
    if (long_tests())
      std::cout << per_second << " small calls/s, " << large_per_second << " MB/s each way: p50 "
                << milliseconds(log->latencies[log->latencies.size() / 2]) << " ms, p99 "
                << milliseconds(p99) << " ms, longest " << milliseconds(log->latencies.back())
                << " ms, " << memory() << " KiB" << std::endl;
    return p99;
  };
  const auto length = long_tests() ? 10s : 1s;
  run(length, 10'000, 0);
  run(length, 10'000, 20);
  const auto warm = memory();
  const auto p99 = run(2 * length, 10'000, 20);
  CHECK(memory() < warm + 64 * 1'024);
  CHECK(p99 < 500ms); // 50 ms on a machine of one's own: see docs/distributed.md
  if (!long_tests())
    return;
  for (const auto large : {50, 100, 200})
    run(length, 10'000, large);
}
