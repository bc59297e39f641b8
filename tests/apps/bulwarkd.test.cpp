// bulwarkd as a process, and who talks to it.
#include "apps/daemon_process.hpp"
#include "apps/program.hpp"
#include "bulwark/distributed.hpp"
#include "support/catch.hpp"
#include "support/networked_system.hpp"

#include <chrono>
#include <csignal>
#include <string>
#include <vector>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

const std::vector<std::string> three_guards{
    "--guards.echo.target=echo", "--guards.slow.target=slow", "--guards.bad.target=failing"};

std::vector<std::string> with(std::vector<std::string> arguments,
                              std::initializer_list<std::string> more) {
  arguments.insert(arguments.end(), more);
  return arguments;
}

// Calls a daemon's guards, each with one guard of ours: their answers come once, whatever happens.
struct remote_caller {
  networked_system sys;
  bulwark::node node{*sys};
  remote_node remote;

  explicit remote_caller(std::uint16_t port) : remote(connect(node, "127.0.0.1", port)) {
    REQUIRE(remote.wait_until_connected(60s));
  }

  // Until the daemon's guard has that many calls in progress; each answer is an event.
  void wait_for_calls(const caf::actor& door, const std::string& guard, std::uint64_t count) {
    while (sys.get<node_stats>(door, get_stats_atom_v, guard).guards.at(0).calls.in_flight < count)
      continue;
  }

  caf::actor door(std::uint16_t port) {
    auto result = sys->middleman().remote_actor("127.0.0.1", port);
    REQUIRE(result);
    return *result;
  }
};

program_end call(const std::string& arguments) {
  return run(CALL_A_NODE, arguments);
}

} // namespace

// -- what it hosts ---------------------------------------------------------------------

TEST_CASE("another process calls and lists and reads what a daemon hosts [D33] [D42]",
          "[bulwarkd]") {
  daemon_process daemon{with(three_guards, {"--bulkheads.writers.max-workers=3"})};
  const auto address = daemon.address();
  auto end = call(address + " call echo 42");
  INFO(end.output);
  CHECK(end.code == 0);
  CHECK(end.output == "42\n");
  CHECK(call(address + " call echo 'good morning'").output == "good morning\n");
  end = call(address + " call bad 1");
  CHECK(end.code == 1);
  CHECK(end.says("the target 'failing' always fails"));
  end = call(address + " call nobody 1");
  CHECK(end.code == 1);
  CHECK(end.says("unknown_name(guard 'nobody': nothing has that name)"));
  end = call(address + " list");
  CHECK(end.code == 0);
  CHECK(end.says("guard echo\n"));
  CHECK(end.says("bulkhead writers\n"));
  CHECK(call(address + " stats echo").output
        == "guard echo: 2 calls, 2 succeeded, 0 failed, 0 rejected, 0 timed out, 0 cancelled, 0 in "
           "flight\n");
  CHECK(call(address + " stats").says("bulkhead writers: 0 of 3 at work, 0 waiting"));
  CHECK(call("nonsense").code == 2);
  CHECK(call(address + " dance").code == 2);
}

TEST_CASE("a daemon guards a guard of another daemon that comes and goes [D33] [D31] [D8]",
          "[bulwarkd]") {
  daemon_process far{three_guards};
  const auto there = far.address();
  {
    daemon_process near{{"--guards.db.target=" + there + "/echo", "--guards.db.deadline=5s",
                         "--peers=[\"" + there + "\"]"}};
    near.wait_for("peer " + there + ": connected");
    CHECK(call(near.address() + " call db 7").output == "7\n");
    CHECK(call(near.address() + " stats db").says("guard db: 1 calls, 1 succeeded"));
    far.signal(SIGKILL);
    far.wait();
    near.wait_for("peer " + there + ": lost");
    near.wait_for("peer " + there + ": can't be reached, is dialled again and again");
    CHECK(call(near.address() + " call db 7").says("target_lost"));
    daemon_process successor{
        {"--listen.port=" + std::to_string(far.port()), "--guards.echo.target=echo"}};
    near.wait_for("peer " + there + ": connected");
    CHECK(call(near.address() + " call db 8").output == "8\n");
  }
}

