#include "support/catch.hpp"
#include "support/listener.hpp"
#include "support/virtual_system.hpp"

#include "bulwark/random.hpp"

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

// Guards that share a breaker, the breaker used alone, and the timeout manager, all with one target
// that does what it likes.
struct world {
  virtual_system sys;
  virtual_system::manual target = sys.spawn_manual();
  virtual_node node{sys};
  caf::actor breaker = node->circuit_breaker(
      "shared", {.failure_threshold = 3, .success_threshold = 2, .open_for = 50ms});
  std::vector<caf::actor> guards;
  std::vector<std::pair<reply_ptr, caf::actor>> asked; // and by whom
  std::size_t answered = 0;
  std::uint64_t made = 0;
  random_stream random;

  explicit world(std::uint64_t seed) : random(seed) {}
  ~world() { sys.kill(target.handle); }

  std::uint64_t pick(std::uint64_t below) { return random.next() % below; }

  void add_guard() {
    guards.push_back(node->guard("g" + std::to_string(++made), target.handle,
                                 {.deadline = 200ms,
                                  .attempt_timeout = 30ms,
                                  .retry = retry_policy{.max_attempts = 2, .base_delay = 5ms},
                                  .breaker = breaker}));
  }

  template <class... Ts>
  void ask(const caf::actor& whom, Ts... xs) {
    auto reply = sys.send(whom, std::move(xs)...);
    asked.emplace_back(reply, sys.last_caller());
  }

  void step() {
    const auto question = caf::make_message(ask_atom_v, std::int32_t{1});
    switch (pick(12)) {
    case 0:
      ask(breaker, call_atom_v, target.handle, question);
      break;
    case 1:
      ask(node->timeout_manager(), run_atom_v, target.handle, timespan{pick(40) * 1ms}, question);
      break;
    case 2:
      sys.advance(timespan{pick(60) * 1ms});
      break;
    case 3: // a guard crashes
      if (pick(20) == 0 && !guards.empty()) {
        const auto which = static_cast<std::ptrdiff_t>(pick(guards.size()));
        caf::anon_send_exit(guards[static_cast<std::size_t>(which)], caf::exit_reason::kill);
        guards.erase(guards.begin() + which);
      }
      break;
    case 4:
      if (guards.size() < 4)
        add_guard();
      break;
    case 5:
      if (!asked.empty() && !guards.empty()) // takes its call back, if it is that guard's
        tell(asked[pick(asked.size())].second, cancel_atom_v, guards[pick(guards.size())]);
      break;
    case 6:
      if (pick(10) == 0)
        tell(breaker, reset_atom_v);
      break;
    case 7:
    case 8:
    case 9:
      if (answered < target.log->questions.size()) {
        const auto which = static_cast<std::uint64_t>(answered++);
        if (pick(3) == 0)
          sys.answer(target, which, caf::make_error(target_error::broken));
        else if (pick(10) != 0) // else it is forgotten
          sys.answer(target, which, std::int32_t{2});
      }
      break;
    default:
      if (!guards.empty())
        ask(guards[pick(guards.size())], ask_atom_v, std::int32_t{1});
    }
    sys.run();
  }

  void check_books() {
    auto now = sys.get<node_stats>(node->registry(), get_all_stats_atom_v);
    REQUIRE(now.total.balanced());
    for (const auto& guard : now.guards) {
      REQUIRE(guard.calls.balanced());
      REQUIRE(guard.latency.count() <= guard.calls.calls);
    }
    REQUIRE(now.circuit_breakers.size() == 1);
    const auto& stats = now.circuit_breakers[0];
    REQUIRE(stats.calls.balanced());
    REQUIRE(stats.probes <= 2);
    REQUIRE(now.timeout_managers.size() == 1);
    REQUIRE(now.timeout_managers[0].calls.balanced());
  }
};

} // namespace

TEST_CASE("the books of all parts balance after every step of random histories [K1] [K4] [Y3] [Y7]",
          "[statistics_books]") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    INFO("seed " << seed);
    world w{seed};
    for (int i = 0; i < 600; ++i) {
      w.step();
      w.check_books();
    }
    // At rest: everybody has exactly one answer, and nothing is in flight.
    w.sys.kill(w.target.handle);
    w.sys.advance(1h);
    w.check_books();
    auto rest = w.sys.get<node_stats>(w.node->registry(), get_all_stats_atom_v);
    CHECK(rest.total.in_flight == 0);
    CHECK(rest.circuit_breakers.at(0).calls.in_flight == 0);
    CHECK(rest.circuit_breakers.at(0).probes == 0);
    CHECK(rest.timeout_managers.at(0).calls.in_flight == 0);
    std::size_t wrong = 0;
    for (const auto& [reply, caller] : w.asked)
      wrong += reply->count() == 1 ? 0 : 1;
    CHECK(wrong == 0);
  }
}

TEST_CASE("a late reply is counted by guard and manager and changes no other book [M6] [K1]",
          "[statistics_books]") {
  world w{1};
  auto guard = w.node->guard("late", w.target.handle, {.attempt_timeout = 10ms});
  w.ask(guard, ask_atom_v, std::int32_t{1});
  w.ask(w.node->timeout_manager(), run_atom_v, w.target.handle, timespan{10ms},
        caf::make_message(ask_atom_v, std::int32_t{1}));
  w.sys.advance(20ms);
  w.sys.answer(w.target, 0, std::int32_t{1});
  w.sys.answer(w.target, 1, std::int32_t{1});
  auto now = w.sys.get<node_stats>(w.node->registry(), get_all_stats_atom_v);
  CHECK(now.guards.at(0).late_replies == 1);
  CHECK(now.timeout_managers.at(0).late_replies == 1);
  CHECK(now.total.timed_out == 1);
  CHECK(now.timeout_managers.at(0).calls.timed_out == 1);
  w.check_books();
}
