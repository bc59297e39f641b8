#include "apps/program.hpp"
#include "showcase/service_process.hpp"
#include "support/catch.hpp"

using namespace bulwark_tests;
using showcase::service_process;

TEST_CASE("the service comes back on its port after SIGKILL and counts from nothing",
          "[flaky_service]") {
  service_process service{FLAKY_SERVICE};
  const auto url = service.url();
  const auto first = service.id();
  run(RESILIENT_API_CLIENT, url + "/orders/1 --requests 5");
  CHECK(service.requests() == 5);
  service.restart();
  CHECK(service.url() == url);
  CHECK(service.id() != first);
  CHECK(service.requests() == 0);
}

TEST_CASE("a port that is in use is refused with a clear word", "[flaky_service]") {
  const service_process service{FLAKY_SERVICE};
  const auto port = service.url().substr(service.url().rfind(':') + 1);
  const auto end = run(FLAKY_SERVICE, "--port " + port);
  CHECK(end.code == 1);
  CHECK(end.says("port " + port + " of 127.0.0.1 is not free"));
}

TEST_CASE("faults that can't be are refused and change nothing", "[flaky_service]") {
  const service_process service{FLAKY_SERVICE};
  CHECK_THROWS_AS(service.order({{"error_share", 1.5}}), std::runtime_error);
  CHECK_THROWS_AS(service.order({{"error_share", 1}, {"error_status", 200}}), std::runtime_error);
  CHECK_THROWS_AS(service.order({{"earthquake", 1}}), std::runtime_error);
  CHECK(run(RESILIENT_API_CLIENT, service.url() + "/users/1 --requests 5").code == 0);
}

TEST_CASE("options of the service that are out of range end with exit code 2", "[flaky_service]") {
  for (const auto* options :
       {"--port 70000", "--error-share 2", "--error-status 200", "--seed x"}) {
    const auto end = run(FLAKY_SERVICE, options);
    INFO(options << ": " << end.output);
    CHECK(end.code == 2);
  }
}
