// What it costs to be watched.
#include "apps/admin_fixture.hpp"
#include "apps/daemon_process.hpp"
#include "support/catch.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
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

// Of a second in which nobody asks: CAF's workers look for work all the same.
double idle_second() {
  const auto before = cpu_seconds();
  // sleeps: what a second without a request takes is what is measured
  std::this_thread::sleep_for(std::chrono::seconds{1});
  return cpu_seconds() - before;
}

// How often threads of a process have slept and were woken, so far.
long wake_ups(pid_t process) {
  long result = 0;
  for (const auto& thread :
       std::filesystem::directory_iterator{"/proc/" + std::to_string(process) + "/task"}) {
    std::ifstream status{thread.path() / "status"};
    for (std::string word; status >> word;)
      if (long count = 0; word == "voluntary_ctxt_switches:" && status >> count)
        result += count;
  }
  return result;
}

} // namespace

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

TEST_CASE("who watches a daemon that has nothing to do seldom wakes it [W25]") {
  daemon_process daemon{
      {"--admin.port=0", "--guards.db.target=echo", "--caf.scheduler.max-threads=4"}};
  const auto line = daemon.first_line_with("admin port: ");
  raw_connection dashboard{
      static_cast<std::uint16_t>(std::stoi(line.substr(line.find("http://127.0.0.1:") + 17)))};
  dashboard.send("GET /api/v1/events?samples=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  dashboard.read_until("event: sample\n");
  dashboard.read_until("event: sample\n");
  const auto before = wake_ups(daemon.id());
  constexpr auto seconds = 3;
  for (int i = 0; i < seconds; ++i)
    dashboard.read_until("event: sample\n");
  const auto often = (wake_ups(daemon.id()) - before) / seconds;
  std::cout << often << " times a second\n";
  // 400 are CAF's four workers, which sleep for 10 ms; to look for work as long as they do by
  // themselves adds 500.
  CHECK(often < 700);
}
