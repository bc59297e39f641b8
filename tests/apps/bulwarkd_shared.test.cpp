// Daemons that share a bulkhead and a circuit breaker, and one that tells what all have counted.
#include "apps/daemon_process.hpp"
#include "apps/program.hpp"
#include "bulwark/distributed.hpp"
#include "support/catch.hpp"
#include "support/networked_system.hpp"

#include <chrono>
#include <csignal>
#include <stdexcept>
#include <string>
#include <vector>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

program_end call(const std::string& arguments) {
  return run(CALL_A_NODE, arguments);
}

// Until it says that: what other nodes know comes in its own time. Each answer is an event.
void ask_until(const std::string& arguments, const std::string& text) {
  const auto end = std::chrono::steady_clock::now() + 60s;
  for (auto answer = call(arguments); !answer.says(text); answer = call(arguments)) {
    if (std::chrono::steady_clock::now() > end)
      throw std::runtime_error{arguments + " never says '" + text + "', but: " + answer.output};
  }
}

std::vector<std::string> owner_arguments(const std::string& port) {
  return {"--listen.port=" + port,
          "--bulkheads.writers.shared={}",
          "--circuit-breakers.disks.failure-threshold=1",
          "--circuit-breakers.disks.open-for=1h",
          "--circuit-breakers.disks.shared.trips-for=any",
          "--guards.bad.target=failing",
          "--guards.bad.circuit-breaker=disks"};
}

// Guards "w", with the bulkhead of another daemon, and "d", with its circuit breaker.
std::vector<std::string> user_arguments(const std::string& owner, const std::string& when_lost) {
  return {"--guards.w.target=echo",
          "--guards.w.bulkhead=" + owner + "/writers",
          "--guards.w.on-owner-lost=" + when_lost,
          "--guards.d.target=echo",
          "--guards.d.circuit-breaker=" + owner + "/disks",
          "--guards.d.on-owner-lost=" + when_lost};
}

} // namespace

TEST_CASE("failures that one daemon sees open the circuit of the others [D43] [D41]",
          "[bulwarkd]") {
  daemon_process owner{{"--circuit-breakers.disks.failure-threshold=1",
                        "--circuit-breakers.disks.open-for=1h",
                        "--circuit-breakers.disks.shared.trips-for=any", "--guards.db.target=echo",
                        "--guards.db.circuit-breaker=disks"}};
  const auto disks = owner.address() + "/disks";
  daemon_process one{{"--guards.bad.target=failing", "--guards.bad.circuit-breaker=" + disks}};
  daemon_process two{{"--guards.db.target=echo", "--guards.db.circuit-breaker=" + disks}};
  one.wait_for("peer " + owner.address() + ": connected");
  CHECK(call(two.address() + " call db 1").output == "1\n");
  call(one.address() + " call bad 1");
  one.wait_for("warning circuit breaker " + disks + ": closed -> open (failure_threshold, 1");
  owner.wait_for("warning circuit breaker disks (all nodes): closed -> open (nodes_tripped");
  two.wait_for("warning circuit breaker " + disks + ": closed -> open (owner_said");
  CHECK(call(two.address() + " call db 1").says("circuit_open"));
  ask_until(owner.address() + " call db 1", "circuit_open");
}

TEST_CASE("the limit of a shared bulkhead holds for all daemons together [D43] [D12]",
          "[bulwarkd]") {
  daemon_process owner{{"--bulkheads.writers.max-workers=1", "--bulkheads.writers.queue-size=0",
                        "--bulkheads.writers.shared.lease-time=10min", "--guards.w.target=echo",
                        "--guards.w.bulkhead=writers"}};
  const auto writers = owner.address() + "/writers";
  daemon_process user{{"--guards.slow.target=slow", "--guards.slow.bulkhead=" + writers}};
  networked_system sys;
  bulwark::node node{*sys};
  const auto remote = connect(node, "127.0.0.1", user.port());
  REQUIRE(remote.wait_until_connected(60s));
  user.wait_for("peer " + owner.address() + ": connected");
  const auto slow = remote.guard("slow", {.deadline = 10min});
  const auto answer = sys.send(slow, std::int32_t{3'600'000});
  ask_until(user.address() + " stats", "bulkhead " + writers + ": 1 of 1 at work");
  CHECK(call(owner.address() + " call w 1").says("bulkhead_full"));
  CHECK(answer->count() == 0);
}

TEST_CASE("without the owner of a shared part a daemon does what on-owner-lost says, and with its "
          "successor it is one of many again [D43]",
          "[bulwarkd]") {
  daemon_process owner{owner_arguments("0")};
  const auto there = owner.address();
  daemon_process strict{user_arguments(there, "fail_closed")};
  daemon_process lax{user_arguments(there, "local")};
  for (auto* user : {&strict, &lax}) {
    ask_until(user->address() + " call w 1", "1\n");
    ask_until(user->address() + " call d 1", "1\n");
  }
  owner.signal(SIGKILL);
  owner.wait();
  strict.wait_for("warning peer " + there + ": lost");
  ask_until(strict.address() + " call w 1", "owner_lost");
  ask_until(strict.address() + " call d 1", "circuit_open");
  CHECK(strict.first_line_with(there + "/disks: closed -> forced_open (owner_lost").find("warning ")
        != std::string::npos);
  lax.wait_for("warning peer " + there + ": lost");
  for (int i = 0; i < 5; ++i) {
    CHECK(call(lax.address() + " call w 1").output == "1\n");
    CHECK(call(lax.address() + " call d 1").output == "1\n");
  }
  daemon_process successor{owner_arguments(std::to_string(owner.port()))};
  strict.wait_for(there + "/disks: forced_open -> closed (owner_said");
  ask_until(strict.address() + " call w 1", "1\n");
  CHECK(call(strict.address() + " call d 1").output == "1\n");
  call(successor.address() + " call bad 1");
  for (auto* user : {&strict, &lax}) {
    user->wait_for(there + "/disks: closed -> open (owner_said");
    CHECK(call(user->address() + " call d 1").says("circuit_open"));
  }
}

TEST_CASE("another program is told what a daemon and its peers have counted [D45] [D70]",
          "[bulwarkd]") {
  daemon_process far{{"--name=far", "--guards.echo.target=echo"}};
  const auto there = far.address();
  daemon_process near{
      {"--name=near", "--peers=[\"" + there + "\"]", "--guards.bad.target=failing"}};
  near.wait_for("peer " + there + ": connected");
  call(there + " call echo 1");
  call(there + " call echo 2");
  call(near.address() + " call bad 1");
  ask_until(near.address() + " cluster", "node far at " + there + " (connected, ");
  auto end = call(near.address() + " cluster");
  INFO(end.output);
  CHECK(end.code == 0);
  CHECK(end.says("node near (here, "));
  CHECK(end.says(" old): 1 calls, 0 succeeded, 1 failed, "));
  CHECK(end.says(" old): 2 calls, 2 succeeded, "));
  CHECK(end.says("all: 3 calls, 2 succeeded, 1 failed, "));
  CHECK(end.says("0 in flight (0 of them lost), p99 "));
  far.signal(SIGKILL);
  far.wait();
  ask_until(near.address() + " cluster", "node far at " + there + " (lost, ");
  CHECK(call(near.address() + " cluster").says("all: 3 calls, "));
  CHECK(call(near.address() + " cluster all").code == 2);
}
