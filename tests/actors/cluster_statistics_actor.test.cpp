// What several nodes have counted, in virtual time: the network and the other nodes' front doors are
// the test's own.
#include "bulwark/cluster_statistics_actor.hpp"

#include "bulwark/connector_actor.hpp"

#include "support/guards.hpp"
#include "support/listener.hpp"

#include <algorithm>
#include <cmath>
#include <set>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

// Who is published at which port: what is not there can't be reached.
using network = std::map<std::uint16_t, caf::actor>;

caf::behavior dialler(caf::event_based_actor* self, std::shared_ptr<network> ports) {
  return {[self, ports](caf::connect_atom, const std::string&, std::uint16_t port) {
    auto promise = self->make_response_promise();
    if (const auto i = ports->find(port); i != ports->end())
      promise.deliver(self->node(), caf::actor_cast<caf::strong_actor_ptr>(i->second),
                      std::set<std::string>{});
    else
      promise.deliver(caf::make_error(caf::sec::cannot_connect_to_node));
    return promise;
  }};
}

// Another node's front door: says what the test says, or keeps silent.
struct door_log {
  int questions = 0;
  caf::message answer = {}; // empty: none
  std::vector<caf::response_promise> open;
  caf::strong_actor_ptr asker;
};

caf::behavior front_door(caf::event_based_actor* self, std::shared_ptr<door_log> log) {
  const auto give = [](caf::response_promise promise, const caf::message& answer) {
    if (answer.match_elements<caf::error>())
      promise.deliver(answer.get_as<caf::error>(0));
    else
      promise.deliver(answer);
  };
  return {
      [self, log, give](get_all_stats_atom) {
        ++log->questions;
        log->asker = self->current_sender();
        auto promise = self->make_response_promise();
        if (log->answer.empty())
          log->open.push_back(promise);
        else
          give(promise, log->answer);
        return promise;
      },
      [log, give](answer_atom, std::uint64_t which, const caf::message& answer) {
        give(log->open.at(which), answer);
      },
  };
}

struct peer {
  std::shared_ptr<door_log> log = std::make_shared<door_log>();
  caf::actor door;
  caf::actor connector;
};

// That many calls that took as long, of one guard.
node_stats some_stats(std::uint64_t incarnation, std::uint64_t calls, timespan latency = 1ms) {
  node_stats result{.guards = {guard_stats{.name = "db"}},
                    .total = {.calls = calls, .succeeded = calls},
                    .incarnation = incarnation};
  for (std::uint64_t i = 0; i < calls; ++i)
    result.latency.record(latency);
  result.guards[0].calls = result.total;
  return result;
}

struct fixture : guard_fixture {
  std::shared_ptr<network> ports = std::make_shared<network>();
  caf::actor middleman = sys->spawn(dialler, ports);
  std::map<std::uint16_t, peer> peers;

  ~fixture() {
    for (auto& [port, each] : peers) {
      each.log->open.clear(); // a promise holds its actor
      each.log->asker = nullptr;
      if (each.door)
        sys.kill(each.door);
    }
    ports->clear();
    sys.kill(middleman);
  }

  peer& open(std::uint16_t port, node_stats stats) {
    return open(port, caf::make_message(std::move(stats)));
  }
  peer& open(std::uint16_t port, caf::message answer) {
    auto& result = peers[port];
    result.log->answer = std::move(answer);
    result.door = sys->spawn(front_door, result.log);
    (*ports)[port] = result.door;
    return result;
  }
  void lose(std::uint16_t port) {
    peers.at(port).log->open.clear();
    ports->erase(port);
    sys.kill(std::exchange(peers.at(port).door, nullptr));
  }
  // As connect() of bulwark/distributed.hpp does it.
  caf::actor dial(std::uint16_t port) {
    auto connector = sys->spawn<connector_actor>(connector_actor::settings{
        .host = "peer",
        .port = port,
        .dialler = middleman,
        .node = caf::actor_cast<caf::strong_actor_ptr>(node->timeout_manager()),
        .line = std::make_shared<peer_line>(),
        .seed = port});
    tell(node->cluster(), attach_atom_v, "peer:" + std::to_string(port), connector);
    sys.run();
    return connector;
  }
  peer& connect(std::uint16_t port, node_stats stats) {
    auto& result = open(port, std::move(stats));
    result.connector = dial(port);
    return result;
  }
  cluster_stats read() {
    return sys.get<cluster_stats>(node->front_door(), get_cluster_stats_atom_v);
  }
  // Calls of the node's own guard that take as long.
  void call(const caf::actor& guard, int calls, timespan latency) {
    for (int i = 0; i < calls; ++i) {
      auto answer = sys.ask(guard, ask_atom_v, std::int32_t{1});
      sys.advance(latency);
      sys.answer(target, target.log->questions.size() - 1, std::int32_t{2});
      REQUIRE(answer->count() == 1);
    }
  }
};

} // namespace

