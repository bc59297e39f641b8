// What it costs to be watched.
#include "apps/admin_fixture.hpp"
#include "support/catch.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <thread>

using namespace bulwark_tests;
using nlohmann::json;

namespace {

// Of this process, so far.
double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& x) {
    return static_cast<double>(x.tv_sec) + static_cast<double>(x.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

} // namespace

// Of a second in which nobody asks: CAF's workers look for work all the same.
double idle_second() {
  const auto before = cpu_seconds();
  // sleeps: what a second without a request takes is what is measured
  std::this_thread::sleep_for(std::chrono::seconds{1});
  return cpu_seconds() - before;
}

TEST_CASE("a thousand guards are watched for little [W25]") {
  constexpr auto guards = 1'000;
  admin_fixture it;
  for (int i = 0; i < guards; ++i)
    it.guard("guard-" + std::to_string(i),
             {.bulkhead = bulwark::bulkhead_policy{.max_workers = 10, .queue_size = 10}});
  it.serve();
  const auto idle = std::min({idle_second(), idle_second(), idle_second()});
  std::cout << "nobody watches: " << 1e3 * idle << " ms of a core each second\n";
  raw_connection dashboard{it.port()};
  dashboard.send("GET /api/v1/events?samples=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  dashboard.read_until("event: sample\n");
  dashboard.read_until("\n\n");
  // The dashboard is idle, then each guard has had calls at each sample.
  for (const auto busy : {false, true}) {
    auto watching = 0.0;
    constexpr auto samples = 5;
    for (int i = 0; i < samples; ++i) {
      if (busy)
        for (const auto& [name, guard] : it.guards)
          for (int n = 0; n < 5; ++n)
            it.sys.ask(guard, ask_atom_v, 1);
      const auto before = cpu_seconds();
      dashboard.read_until("event: sample\n");
      const auto frame = dashboard.read_until("\n\n");
      watching += cpu_seconds() - before;
    }
    std::cout << "watching " << guards << (busy ? " busy" : " idle")
              << " guards once a second: " << 1e3 * watching / samples << " ms of a core\n";
    CHECK(watching / samples - idle < 0.25); // of a build without optimisation
  }
}
