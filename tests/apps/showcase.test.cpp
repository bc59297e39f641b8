#include "apps/program.hpp"
#include "support/catch.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <chrono>
#include <csignal>

using namespace bulwark_tests;

extern char** environ;

TEST_CASE("the showcase shows all that it says and its books balance [K1] [K2] [K5]",
          "[showcase]") {
  const auto begin = std::chrono::steady_clock::now();
  const auto end = run(SHOWCASE, "");
  INFO(end.output);
  CHECK(end.code == 0);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds{30});
  CHECK_FALSE(end.says("NO:"));
  CHECK_FALSE(end.says("\033")); // plain where it is piped
  std::size_t place = 0;
  for (const auto* name : {"circuit_breaker", "retry", "timeout", "bulkhead", "functions", "guard",
                           "sharing", "registry", "sync", "service", "books"}) {
    const auto found = end.output.find("== " + std::string{name} + ":", place);
    INFO(name);
    REQUIRE(found != std::string::npos);
    place = found;
  }
}

TEST_CASE("the showcase lists its scenes and plays one of them", "[showcase]") {
  CHECK(run(SHOWCASE, "--list").says("bulkhead "));
  const auto end = run(SHOWCASE, "--only sharing");
  CHECK(end.code == 0);
  CHECK(end.says("== sharing:"));
  CHECK_FALSE(end.says("== guard:"));
}

TEST_CASE("a scene that there is not is refused with exit code 2", "[showcase]") {
  const auto end = run(SHOWCASE, "--only tragedy");
  CHECK(end.code == 2);
  CHECK(end.says("--only"));
  CHECK(end.says("tragedy"));
  CHECK(end.says("sharing"));
}

TEST_CASE("the service ends with a showcase that is killed", "[showcase]") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  // Both write to this pipe: its end is the end of both.
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  std::string words[] = {SHOWCASE, "--only", "service"};
  char* arguments[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  pid_t id = 0;
  const auto failed = ::posix_spawn(&id, SHOWCASE, &actions, nullptr, arguments, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  REQUIRE(failed == 0);

  std::string output;
  char c = 0;
  while (output.find("flaky_service is process") == std::string::npos
         && ::read(ends[0], &c, 1) == 1)
    output += c;
  ::kill(id, SIGKILL);
  while (::read(ends[0], &c, 1) == 1) // waits for the service: ctest's timeout is the bound
    output += c;
  ::close(ends[0]);
  ::waitpid(id, nullptr, 0);
  CHECK(output.find("flaky_service is process") != std::string::npos);
  CHECK(output.find("SIGKILL") == std::string::npos); // killed well before the scene's own kill
}
