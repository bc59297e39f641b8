// Guards of a daemon before a server of HTTP, as one is: the bundled service, with faults on command.
#include "bulwarkd/targets.hpp"
#include "showcase/service_process.hpp"
#include "support/catch.hpp"
#include "support/real_system.hpp"

#include <bulwark/all.hpp>

#include <string>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

struct web_fixture {
  showcase::service_process service{FLAKY_SERVICE};
  real_system sys;
  bulwark::node node{*sys};
  caf::actor sockets = node.bulkhead("sockets", {.max_workers = 8, .queue_size = 100});

  caf::actor target(const std::string& url, timespan patience = 30s) {
    return bulwarkd::spawn_web(*sys, url, sockets, patience);
  }
};

} // namespace

TEST_CASE("a target that is a server of HTTP answers a path with what a GET of it says [D49]",
          "[bulwarkd]") {
  web_fixture f;
  const auto whole = f.sys.get<std::string>(f.target(f.service.url()), std::string{"/orders/7"});
  CHECK_THAT(whole, Catch::Contains("7"));
  const auto of_folder = f.target(f.service.url() + "/orders");
  for (const auto* path : {"/7", "7"})
    CHECK(f.sys.get<std::string>(of_folder, std::string{path}) == whole);
}

TEST_CASE("what a server of HTTP can't now is worth another try and what it won't is not [D49]",
          "[bulwarkd]") {
  web_fixture f;
  const auto target = f.target(f.service.url());
  const auto missing = f.sys.ask(target, std::string{"/nowhere"});
  REQUIRE(missing->is_error());
  CHECK(mark_of(missing->error()) == error_mark::permanent);
  CHECK_THAT(to_string(missing->error()), Catch::Contains("HTTP 404"));
  f.service.order({{"error_share", 1}, {"error_status", 503}});
  const auto failing = f.sys.ask(target, std::string{"/orders/1"});
  REQUIRE(failing->is_error());
  CHECK(mark_of(failing->error()) == error_mark::transient);
  CHECK_THAT(to_string(failing->error()), Catch::Contains("HTTP 503"));
  f.service.kill();
  const auto unreachable = f.sys.ask(target, std::string{"/orders/1"});
  REQUIRE(unreachable->is_error());
  CHECK(mark_of(unreachable->error()) == error_mark::transient);
}

TEST_CASE("a server of HTTP that hangs is given up after the patience of now [D49]", "[bulwarkd]") {
  web_fixture f;
  const auto target = f.target(f.service.url(), 1h);
  f.service.order({{"hang_share", 1}});
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(target), timespan{100ms});
  const auto hung = f.sys.ask(target, std::string{"/orders/1"});
  REQUIRE(hung->is_error());
  CHECK(hung->error() == errc::timed_out);
}

TEST_CASE("targets are told from each other by how they are written [D49]", "[bulwarkd]") {
  for (const auto* url : {"http://127.0.0.1:1", "http://localhost", "https://host/base"})
    CHECK(bulwarkd::is_web(url));
  for (const auto* other : {"", "echo", "127.0.0.1:4711/db", "http://", "ftp://host"})
    CHECK_FALSE(bulwarkd::is_web(other));
}
