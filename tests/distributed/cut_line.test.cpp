// A line that falls silent, one way or both, slows down, or breaks again and again.
//
// With BULWARK_LONG_TESTS=1 the silence lasts 10 s, and there are 20 more of other lengths.
#include "distributed/peer_process.hpp"
#include "distributed/relay.hpp"
#include "support/catch.hpp"
#include "support/networked_system.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <string>
#include <vector>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

using clock = std::chrono::steady_clock;
using way = relay::way;

constexpr timespan deadline = 100ms;
// What a busy machine may add to an answer that is due.
constexpr timespan scheduling = 900ms;

bool long_tests() {
  return std::getenv("BULWARK_LONG_TESTS") != nullptr;
}

double seconds(clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

// A peer of its own, the line to it, and a guard.
struct connection {
  peer_process peer{as_options(quick_heartbeats)};
  relay line{peer.port()};
  remote_node remote;
  caf::actor db;

  explicit connection(bulwark::node& node) : remote(connect(node, "127.0.0.1", line.port())) {
    db = remote.guard("db", {.deadline = deadline});
  }
};

struct fixture {
  networked_system sys{quick_heartbeats};
  bulwark::node node{*sys};

  // One call each, all at once. Returns who was served; checks that all were answered in time.
  std::vector<bool> call(const std::vector<caf::actor>& guards) {
    const auto begin = clock::now();
    std::vector<reply_ptr> answers;
    for (const auto& guard : guards)
      answers.push_back(sys.send(guard, get_atom_v, std::int32_t{21}));
    std::vector<bool> served;
    for (const auto& answer : answers) {
      answer->wait();
      CHECK(clock::now() - begin < deadline + scheduling);
      CHECK(answer->count() == 1);
      served.push_back(!answer->is_error());
      if (answer->is_error())
        CHECK((answer->error() == errc::timed_out || answer->error() == errc::target_lost));
      else
        CHECK(answer->as<std::int32_t>() == 42);
    }
    return served;
  }

  bool call(const caf::actor& guard) { return call(std::vector{guard})[0]; }

  // Each answer is an event; returns how many were served.
  std::size_t call_for(clock::duration time, const std::vector<caf::actor>& guards) {
    std::size_t served = 0;
    for (const auto end = clock::now() + time; clock::now() < end;)
      for (const auto good : call(guards))
        served += good ? 1U : 0U;
    return served;
  }

  // How long until each has been served once.
  clock::duration until_served(std::vector<caf::actor> guards) {
    const auto begin = clock::now();
    while (!guards.empty()) {
      const auto served = call(guards);
      for (std::size_t i = guards.size(); i-- > 0;)
        if (served[i])
          guards.erase(guards.begin() + static_cast<std::ptrdiff_t>(i));
    }
    return clock::now() - begin;
  }
};

struct six_lines : fixture {
  std::deque<connection> lines;
  std::vector<caf::actor> guards;

  six_lines() {
    while (lines.size() < 6)
      guards.push_back(lines.emplace_back(node).db);
    for (auto& each : lines)
      REQUIRE(each.remote.wait_until_connected(60s));
    until_served(guards);
  }

  void cut() {
    lines[0].line.hold();
    lines[1].line.hold(way::to_target);
    lines[2].line.hold(way::to_dialler);
    lines[3].line.lose();
    lines[4].line.lose(way::to_target);
    lines[5].line.lose(way::to_dialler);
  }

  void heal() {
    for (auto& each : lines)
      each.line.resume();
  }
};

} // namespace

TEST_CASE("while lines are silent one way or both calls are answered in time and after the healing "
          "the same handles serve within 2 s [D50] [D51] [D8] [D9]",
          "[distributed]") {
  six_lines f;
  const auto silence = [&f](clock::duration time) {
    f.cut();
    CHECK(f.call_for(time, f.guards) == 0);
    f.heal();
    const auto back = f.until_served(f.guards);
    CHECK(back < 2s);
    if (long_tests())
      std::cout << "silent for " << seconds(time) << " s, all six served " << seconds(back)
                << " s after the healing" << std::endl;
  };
  if (!long_tests())
    return silence(1'800ms);
  silence(10s);
  random_stream random{1};
  for (int i = 0; i < 20; ++i)
    silence(1'600ms + std::chrono::milliseconds{random.next() % 3'000});
}

TEST_CASE("a peer that takes connections and says nothing holds up a dial for a heartbeat's time "
          "[D52] [D51]",
          "[distributed]") {
  fixture f;
  peer_process peer{as_options(quick_heartbeats)};
  relay line{peer.port()};
  line.lose();
  auto remote = connect(f.node, "127.0.0.1", line.port());
  auto db = remote.guard("db", {.deadline = deadline});
  while (line.taken() < 3) // two dials have been given up
    CHECK_FALSE(f.call(db));
  CHECK_FALSE(remote.connected());
  line.resume();
  CHECK(f.until_served({db}) < 2s);
}

TEST_CASE("a line that is reset again and again serves between the resets and within 2 s of the "
          "last [D51]",
          "[distributed]") {
  fixture f;
  connection c{f.node};
  f.until_served({c.db});
  for (int i = 0; i < 5; ++i) {
    c.line.drop_all();
    CHECK(f.until_served({c.db}) < 2s);
  }
  c.line.refuse();
  c.line.drop_all();
  f.call_for(500ms, {c.db});
  CHECK_FALSE(f.call(c.db));
  c.line.resume();
  CHECK(f.until_served({c.db}) < 2s);
}

TEST_CASE("over a slow line all calls are served [D7]", "[distributed]") {
  fixture f;
  peer_process peer;
  relay line{peer.port()};
  line.delay(way::to_target, 20ms);
  line.delay(way::to_dialler, 30ms);
  auto remote = connect(f.node, "127.0.0.1", line.port());
  REQUIRE(remote.wait_until_connected(60s));
  auto db = remote.guard("db", {.deadline = 10min});
  const auto begin = clock::now();
  std::vector<reply_ptr> answers;
  for (std::int32_t i = 0; i < 500; ++i)
    answers.push_back(f.sys.send(db, get_atom_v, i));
  for (std::int32_t i = 0; i < 500; ++i) {
    answers[static_cast<std::size_t>(i)]->wait();
    REQUIRE(answers[static_cast<std::size_t>(i)]->as<std::int32_t>() == 2 * i);
  }
  CHECK(clock::now() - begin >= 50ms); // there and back
}