// -- what is told ------------------------------------------------------------------------

TEST_CASE("a node without others tells of itself alone and sets no timer [D70] [D78]",
          "[cluster]") {
  fixture f;
  auto guard = f.guard({});
  f.call(guard, 3, 1ms);
  const auto stats = f.read();
  REQUIRE(stats.nodes.size() == 1);
  CHECK(stats.nodes[0].state == node_state::here);
  CHECK(stats.nodes[0].name.empty());
  CHECK(stats.nodes[0].age == 0s);
  CHECK(stats.nodes[0].stats.guards.size() == 1);
  CHECK(stats.nodes[0].stats.total.succeeded == 3);
  CHECK(stats.total.calls == 3);
  f.sys.advance(2s);
  CHECK(f.sys.clock_entries() == 0);
}

TEST_CASE("nodes are told with state and age and name and the total is that of all [D70]",
          "[cluster]") {
  fixture f;
  auto guard = f.guard({});
  f.call(guard, 3, 1ms);
  f.connect(1, some_stats(11, 5));
  auto named = some_stats(12, 7);
  named.node = "orders";
  f.connect(2, named);
  auto nobody = f.dial(3);
  const auto stats = f.read();
  REQUIRE(stats.nodes.size() == 4);
  CHECK(stats.nodes[0].state == node_state::here);
  CHECK(stats.nodes[1].address == "peer:1");
  CHECK(stats.nodes[1].name == "peer:1");
  CHECK(stats.nodes[1].state == node_state::connected);
  CHECK(stats.nodes[1].stats.guards.at(0).name == "db");
  CHECK(stats.nodes[1].stats.latency.count() == 5);
  CHECK(stats.nodes[2].name == "orders");
  CHECK(stats.nodes[2].address == "peer:2");
  CHECK(stats.nodes[3].state == node_state::awaited);
  CHECK(stats.nodes[3].age == std::nullopt);
  CHECK(stats.total == counters{.calls = 15, .succeeded = 15});
  CHECK(stats.latency.count() == 15);
  CHECK(stats.unresolved == 0);
}

