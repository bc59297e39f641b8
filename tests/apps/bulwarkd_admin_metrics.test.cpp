// What Prometheus gets, read by Prometheus.
#include "apps/admin_fixture.hpp"
#include "bulwarkd/admin/listening_socket.hpp"
#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "support/temporary_folder.hpp"

#include <caf/io/middleman.hpp>

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <thread>

using namespace bulwark_tests;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

const std::string promtool = PROMTOOL;
const std::string prometheus = PROMETHEUS;
const std::string observability = OBSERVABILITY;

// Debian has it; elsewhere somebody may not.
bool has_prometheus() {
  if (std::filesystem::exists(promtool) && std::filesystem::exists(prometheus))
    return true;
  WARN("without promtool and prometheus this isn't tested: ./dev test brings them on Debian");
  return false;
}

std::string content_of(const std::string& file) {
  std::ifstream source{file};
  std::stringstream result;
  result << source.rdbuf();
  return result.str();
}

// Ends with what it said.
int run(std::vector<std::string> words, std::string& said) {
  child_process process{std::move(words)};
  const auto code = process.wait();
  said = process.log();
  return code;
}

std::string line_with(const std::string& text, const std::string& beginning) {
  const auto at = ('\n' + text).find('\n' + beginning);
  return at == std::string::npos ? std::string{} : text.substr(at, text.find('\n', at) - at);
}

// Traffic of all kinds, so that no series is missing.
void use_all(admin_fixture& it) {
  it.guard("db", {.retry = bulwark::retry_policy{.max_attempts = 2, .base_delay = 1ms},
                  .bulkhead = bulwark::bulkhead_policy{.max_workers = 7, .queue_size = 9}});
  it.guard("strange \"name\"\\ \n");
  for (int i = 0; i < 5; ++i)
    it.sys.ask(it.guards["db"], ask_atom_v, 21);
  it.sys.ask(it.guards["db"], ask_atom_v, -2); // twice: it opens
  it.sys.ask(it.guards["db"], ask_atom_v, 21);
}

std::string percent_encoded(const std::string& text) {
  std::string result;
  for (const unsigned char c : text)
    result += fmt::format("%{:02X}", c);
  return result;
}

// Prometheus itself, which scrapes the port each second.
class prometheus_server {
public:
  prometheus_server(std::uint16_t target, const temporary_folder& folder)
      : port_(free_port()),
        process_({prometheus, "--config.file=" + config(target, folder),
                  "--storage.tsdb.path=" + folder.file("data"), "--log.level=warn",
                  "--web.listen-address=127.0.0.1:" + std::to_string(port_)}) {}

  /// The answer to a query, when there is one that `is_wanted`: before the first whole scrape there
  /// may be others.
  json wait_for(
      const std::string& query,
      const std::function<bool(const json&)>& is_wanted = [](const json&) { return true; }) const {
    const auto give_up = std::chrono::steady_clock::now() + 60s;
    while (std::chrono::steady_clock::now() < give_up) {
      try {
        const auto found = ask(query);
        if (!found["data"]["result"].empty() && is_wanted(found["data"]["result"]))
          return found["data"]["result"];
      } catch (const std::exception&) { // it hasn't begun, or says in words that it isn't ready
      }
      // sleeps: nothing tells when Prometheus has scraped
      std::this_thread::sleep_for(50ms);
    }
    throw std::runtime_error{"Prometheus knows nothing of " + query};
  }

  [[nodiscard]] json ask(const std::string& query) const {
    return json::parse(http(port_, "GET", "/api/v1/query?query=" + percent_encoded(query)).body);
  }

private:
  std::uint16_t port_;
  child_process process_;

  static std::uint16_t free_port() {
    return bulwarkd::port_of(bulwarkd::listen_at("127.0.0.1", 0));
  }