TEST_CASE("transitions of own and shared breakers are in the log [D41] [D33]", "[bulwarkd]") {
  daemon_process daemon{{"--circuit-breakers.disks.failure-threshold=1",
                         "--guards.one.target=failing", "--guards.one.circuit-breaker=disks",
                         "--guards.two.target=failing",
                         "--guards.two.circuit-breaker.failure-threshold=2"}};
  const auto address = daemon.address();
  call(address + " call one 1");
  CHECK(daemon.wait_for("circuit breaker disks").find("closed -> open (failure_threshold, 1")
        != std::string::npos);
  call(address + " call two 1");
  call(address + " call two 1");
  CHECK(daemon.wait_for("circuit breaker two").find("closed -> open (failure_threshold, 2")
        != std::string::npos);
  CHECK(call(address + " call two 1").says("circuit_open"));
}

TEST_CASE("who watches a node from another process is told its transitions [D42] [D4]",
          "[bulwarkd]") {
  daemon_process daemon{
      {"--guards.bad.target=failing", "--guards.bad.circuit-breaker.failure-threshold=1"}};
  const auto address = daemon.address();
  child_process watch{{CALL_A_NODE, address, "watch"}};
  watch.wait_for("watching");
  call(address + " call bad 1");
  watch.wait_for("bad: closed -> open");
  call(address + " call bad 1");
  watch.wait_for("bad: circuit_open by bad");
  daemon.signal(SIGTERM);
  CHECK(daemon.wait() == 0);
  CHECK(watch.wait() == 0);
}

// -- the end ---------------------------------------------------------------------------

TEST_CASE("TERM and INT end a daemon with exit code 0 [D39] [D40]", "[bulwarkd]") {
  for (const auto signal : {SIGTERM, SIGINT}) {
    daemon_process daemon{three_guards};
    daemon.port();
    daemon.signal(signal);
    CHECK(daemon.wait() == 0);
    CHECK(daemon.says("all calls have finished"));
    CHECK(daemon.says("ended\n"));
  }
}