TEST_CASE("the p99 over nodes is that of all calls within the histogram's error [D71]",
          "[cluster]") {
  fixture f;
  auto guard = f.guard({});
  f.call(guard, 480, 1ms);
  f.call(guard, 10, 7ms);
  auto theirs = some_stats(11, 20, 20ms);
  for (int i = 0; i < 500; ++i)
    theirs.latency.record(300us);
  f.connect(1, theirs);
  const auto latency = f.read().latency;
  REQUIRE(latency.count() == 1'010);
  // All in order: 500 of 0.3 ms, 480 of 1 ms, 10 of 7 ms, 20 of 20 ms.
  const auto is_near = [&](double q, timespan exact) {
    const auto off = std::chrono::abs(latency.quantile(q) - exact);
    return static_cast<double>(off.count())
           <= static_cast<double>(exact.count()) * latency_histogram::relative_error;
  };
  CHECK(is_near(0.49, 300us));
  CHECK(is_near(0.97, 1ms));
  CHECK(is_near(0.98, 7ms)); // the 990th
  CHECK(is_near(0.99, 20ms));
}

TEST_CASE("who is asked tells its own figures only [D70]", "[cluster]") {
  fixture f;
  auto& there = f.connect(1, some_stats(11, 5));
  const auto questions = there.log->questions;
  const auto own = f.sys.get<node_stats>(f.node->front_door(), get_all_stats_atom_v);
  CHECK(own.total.calls == 0);
  CHECK(own.incarnation != 0);
  CHECK(there.log->questions == questions);
}

TEST_CASE("an address that is connected to twice is told once [D70]", "[cluster]") {
  fixture f;
  auto& there = f.connect(1, some_stats(11, 5));
  auto again = f.dial(1);
  CHECK(f.read().nodes.size() == 2);
  CHECK(there.log->questions == 2); // when it was connected, and now
  f.sys.advance(10s);
  CHECK(there.log->questions == 12);
  there.connector = nullptr; // the other one is still there
  f.sys.run();
  CHECK(f.read().total.calls == 5);
}

// -- loss and restart ----------------------------------------------------------------------

TEST_CASE("a lost node is marked and its last figures stay [D72]", "[cluster]") {
  fixture f;
  auto last = some_stats(11, 5);
  last.total = {.calls = 7, .succeeded = 5, .in_flight = 2};
  f.connect(1, last);
  f.connect(2, some_stats(12, 1));
  f.sys.advance(10s);
  CHECK(f.read().unresolved == 0);
  f.lose(1);
  f.sys.advance(1min);
  const auto stats = f.read();
  CHECK(stats.nodes[1].state == node_state::lost);
  CHECK(stats.nodes[1].age == 1min);
  CHECK(stats.nodes[1].stats.total == last.total);
  CHECK(stats.nodes[1].stats.guards.size() == 1);
  CHECK(stats.nodes[2].state == node_state::connected);
  CHECK(stats.total == counters{.calls = 8, .succeeded = 6, .in_flight = 2});
  CHECK(stats.unresolved == 2);
}

TEST_CASE("after a restart the total goes on from what the earlier process had [D73]",
          "[cluster]") {
  fixture f;
  f.connect(1, some_stats(11, 5));
  f.lose(1);
  f.open(1, some_stats(21, 2));
  f.sys.advance(10s);
  auto stats = f.read();
  CHECK(stats.nodes[1].state == node_state::connected);
  CHECK(stats.nodes[1].stats.total.calls == 2);
  CHECK(stats.nodes[1].earlier.calls == 5);
  CHECK(stats.nodes[1].earlier_latency.count() == 5);
  CHECK(stats.nodes[1].restarts == 1);
  CHECK(stats.total.calls == 7);
  // Lost and found without a restart: nothing is counted twice.
  f.lose(1);
  f.open(1, some_stats(21, 3));
  f.sys.advance(10s);
  stats = f.read();
  CHECK(stats.total.calls == 8);
  CHECK(stats.nodes[1].restarts == 1);
}

TEST_CASE("a process at two addresses and a node connected to itself count once [D74]",
          "[cluster]") {
  fixture f;
  auto guard = f.guard({});
  f.call(guard, 3, 1ms);
  (*f.ports)[9] = f.node->front_door();
  auto self = f.dial(9);
  auto& there = f.connect(1, some_stats(11, 5));
  (*f.ports)[2] = there.door;
  auto other = f.dial(2);
  const auto stats = f.read();
  CHECK(stats.nodes.size() == 4);
  CHECK(stats.nodes[2].stats.total.calls == 5);
  CHECK(stats.nodes[3].stats.total.calls == 3);
  CHECK(stats.total.calls == 8);
  f.dial(2); // one connection more, that nobody keeps
  auto third = f.dial(3);
  (*f.ports)[3] = there.door;
  f.sys.advance(5s);
  third = nullptr; // another address of the same door: the others still hear of its end
  f.sys.run();
  f.sys.kill(std::exchange(there.door, nullptr)); // both addresses' door
  CHECK(f.read().nodes[1].state == node_state::lost);
  CHECK(f.read().nodes[2].state == node_state::lost);
  f.ports->clear();
}

// -- asking --------------------------------------------------------------------------------

TEST_CASE("a connected node is asked each second and one timer runs [D75] [D78]", "[cluster]") {
  fixture f;
  auto& first = f.connect(1, some_stats(11, 5));
  auto& second = f.connect(2, some_stats(12, 5));
  CHECK(first.log->questions == 1);
  f.sys.advance(1min);
  CHECK(first.log->questions == 61);
  CHECK(second.log->questions == 61);
  CHECK(f.sys.clock_entries() == 1);
  f.lose(1);
  f.lose(2);
  first.connector = nullptr;
  second.connector = nullptr;
  f.sys.advance(11s);
  CHECK(f.sys.clock_entries() == 0);
}

TEST_CASE("what nodes at rest have counted is read exactly [D75]", "[cluster]") {
  fixture f;
  auto& there = f.connect(1, some_stats(11, 5));
  there.log->answer = caf::make_message(some_stats(11, 6));
  CHECK(f.read().total.calls == 6);
  // A question is under way whose answer is from before.
  there.log->answer = caf::message{};
  f.sys.advance(1s);
  REQUIRE(there.log->open.size() == 1);
  auto answer = f.sys.ask(f.node->front_door(), get_cluster_stats_atom_v);
  there.log->answer = caf::make_message(some_stats(11, 8));
  tell(there.door, answer_atom_v, std::uint64_t{0}, caf::make_message(some_stats(11, 7)));
  f.sys.run();
  CHECK(answer->as<cluster_stats>().total.calls == 8);
}

TEST_CASE("a silent node holds up readers for a second and the others not at all [D76]",
          "[cluster]") {
  fixture f;
  auto& silent = f.open(1, caf::message{});
  silent.connector = f.dial(1);
  auto& other = f.connect(2, some_stats(12, 5));
  std::vector<reply_ptr> answers;
  for (int i = 0; i < 100; ++i)
    answers.push_back(f.sys.ask(f.node->front_door(), get_cluster_stats_atom_v));
  f.sys.advance(999ms);
  CHECK(answers[0]->count() == 0);
  f.sys.advance(1ms);
  for (const auto& each : answers) {
    REQUIRE(each->count() == 1);
    CHECK(each->as<cluster_stats>().total.calls == 5);
    CHECK(each->as<cluster_stats>().nodes[1].age == std::nullopt);
  }
  CHECK(silent.log->questions == 1);
  f.sys.advance(1min);
  CHECK(silent.log->questions == 7); // after 10 s each, of which the first began at the beginning
  CHECK(other.log->questions >= 61);
}

TEST_CASE("what is no answer counts as none [D77]", "[cluster]") {
  fixture f;
  f.connect(1, some_stats(11, 5)).log->answer =
      caf::make_message(caf::make_error(caf::sec::unexpected_message));
  f.connect(2, some_stats(12, 5)).log->answer = caf::make_message(std::int32_t{4});
  f.connect(3, some_stats(0, 5));
  f.sys.advance(10s);
  const auto stats = f.read();
  CHECK(stats.nodes[1].state == node_state::connected);
  CHECK(stats.nodes[1].age == 10s);
  CHECK(stats.nodes[2].age == 10s);
  CHECK(stats.nodes[3].age == std::nullopt);
  CHECK(stats.total.calls == 10);
}

TEST_CASE("an answer by somebody else than was asked is none [D77]", "[cluster]") {
  fixture f;
  auto& there = f.open(1, caf::message{});
  there.connector = f.dial(1);
  REQUIRE(there.log->open.size() == 1);
  auto other = f.sys->spawn(front_door, std::make_shared<door_log>());
  const auto forge = [&](const caf::strong_actor_ptr& sender) {
    for (std::uint64_t number = 1; number < 5; ++number) {
      const auto id = caf::make_message_id(number | caf::message_id::default_async_value);
      compat::deliver(there.log->asker, sender, id.response_id(),
                      caf::make_message(some_stats(66, 500)), nullptr);
    }
    f.sys.run();
  };
  forge(caf::actor_cast<caf::strong_actor_ptr>(other));
  // The question is still open for whom it was put to.
  tell(there.door, answer_atom_v, std::uint64_t{0}, caf::make_message(some_stats(11, 4)));
  there.log->answer = caf::make_message(caf::make_error(caf::sec::runtime_error));
  CHECK(f.read().total.calls == 4);
  there.log->answer = caf::message{};
  f.sys.advance(1s);
  forge(nullptr);
  // Nor does it listen to anything else.
  compat::tell(there.log->asker, shutdown_atom_v);
  compat::tell(there.log->asker, get_cluster_stats_atom_v);
  there.log->answer = caf::make_message(some_stats(11, 5));
  f.sys.advance(1s);
  CHECK(f.read().total.calls == 5);
  f.sys.kill(other);
}

TEST_CASE("doors are taken from connectors only [D77]", "[cluster]") {
  fixture f;
  auto& there = f.connect(1, some_stats(11, 5));
  auto other = f.sys->spawn(front_door, there.log);
  const auto change = [&](const caf::actor& by) {
    compat::deliver(
        caf::actor_cast<caf::strong_actor_ptr>(f.node->cluster()),
        caf::actor_cast<caf::strong_actor_ptr>(by), caf::make_message_id(),
        caf::make_message(door_change{.door = caf::actor_cast<caf::strong_actor_ptr>(other)}),
        nullptr);
    f.sys.run();
  };
  change(caf::actor{});
  change(other);
  tell(f.node->cluster(), attach_atom_v, std::string{}, other); // ours is the empty address
  tell(f.node->cluster(), attach_atom_v, std::string{"nobody:1"}, caf::actor{});
  f.sys.run();
  change(other);
  const auto stats = f.read();
  CHECK(stats.nodes.size() == 2);
  CHECK(stats.nodes[0].stats.incarnation != 11); // the own registry has answered
  f.sys.kill(other);
  CHECK(f.read().nodes[1].state == node_state::connected);
}

TEST_CASE("figures that do not balance are shown as they are [D77]", "[cluster]") {
  fixture f;
  auto wrong = some_stats(11, 5);
  wrong.total.calls = 6;
  f.connect(1, wrong);
  const auto stats = f.read();
  CHECK(stats.nodes[0].stats.total.balanced());
  CHECK_FALSE(stats.nodes[1].stats.total.balanced());
  CHECK_FALSE(stats.total.balanced());
}

// -- what is kept alive ----------------------------------------------------------------------

TEST_CASE("a node whose connection nobody has is known no longer [D78]", "[cluster]") {
  fixture f;
  auto& there = f.connect(1, some_stats(11, 5));
  const auto questions = there.log->questions;
  const auto connector = caf::actor_cast<caf::actor_addr>(there.connector);
  there.connector = nullptr;
  f.sys.run();
  CHECK_FALSE(caf::actor_cast<caf::strong_actor_ptr>(connector));
  const auto stats = f.read();
  CHECK(stats.nodes.size() == 1);
  CHECK(stats.total.calls == 0);
  f.sys.advance(1min);
  CHECK(there.log->questions == questions);
  CHECK(f.sys.clock_entries() == 0);
}

TEST_CASE("a door that is lost is not kept [D78]", "[cluster]") {
  fixture f;
  auto& there = f.connect(1, some_stats(11, 5));
  const auto door = caf::actor_cast<caf::actor_addr>(there.door);
  there.log->asker = nullptr;
  f.lose(1);
  CHECK_FALSE(caf::actor_cast<caf::strong_actor_ptr>(door));
}

TEST_CASE("readers that still wait when the node ends are answered [D2] [D78]", "[cluster]") {
  fixture f;
  auto& silent = f.open(1, caf::message{});
  silent.connector = f.dial(1);
  auto answer = f.sys.ask(f.node->cluster(), get_cluster_stats_atom_v);
  f.sys.ask(f.node->cluster(), shutdown_atom_v);
  CHECK(is(answer, errc::shutting_down));
  CHECK(f.sys.ask(f.node->front_door(), get_cluster_stats_atom_v)->is_error());
}

// -- policy --------------------------------------------------------------------------------

TEST_CASE("the interval is set by message and a wrong one is refused [D79] [P4]", "[cluster]") {
  fixture f;
  auto& there = f.connect(1, some_stats(11, 5));
  const auto taken =
      f.sys.ask(f.node->cluster(), change_policy_atom_v, cluster_policy{.interval = 100ms});
  CHECK_FALSE(taken->is_error());
  f.sys.advance(1s);
  CHECK(there.log->questions == 11);
  auto answer = f.sys.ask(f.node->cluster(), change_policy_atom_v, cluster_policy{.interval = 1ms});
  REQUIRE(is(answer, errc::invalid_policy));
  CHECK(to_string(answer->error()).find("cluster.interval is 1ms, permitted: 10ms .. 1d")
        != std::string::npos);
  f.sys.advance(1s);
  CHECK(there.log->questions == 21); // the old one holds
  // Not through the door.
  CHECK(f.sys.ask(f.node->front_door(), change_policy_atom_v, cluster_policy{})->is_error());
}
