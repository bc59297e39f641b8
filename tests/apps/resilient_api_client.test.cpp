#include "apps/program.hpp"
#include "showcase/service_process.hpp"
#include "support/catch.hpp"

using namespace bulwark_tests;
using showcase::service_process;

// Against the service, in processes of their own, over sockets.

namespace {

program_end fetch(const service_process& service, const std::string& options) {
  auto result = run(RESILIENT_API_CLIENT, "'" + service.url() + "/users/{n}' " + options);
  INFO(result.output);
  CHECK(result.says("books        balanced"));
  return result;
}

// A line of the summary: "  HTTP 200      10".
bool counted(const program_end& end, const std::string& outcome, int count) {
  const auto line = end.output.find("  " + outcome + "  ");
  if (line == std::string::npos)
    return false;
  return std::stoi(end.output.substr(line + outcome.size() + 2)) == count;
}

} // namespace

TEST_CASE("a healthy service answers every call with one attempt [G1]", "[client]") {
  const service_process service{FLAKY_SERVICE};
  const auto end = fetch(service, "--requests 200 --concurrency 16");
  INFO(end.output);
  CHECK(end.code == 0);
  CHECK(counted(end, "HTTP 200", 200));
  CHECK(service.requests() == 200);
  CHECK(end.says("p99"));
}

TEST_CASE("what the service blames on its client is an answer and never tried again [T6] [C13]",
          "[client]") {
  const service_process service{FLAKY_SERVICE};
  const auto status = GENERATE(400, 401, 403, 404);
  service.order({{"error_share", 1}, {"error_status", status}});
  const auto end = fetch(service, "--requests 10 --failure-threshold 1");
  INFO(end.output);
  CHECK(end.code == 0);
  CHECK(counted(end, "HTTP " + std::to_string(status), 10));
  CHECK(service.requests() == 10);
  CHECK(end.says("0 transitions"));
}

TEST_CASE("what the service blames on itself is tried again until attempts are used up [T1] [T7]",
          "[client]") {
  const service_process service{FLAKY_SERVICE};
  const auto status = GENERATE(500, 502, 503, 504);
  service.order({{"error_share", 1}, {"error_status", status}});
  const auto end = fetch(service, "--requests 10 --no-breaker --max-attempts 4 --base-delay 1ms");
  INFO(end.output);
  CHECK(end.code == 1);
  CHECK(counted(end, "retries_exhausted (unavailable)", 10));
  CHECK(service.requests() == 40);
}

TEST_CASE("a failure that passes is not seen by the caller [T6]", "[client]") {
  const service_process service{FLAKY_SERVICE};
  service.order({{"fail_next", 3}});
  const auto end =
      fetch(service, "--requests 10 --concurrency 1 --max-attempts 4 --base-delay 1ms");
  INFO(end.output);
  CHECK(end.code == 0);
  CHECK(counted(end, "HTTP 200", 10));
  CHECK(service.requests() == 13);
}

TEST_CASE("the breaker leaves a failing service alone [C1] [C9]", "[client]") {
  const service_process service{FLAKY_SERVICE};
  service.order({{"error_share", 1}});
  const auto end = fetch(
      service, "--requests 100 --concurrency 1 --no-retry --failure-threshold 3 --open-for 1h");
  INFO(end.output);
  CHECK(end.code == 1);
  CHECK(end.says("closed -> open (failure_threshold, 3 failures)"));
  CHECK(service.requests() == 3);
  CHECK(counted(end, "unavailable", 3));
  CHECK(counted(end, "circuit_open", 97));
}

TEST_CASE("a reset connection is tried again [T6]", "[client]") {
  const service_process service{FLAKY_SERVICE};
  service.order({{"reset_share", 1}});
  const auto end = fetch(service, "--requests 5 --no-breaker --max-attempts 2 --base-delay 1ms");
  INFO(end.output);
  CHECK(end.code == 1);
  CHECK(counted(end, "retries_exhausted (broken_off)", 5));
  CHECK(service.requests() == 10);
}