  static std::string config(std::uint16_t target, const temporary_folder& folder) {
    return folder.file("prometheus.yml",
                       fmt::format("global: {{scrape_interval: 1s}}\n"
                                   "rule_files: ['{}/alerts.yml']\n"
                                   "scrape_configs:\n"
                                   "  - job_name: bulwarkd\n"
                                   "    static_configs: [{{targets: ['127.0.0.1:{}']}}]\n",
                                   observability, target));
  }
};

double value_of(const json& result) {
  return std::stod(result.at(0)["value"].at(1).get<std::string>());
}

} // namespace

TEST_CASE("metrics tell what the registry counts [W19]") {
  admin_fixture it;
  use_all(it);
  it.serve();
  const auto answer = it.get("/metrics");
  CHECK_THAT(answer.headers.at("content-type"), Catch::StartsWith("text/plain; version=0.0.4"));
  const auto& text = answer.body;
  for (const auto* line :
       {"bulwark_calls_total{guard=\"db\",outcome=\"succeeded\"} 5",
        "bulwark_calls_total{guard=\"db\",outcome=\"failed\"} 1",
        "bulwark_calls_total{guard=\"db\",outcome=\"rejected\"} 1",
        "bulwark_calls_in_flight{guard=\"db\"} 0", "bulwark_attempts_total{guard=\"db\"} 7",
        "bulwark_retries_total{guard=\"db\"} 1",
        "bulwark_call_duration_seconds_bucket{guard=\"db\",le=\"+Inf\"} 6",
        "bulwark_call_duration_seconds_count{guard=\"db\"} 6",
        "bulwark_circuit_breaker_state{breaker=\"db\",state=\"open\"} 1",
        "bulwark_circuit_breaker_state{breaker=\"db\",state=\"closed\"} 0",
        "bulwark_circuit_breaker_transitions_total{breaker=\"db\"} 1",
        "bulwark_bulkhead_permits{bulkhead=\"db\",kind=\"limit\"} 7",
        "bulwark_bulkhead_queue{bulkhead=\"db\"} 0",
        "bulwark_bulkhead_timed_out_total{bulkhead=\"db\"} 0",
        "bulwark_calls_in_flight{guard=\"strange \\\"name\\\"\\\\ \\n\"} 0",
        "# TYPE bulwark_call_duration_seconds histogram", "# TYPE caf_system_running_actors gauge",
        "# TYPE process_cpu_seconds_total counter"}) {
    INFO(line);
    CHECK(line_with(text, line) == line);
  }
  CHECK(line_with(text, "bulwark_build_info{") != "");
}

TEST_CASE("promtool has nothing to say against the metrics [W19]") {
  if (!has_prometheus())
    return;
  admin_fixture it;
  use_all(it);
  it.serve();
  temporary_folder folder;
  const auto metrics = folder.file("metrics", it.get("/metrics").body);
  std::string said;
  const auto code = run({"/bin/sh", "-c", promtool + " check metrics <" + metrics}, said);
  CHECK(said == "");
  CHECK(code == 0);
}

TEST_CASE("Prometheus scrapes the port and answers of it, also what the dashboard asks [W19]") {
  if (!has_prometheus())
    return;
  admin_fixture it;
  use_all(it);
  it.serve();
  temporary_folder folder;
  const prometheus_server server{it.port(), folder};
  const auto is = [](double value) {
    return [value](const json& found) { return value_of(found) == value; };
  };
  CHECK_FALSE(
      server.wait_for("bulwark_calls_total{guard='db',outcome='succeeded'}", is(5)).empty());
  CHECK_FALSE(server.wait_for("up{job='bulwarkd'}", is(1)).empty());
  const auto q = value_of(server.wait_for(
      "histogram_quantile(0.99, sum by (le) (bulwark_call_duration_seconds_bucket))",
      [](const json& found) { return value_of(found) > 0; }));
  CHECK((q > 0 && q < 10));
  // Each panel of the dashboard is a question that it understands, of metrics that there are.
  const auto dashboard = json::parse(content_of(observability + "/grafana.json"));
  auto questions = 0;
  for (const auto& panel : dashboard["panels"]) {
    for (const auto& each : panel["targets"]) {
      auto query = each["expr"].get<std::string>();
      for (const auto& [variable, value] :
           {std::pair{"$__rate_interval", "1m"}, {"$instance", ".+"}, {"$guard", ".+"}})
        for (auto at = query.find(variable); at != query.npos; at = query.find(variable))
          query.replace(at, std::string{variable}.size(), value);
      INFO(query);
      CHECK(server.ask(query)["status"] == "success");
      for (auto at = query.find("bulwark_"); at != query.npos;
           at = query.find("bulwark_", at + 1)) {
        const auto name = query.substr(at, query.find_first_of("{[) ", at) - at);
        CHECK(!server.wait_for(name).empty());
      }
      ++questions;
    }
  }
  CHECK(questions > 10);
}

