// What several nodes have counted, over sockets: two in processes of their own, of which one is
// killed and started again.
#include "distributed/peer_process.hpp"
#include "support/catch.hpp"
#include "support/networked_system.hpp"

#include <chrono>
#include <string>
#include <vector>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

// What is read is exact, however busy the machine is.
void read_patiently(real_system& sys, bulwark::node& node) {
  REQUIRE_FALSE(sys.ask(node.cluster(), change_policy_atom_v, cluster_policy{.read_timeout = 60s})
                    ->is_error());
}

struct fixture {
  peer_process first;
  peer_process second;
  networked_system sys;
  bulwark::node node{*sys, "here"};
  remote_node to_first = connect(node, "127.0.0.1", first.port());
  remote_node to_second = connect(node, "127.0.0.1", second.port());

  fixture() {
    read_patiently(sys, node);
    REQUIRE(to_first.wait_until_connected(60s));
    REQUIRE(to_second.wait_until_connected(60s));
    until([](const auto& one, const auto& other) { return one.age && other.age; });
  }

  cluster_stats read() {
    return sys.get<cluster_stats>(node.front_door(), get_cluster_stats_atom_v);
  }
  const cluster_node& of(const cluster_stats& stats, const peer_process& peer) {
    const auto address = "127.0.0.1:" + std::to_string(peer.port());
    for (const auto& each : stats.nodes)
      if (each.address == address)
        return each;
    throw std::runtime_error{address + " is unknown"};
  }
  // Each answer is an event.
  template <class F>
  cluster_stats until(F done) {
    while (true) {
      auto stats = read();
      if (done(of(stats, first), of(stats, second)))
        return stats;
    }
  }
  std::uint64_t refused_before_served(const caf::actor& guard) {
    std::uint64_t result = 0;
    while (sys.ask(guard, get_atom_v, std::int32_t{1})->is_error())
      ++result;
    return result;
  }
  void call(const caf::actor& guard, int calls) {
    for (int i = 0; i < calls; ++i)
      CHECK(sys.get<std::int32_t>(guard, get_atom_v, std::int32_t{1}) == 2);
  }
};

} // namespace

TEST_CASE("a node that is killed is marked lost and keeps its figures and its successor is counted "
          "on [D70] [D72] [D73] [K1]",
          "[distributed]") {
  fixture f;
  auto first = f.to_first.guard("db", {.deadline = 10min});
  auto second = f.to_second.guard("db");
  f.call(first, 10);
  f.call(second, 20);
  std::vector<reply_ptr> in_flight;
  for (int i = 0; i < 3; ++i)
    in_flight.push_back(f.sys.send(first, state_atom_v));
  f.call(first, 1); // behind them in the same line: they have arrived
  const counters of_first{.calls = 14, .succeeded = 11, .in_flight = 3};

  auto stats = f.read();
  REQUIRE(stats.nodes.size() == 3);
  CHECK(stats.nodes[0].name == "here");
  CHECK(stats.nodes[0].stats.total.calls == 34);
  CHECK(f.of(stats, f.first).stats.total == of_first);
  CHECK(f.of(stats, f.second).stats.total == counters{.calls = 20, .succeeded = 20});
  CHECK(stats.total == counters{.calls = 68, .succeeded = 62, .in_flight = 6});
  CHECK(stats.latency.count()
        == stats.nodes[0].stats.latency.count() + stats.nodes[1].stats.latency.count()
               + stats.nodes[2].stats.latency.count());
  CHECK(stats.unresolved == 0);
  const auto latencies = f.of(stats, f.first).stats.latency;

  f.first.kill();
  for (const auto& each : in_flight)
    each->wait();
  stats = f.until([](const auto& one, const auto&) { return one.state == node_state::lost; });
  CHECK(f.of(stats, f.second).state == node_state::connected);
  CHECK(f.of(stats, f.first).stats.total == of_first);
  CHECK(f.of(stats, f.first).stats.latency == latencies);
  CHECK(f.of(stats, f.first).stats.guards.at(0).name == "db");
  CHECK(stats.total == counters{.calls = 68, .succeeded = 62, .failed = 3, .in_flight = 3});
  CHECK(stats.unresolved == 3);
  CHECK(stats.total.balanced());

  f.first.restart(false);
  f.until([](const auto& one, const auto&) { return one.restarts == 1; });
  const auto refused = f.refused_before_served(first); // the guard hears of the door by itself
  f.call(first, 4);
  stats = f.read();
  CHECK(f.of(stats, f.first).state == node_state::connected);
  CHECK(f.of(stats, f.first).stats.total == counters{.calls = 5, .succeeded = 5});
  CHECK(f.of(stats, f.first).earlier == of_first);
  CHECK(f.of(stats, f.first).earlier_latency == latencies);
  CHECK(stats.total
        == counters{.calls = 78 + refused, .succeeded = 72, .failed = 3 + refused, .in_flight = 3});
  CHECK(stats.unresolved == 3);
}

TEST_CASE("nodes that are connected to each other tell of both to a program that asks one [D70] "
          "[D74]",
          "[distributed]") {
  networked_system there;
  bulwark::node their_node{*there, "there"};
  networked_system here;
  bulwark::node our_node{*here, "here"};
  const auto port = publish(our_node, 0);
  auto to_us = connect(their_node, "127.0.0.1", port);
  auto to_them = connect(our_node, "127.0.0.1", publish(their_node, 0));
  REQUIRE(to_us.wait_until_connected(60s));
  REQUIRE(to_them.wait_until_connected(60s));
  read_patiently(there, their_node);
  read_patiently(here, our_node);
  auto guard = our_node.guard("db", (*here).spawn(doubling_target), {});
  CHECK(here.get<std::int32_t>(guard, ask_atom_v, std::int32_t{2}) == 4);

  networked_system program; // it knows the messages, and has no node
  auto door = program->middleman().remote_actor("127.0.0.1", port);
  REQUIRE(door);
  while (true) { // until our node has heard of theirs
    const auto stats = program.get<cluster_stats>(*door, get_cluster_stats_atom_v);
    REQUIRE(stats.nodes.size() == 2);
    CHECK(stats.nodes[0].name == "here");
    CHECK(stats.nodes[0].state == node_state::here);
    CHECK(stats.total == counters{.calls = 1, .succeeded = 1});
    if (stats.nodes[1].name == "there")
      break;
  }
  while (true) { // and theirs of ours
    const auto theirs = there.get<cluster_stats>(their_node.cluster(), get_cluster_stats_atom_v);
    CHECK(theirs.nodes.at(0).name == "there");
    if (theirs.nodes.at(1).age) {
      CHECK(theirs.total == counters{.calls = 1, .succeeded = 1});
      break;
    }
  }
}