TEST_CASE("a service that hangs is given up [G8]", "[client]") {
  const service_process service{FLAKY_SERVICE};
  service.order({{"hang_share", 1}});
  const auto end = fetch(
      service, "--requests 4 --concurrency 4 --no-breaker --no-retry --attempt-timeout 100ms");
  INFO(end.output);
  CHECK(end.code == 1);
  CHECK(counted(end, "timed_out", 4));
  CHECK(end.says("4 timed out, 4 abandoned"));
}

TEST_CASE("the total deadline bounds all attempts together [T8] [G8]", "[client]") {
  const service_process service{FLAKY_SERVICE};
  service.order({{"hang_share", 1}});
  const auto end = fetch(service, "--requests 1 --max-attempts 100 --base-delay 1ms --no-breaker "
                                  "--attempt-timeout 200ms --deadline 300ms");
  INFO(end.output);
  CHECK(end.code == 1);
  CHECK(counted(end, "timed_out", 1));
  CHECK(service.requests() == 2);
}

TEST_CASE("a port where nobody listens is unreachable and tried again [T6]", "[client]") {
  service_process service{FLAKY_SERVICE};
  service.kill();
  const auto end = fetch(service, "--requests 5 --no-breaker --max-attempts 3 --base-delay 1ms");
  INFO(end.output);
  CHECK(end.code == 1);
  CHECK(counted(end, "retries_exhausted (unreachable)", 5));
  CHECK(end.says("attempts     15, 10 of them retries"));
}

TEST_CASE("the bulkhead bounds the sockets and refuses the rest [B1] [B2]", "[client]") {
  const service_process service{FLAKY_SERVICE};
  service.order({{"delay_ms", 300}});
  const auto end = fetch(service, "--requests 6 --concurrency 6 --max-workers 1 --queue-size 1");
  INFO(end.output);
  CHECK(end.code == 1);
  CHECK(counted(end, "HTTP 200", 2));
  CHECK(counted(end, "bulkhead_full", 4));
  CHECK(service.requests() == 2);
}

TEST_CASE(
    "a wrong command line is refused with the option and the value and what is permitted [P4]",
    "[client]") {
  struct mistake {
    std::string options;
    std::string answer;
  };
  const auto wrong = GENERATE(values<mistake>({
      {"--max-attempts 0", "--max-attempts is 0, permitted: 1 .. 1000000"},
      {"--max-attempts many", "--max-attempts is 'many', permitted: 1 .. 1000000"},
      {"--max-workers -1", "--max-workers is '-1', permitted: 1 .. 10000000"},
      {"--half-open-calls 0", "--half-open-calls is 0, permitted: 1 .. "},
      {"--deadline 5", "--deadline is '5', permitted: 1ns .. 36500d"},
      {"--deadline 0ms", "--deadline is 0ms, permitted: 1ns .. 36500d"},
      {"--open-for 1e99h", "--open-for is 1e99h, permitted: "},
      {"--exponential-base nan", "--exponential-base is nan, permitted: 1 .. "},
      {"--jitter some", "--jitter is 'some', permitted: none, full, equal, decorrelated"},
      {"--retry-on maybe", "--retry-on is 'maybe', permitted: transient, always, never"},
      {"--no-retry --max-attempts 2", "--max-attempts has no effect together with --no-retry"},
      {"--no-breaker --open-for 2s", "--open-for has no effect together with --no-breaker"},
      {"--concurrency 0", "--concurrency is '0', permitted: 1 .. 10000"},
      {"--speed 3", "--speed"},
  }));
  const auto end = run(RESILIENT_API_CLIENT, "http://127.0.0.1:1/ " + wrong.options);
  INFO(end.output);
  CHECK(end.code == 2);
  CHECK(end.says(wrong.answer));
}

TEST_CASE("what is no URL is refused with exit code 2", "[client]") {
  for (const auto* url :
       {"", "'ftp://host/'", "'http://'", "'host:80/users'", "'http://host name/'"}) {
    const auto end = run(RESILIENT_API_CLIENT, url);
    INFO(url << ": " << end.output);
    CHECK(end.code == 2);
    CHECK(end.says("URL"));
  }
}