TEST_CASE("the alerts are rules that Prometheus takes and speak when they should [W22]") {
  if (!has_prometheus())
    return;
  for (const auto& [what, file] :
       {std::pair{"check", "/alerts.yml"}, {"test", "/alerts.test.yml"}}) {
    std::string said;
    const auto code = run({promtool, what, "rules", observability + file}, said);
    INFO(said);
    CHECK(code == 0);
  }
}

TEST_CASE("CAF's own exporter shows the same where it is configured [W21]") {
  // CAF takes no port 0 for it; the log doesn't say which port it has.
  const auto exporter = bulwarkd::port_of(bulwarkd::listen_at("127.0.0.1", 0));
  real_system sys{[exporter](caf::actor_system_config& config) {
    caf::io::middleman::init_global_meta_objects();
    config.load<caf::io::middleman>();
    config.set("caf.middleman.prometheus-http.port", exporter);
    config.set("caf.middleman.prometheus-http.address", "127.0.0.1");
  }};
  bulwark::node node{*sys, "a"};
  fake_control steering;
  bulwarkd::admin_server server{node, steering, {.mirror_interval = 10ms}};
  const auto policy =
      bulwark::guard_policy{.breaker = bulwark::circuit_breaker_policy{.failure_threshold = 9}};
  const auto target = sys->spawn(doubling_target);
  auto db = node.guard("db \"x\"", target, policy);
  const auto wait_for = [&](const std::string& line) {
    const auto give_up = std::chrono::steady_clock::now() + 30s;
    while (std::chrono::steady_clock::now() < give_up) {
      const auto text = http(exporter, "GET", "/metrics").body;
      if (line_with(text, line) != "")
        return true;
      // sleeps: the exporter says nothing of its own
      std::this_thread::sleep_for(5ms);
    }
    return false;
  };
  const std::string series = "bulwark_calls_total{guard=\"db \\\"x\\\"\",outcome=\"succeeded\"} ";
  const auto call = [&](int times) {
    for (int i = 0; i < times; ++i)
      REQUIRE(sys.get<std::int32_t>(db, ask_atom_v, 21) == 42);
  };
  call(3);
  CHECK(wait_for(series + "3"));
  call(4);
  CHECK(wait_for(series + "7"));
  CHECK(wait_for("bulwark_call_duration_seconds_count{guard=\"db \\\"x\\\"\"} 7"));
  CHECK(wait_for("bulwark_circuit_breaker_state{breaker=\"db \\\"x\\\"\",state=\"closed\"} 1"));
  // At the admin port it isn't there twice.
  const auto text = http(server.port(), "GET", "/metrics").body;
  for (const std::string family : {"bulwark_calls_total", "process_resident_memory_bytes"}) {
    INFO(family);
    CHECK(text.find("# TYPE " + family) != text.npos);
    CHECK(text.find("# TYPE " + family) == text.rfind("# TYPE " + family));
  }
  // Made anew, the guard counts from nothing; CAF's counter goes on.
  sys.kill(db);
  db = node.guard("db \"x\"", target, policy);
  call(2);
  CHECK(wait_for(series + "9"));
}