TEST_CASE("at TERM calls in progress finish and new ones are shutting_down [D39] [D30] [D2]",
          "[bulwarkd]") {
  daemon_process daemon{three_guards};
  remote_caller f{daemon.port()};
  auto slow = f.remote.guard("slow", {.deadline = 10min});
  auto echo = f.remote.guard("echo", {.deadline = 10min});
  std::vector<reply_ptr> in_progress;
  for (int i = 0; i < 200; ++i)
    in_progress.push_back(f.sys.send(slow, std::int32_t{1'000 + i}));
  f.wait_for_calls(f.door(daemon.port()), "slow", 200);
  daemon.signal(SIGTERM);
  daemon.wait_for("SIGTERM: takes no new calls");
  CHECK(f.sys.ask(echo, std::int32_t{1})->error() == errc::shutting_down);
  for (int i = 0; i < 200; ++i) {
    const auto& answer = in_progress[static_cast<std::size_t>(i)];
    answer->wait();
    REQUIRE_FALSE(answer->is_error());
    CHECK(answer->as<std::int32_t>() == 1'000 + i);
  }
  CHECK(daemon.wait() == 0);
  CHECK(daemon.says("all calls have finished"));
}

TEST_CASE("under load every call is answered once when TERM comes [D39] [G3]", "[bulwarkd]") {
  daemon_process daemon{three_guards};
  remote_caller f{daemon.port()};
  auto echo = f.remote.guard("echo", {.deadline = 10min});
  const std::string large(100'000, 'x');
  std::vector<reply_ptr> answers;
  for (int i = 0; i < 50; ++i)
    answers.push_back(f.sys.send(echo, large));
  answers.front()->wait();
  daemon.signal(SIGTERM);
  // Until one is refused; each answer is an event.
  do {
    for (int i = 0; i < 20; ++i)
      answers.push_back(f.sys.send(echo, large));
    answers.back()->wait();
  } while (!answers.back()->is_error());
  CHECK(daemon.wait() == 0);
  for (const auto& answer : answers) {
    answer->wait();
    CHECK(answer->count() == 1);
    if (answer->is_error()) {
      const auto why = answer->error();
      CHECK((why == errc::shutting_down || why == errc::target_lost));
    } else {
      CHECK(answer->as<std::string>().size() == large.size());
    }
  }
}

TEST_CASE("what is still in progress when drain-timeout is over is answered with shutting_down "
          "[D39] [D30]",
          "[bulwarkd]") {
  daemon_process daemon{
      with(three_guards, {"--drain-timeout=100ms", "--caf.scheduler.max-throughput=5"})};
  remote_caller f{daemon.port()};
  auto slow = f.remote.guard("slow", {.deadline = 10min});
  std::vector<reply_ptr> in_progress;
  for (int i = 0; i < 2'000; ++i)
    in_progress.push_back(f.sys.send(slow, std::int32_t{3'600'000}));
  f.wait_for_calls(f.door(daemon.port()), "slow", 2'000);
  daemon.signal(SIGTERM);
  for (const auto& answer : in_progress) {
    answer->wait();
    REQUIRE(answer->error() == errc::shutting_down);
  }
  CHECK(daemon.wait() == 0);
  CHECK(daemon.says("drain-timeout is over"));
}

TEST_CASE("a second signal ends a daemon at once with exit code 1 [D39] [D40]", "[bulwarkd]") {
  daemon_process daemon{with(three_guards, {"--drain-timeout=24h"})};
  remote_caller f{daemon.port()};
  auto slow = f.remote.guard("slow", {.deadline = 10min});
  auto answer = f.sys.send(slow, std::int32_t{3'600'000});
  f.wait_for_calls(f.door(daemon.port()), "slow", 1);
  daemon.signal(SIGTERM);
  daemon.wait_for("SIGTERM: takes no new calls");
  daemon.signal(SIGINT);
  CHECK(daemon.wait() == 1);
  CHECK(daemon.says("SIGINT: the second, ends at once"));
  answer->wait();
  CHECK(answer->error() == errc::target_lost);
}

TEST_CASE("a signal that is sent twice, as timeout does it, is one [D39]", "[bulwarkd]") {
  daemon_process daemon{with(three_guards, {})};
  remote_caller f{daemon.port()};
  auto slow = f.remote.guard("slow", {.deadline = 10min});
  auto answer = f.sys.send(slow, std::int32_t{300});
  f.wait_for_calls(f.door(daemon.port()), "slow", 1);
  daemon.signal(SIGTERM);
  daemon.wait_for("SIGTERM: takes no new calls");
  daemon.signal(SIGTERM);
  CHECK(daemon.wait() == 0);
  answer->wait();
  CHECK(answer->as<std::int32_t>() == 300);
}

// -- what can't be ---------------------------------------------------------------------

TEST_CASE("a daemon whose port is taken says so and ends with exit code 1 [D40]", "[bulwarkd]") {
  daemon_process first{three_guards};
  const auto port = std::to_string(first.port());
  const auto end = run(BULWARKD, "--listen.port=" + port);
  INFO(end.output);
  CHECK(end.code == 1);
  CHECK(end.says("port " + port + " of '127.0.0.1' can't be opened"));
}

TEST_CASE("wrong settings end a daemon with exit code 2 before anything is started [D34] [D40]",
          "[bulwarkd]") {
  auto end = run(BULWARKD, "--listen.port=0 --guards.db.target=oracle --nam=x");
  INFO(end.output);
  CHECK(end.code == 2);
  CHECK(end.says("error   bulwark.guards.db.target = oracle: must be one of"));
  CHECK(end.says("error   bulwark.nam: no such key"));
  CHECK(end.says("error   2 mistakes in the settings: nothing is started"));
  CHECK_FALSE(end.says("listening"));
  end = run(BULWARKD, "--listen.address=0.0.0.0 --listen.port=0");
  CHECK(end.code == 2);
  CHECK(end.says("bulwark.listen.address = 0.0.0.0: others reach it"));
  for (const auto* file : {"bulwarkd", "bulwarkd_owner", "bulwarkd_user"})
    CHECK(run(BULWARKD,
              std::string{"--check --config-file=" CONFIGURATION_EXAMPLES "/"} + file + ".conf")
              .code
          == 0);
  CHECK(run(BULWARKD, "--check --drain-timeout=never").code == 2);
  CHECK(run(BULWARKD, "--help").says("usage: bulwarkd"));
}

TEST_CASE("each event is one line with time and level whatever is in its text [D41]",
          "[bulwarkd]") {
  const auto end = run(BULWARKD, "\"$(printf -- 'two\\nlines\\033[0m')\"");
  INFO(end.output);
  CHECK(end.code == 2);
  CHECK(end.says("error   two\\x0alines\\x1b[0m: no such option"));
  daemon_process daemon{{"--name=a"}};
  const auto line = daemon.wait_for("'a'");
  INFO(line);
  // 2026-11-25T16:26:53.123Z info    bulwarkd
  CHECK(line[10] == 'T');
  CHECK(line.substr(23, 18) == "Z info    bulwarkd");
}
