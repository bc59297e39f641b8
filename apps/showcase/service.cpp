#include "http/load.hpp"
#include "showcase/scenes.hpp"
#include "showcase/service_process.hpp"

#include <chrono>

namespace showcase {

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

// The real thing: sockets, another process, and everything that can go wrong with it.
class service_play {
public:
  explicit service_play(stage& on) : on_(on) {
    sockets_ = on.node().bulkhead("sockets", {.max_workers = 4, .queue_size = 8});
    const auto server = on.system().spawn(apps::http_target, service_.url(), sockets_, patience);
    guard_ = on.keep(on.node().guard(
        "api", server,
        {.deadline = 3s,
         .attempt_timeout = patience,
         .retry = retry_policy{.max_attempts = 3, .base_delay = 20ms, .max_delay = 100ms},
         .breaker = circuit_breaker_policy{.failure_threshold = 5, .open_for = 400ms}}));
    on.say("flaky_service is process " + std::to_string(service_.id()) + ", " + service_.url());
  }

  void is_well() {
    const auto report = load(400, 8);
    on_.claim(report.count("HTTP 200") == 400, "well: every call is answered");
  }

  void knows_nobody() {
    service_.order({{"error_share", 1}, {"error_status", 404}});
    const auto before = service_.requests();
    const auto report = load(20, 4);
    on_.claim(report.count("HTTP 404") == 20 && service_.requests() == before + 20,
              "404 is an answer: unchanged, not tried again, and no failure");
    service_.order({{"error_share", 0}, {"error_status", 503}});
  }

  void is_slow() {
    service_.order({{"delay_ms", 60}});
    const auto report = load(60, 24);
    on_.claim(report.count("bulkhead_full") > 0 && report.answered > 0,
              "slow: 4 sockets and 8 places to wait, the rest is refused at once");
    on_.claim(breaker().state == circuit_state::closed, "slow is no failure: still closed");
    service_.order({{"delay_ms", 0}});
  }

  void stumbles() {
    service_.order({{"fail_next", 4}});
    const auto before = service_.requests();
    const auto report = load(40, 4);
    on_.claim(report.count("HTTP 200") == 40 && service_.requests() == before + 44,
              "four 503 among 40 calls: tried again, and no caller saw them");
  }

  void fails() {
    service_.order({{"error_share", 1}});
    const auto before = service_.requests();
    const auto report = load(200, 4);
    on_.await("api", circuit_state::open);
    const auto asked = service_.requests() - before;
    on_.claim(report.count("circuit_open") > 150 && asked < 50,
              "failing: of 200 calls it saw " + std::to_string(asked) + " attempts");
    service_.order({{"error_share", 0}});
    recovers();
  }

  void hangs() {
    service_.order({{"hang_share", 1}});
    load(20, 4);
    on_.await("api", circuit_state::open);
    const auto stats = on_.ask<bulkhead_stats>(sockets_, get_stats_atom_v).value();
    on_.claim(stats.timed_out > 0 && stats.active <= stats.max_workers,
              "hanging: attempts are given up after " + bulwark::to_text(patience));
    service_.order({{"hang_share", 0}});
    recovers();
  }

  void dies() {
    service_.order({{"delay_ms", 20}});
    const auto before = service_.requests();
    auto under_way = start(200, 8);
    while (service_.requests() < before + 20) // so that it dies in the midst of them
      under_way.wait_for(5ms);
    on_.say("SIGKILL");
    service_.kill();
    const auto report = finish(under_way);
    on_.await("api", circuit_state::open);
    on_.claim(report.calls == 200 && report.answered < 200,
              "killed under load: 200 calls, 200 answers, errors from then on");
    service_.restart();
    on_.say("back, as process " + std::to_string(service_.id()) + ", on the same port");
    recovers();
    is_well();
  }

private:
  static constexpr timespan patience = 500ms;

  stage& on_;
  service_process service_{flaky_service_beside_us()};
  caf::actor sockets_;
  apps::http_actor guard_;

  std::future<apps::load_report> start(std::uint64_t requests, std::uint32_t concurrency) {
    const auto path = [](std::uint64_t n) {
      static constexpr std::array kinds{"/users/", "/orders/", "/profile/"};
      return kinds[n % kinds.size()] + std::to_string(n);
    };
    return apps::start_load(on_.system(), guard_, {path, requests, concurrency});
  }

  apps::load_report finish(std::future<apps::load_report>& under_way) {
    auto report = under_way.get();
    on_.say(std::to_string(report.calls) + " calls: " + to_text(report.outcomes));
    if (report.latency.count() > 0)
      on_.say("  p50 " + bulwark::to_text(report.latency.quantile(0.5)) + ", p99 "
              + bulwark::to_text(report.latency.quantile(0.99)));
    return report;
  }

  apps::load_report load(std::uint64_t requests, std::uint32_t concurrency) {
    auto under_way = start(requests, concurrency);
    return finish(under_way);
  }

  circuit_breaker_stats breaker() {
    return on_.ask<node_stats>(on_.node().registry(), get_atom_v, std::string{"api"})
        ->circuit_breakers.at(0);
  }

  void recovers() {
    on_.await_at_last("api", circuit_state::half_open);
    const auto report = load(5, 1);
    on_.await("api", circuit_state::closed);
    on_.claim(report.count("HTTP 200") == 5, "the probes find it well: closed again");
  }
};

} // namespace

void service_scene(stage& on) {
  service_play play{on};
  play.is_well();
  play.knows_nobody();
  play.is_slow();
  play.stumbles();
  play.fails();
  play.hangs();
  play.dies();
}

} // namespace showcase
