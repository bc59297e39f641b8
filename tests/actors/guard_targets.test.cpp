#include "support/guards.hpp"

#include <algorithm>
#include <set>

/// @file Guards of several targets, guards that make their targets, and second copies of calls.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

struct several_targets : guard_fixture {
  std::vector<virtual_system::manual> targets;

  explicit several_targets(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      targets.push_back(sys.spawn_manual());
  }

  caf::actor guard_of_all(const guard_policy& policy) {
    std::vector<caf::actor> all;
    for (const auto& each : targets)
      all.push_back(each.handle);
    auto result = node->guard("db", all, policy);
    sys.run();
    return result;
  }

  /// Which target was asked; the test asks once at a time.
  std::size_t asked_last(const std::vector<std::size_t>& before) {
    for (std::size_t i = 0; i < targets.size(); ++i)
      if (targets[i].log->questions.size() > before[i])
        return i;
    FAIL("nobody was asked");
    return 0;
  }

  void reply(std::size_t which, std::size_t question, bool good) {
    if (good)
      sys.answer(targets[which], question, std::int32_t{1});
    else
      sys.answer(targets[which], question, caf::make_error(target_error::broken));
  }

  std::vector<std::size_t> counts() const {
    std::vector<std::size_t> result;
    for (const auto& each : targets)
      result.push_back(each.log->questions.size());
    return result;
  }
};

retry_policy tries(std::uint32_t n) {
  return {.max_attempts = n, .base_delay = 10ms, .jitter = jitter_kind::none};
}

caf::error busy() {
  return caf::make_error(target_error::busy, error_mark::transient);
}

/// A target that a guard makes, and how often it has.
struct made_targets {
  virtual_system& sys;
  std::vector<virtual_system::manual> all = {};
  bool fails = false;

  caf::actor operator()() {
    if (fails)
      throw std::runtime_error{"no target today"};
    all.push_back(sys.spawn_manual());
    return all.back().handle;
  }
};

} // namespace

// -- several targets -----------------------------------------------------------------------

TEST_CASE("a guard of several targets asks each of them, and each attempt of a call another [H1]",
          "[guard]") {
  several_targets f{3};
  auto guard = f.guard_of_all({.retry = tries(3)});
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  std::set<std::size_t> asked;
  for (auto attempt = 0; attempt < 3; ++attempt) {
    std::vector<std::size_t> before(3, 0);
    for (auto each : asked)
      before[each] = 1;
    const auto which = f.asked_last(before);
    CHECK(asked.insert(which).second);
    if (attempt < 2)
      f.sys.answer(f.targets[which], 0, busy());
    else
      f.sys.answer(f.targets[which], 0, std::int32_t{7});
    f.sys.advance(25ms);
  }
  CHECK(answer->as<std::int32_t>() == 7);
  CHECK(f.stats(guard).attempts == 3);
}

TEST_CASE("a target that fails in a row is left out until its ejection ends [H2]", "[guard]") {
  several_targets f{3};
  auto guard = f.guard_of_all({.replicas = {.consecutive_failures = 3,
                                            .deviation = 0,
                                            .base_ejection = 1h,
                                            .max_ejection = 2h,
                                            .latency_memory = 1s}});
  const auto ask_once = [&](std::size_t failing) {
    const auto before = f.counts();
    f.sys.ask(guard, ask_atom_v, 1);
    const auto which = f.asked_last(before);
    f.reply(which, before[which], which != failing);
    f.sys.advance(2s); // by then who has failed is tried again
    return which;
  };
  for (auto i = 0; i < 100; ++i)
    ask_once(1);
  CHECK(f.targets[1].log->questions.size() == 3);
  f.sys.advance(1h);
  for (auto i = 0; i < 100; ++i)
    ask_once(3); // all are well again
  CHECK(f.targets[1].log->questions.size() > 13);
}

TEST_CASE("a target that ends is asked no more, and what it had goes to another [H1] [G4]",
          "[guard]") {
  several_targets f{2};
  auto guard = f.guard_of_all({.retry = tries(2)});
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  const auto first = f.asked_last({0, 0});
  f.sys.kill(f.targets[first].handle);
  f.sys.advance(12ms);
  REQUIRE(f.targets[1 - first].log->questions.size() == 1);
  f.sys.answer(f.targets[1 - first], 0, std::int32_t{5});
  CHECK(answer->as<std::int32_t>() == 5);
  for (auto i = 0; i < 20; ++i)
    f.sys.ask(guard, ask_atom_v, 1);
  CHECK(f.targets[1 - first].log->questions.size() == 21);
  f.sys.kill(f.targets[1 - first].handle);
  auto nobody = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.advance(1s);
  CHECK(nobody->count() == 1);
  CHECK(f.stats(guard).calls.in_flight == 0);
}

TEST_CASE("what the guard of one target refuses goes to another [H1] [G10]", "[guard]") {
  several_targets f{2};
  std::vector<caf::actor> guards;
  for (std::size_t i = 0; i < 2; ++i)
    guards.push_back(f.node->guard("replica " + std::to_string(i), f.targets[i].handle,
                                   {.breaker = circuit_breaker_policy{.failure_threshold = 1}}));
  auto guard = f.node->guard("db", guards, {.retry = tries(2)});
  f.sys.run();
  // Both circuits are closed; one opens at its first failure, and is then refused by at once.
  for (auto i = 0; i < 20; ++i) {
    const auto before = f.counts();
    auto answer = f.sys.ask(guard, ask_atom_v, 1);
    f.sys.advance(12ms);
    const auto which = f.asked_last(before);
    f.reply(which, before[which], which != 0);
    CHECK(answer->count() == 1);
    CHECK(answer->is_error() == (which == 0));
  }
  CHECK(f.targets[0].log->questions.size() <= 1);
}

TEST_CASE("a guard of no target, or with a wrong policy, is refused [H4] [G13]", "[guard]") {
  several_targets f{1};
  CHECK_THROWS_AS(f.node->guard("db", std::vector<caf::actor>{}, {}), policy_error);
  CHECK_THROWS_AS(f.node->guard("db", std::vector<caf::actor>{{}, f.targets[0].handle}, {}),
                  policy_error);
  CHECK_THROWS_WITH(f.node->guard("db", f.targets[0].handle,
                                  {.hedge = hedge_policy{.percentile = 2},
                                   .replicas = {.interval = 0s},
                                   .restart = {.period = 0s}}),
                    Catch::Contains("hedge.percentile is 2, permitted: 0.5 .. 0.9999")
                        && Catch::Contains("replicas.interval is 0")
                        && Catch::Contains("restart.period is 0"));
}

// -- targets that the guard makes --------------------------------------------------------------

TEST_CASE("a target that its guard has made comes back when it ends, and goes with its guard [U1]",
          "[guard]") {
  guard_fixture f;
  auto made = std::make_shared<made_targets>(made_targets{f.sys});
  auto guard = f.node->guard("db", [made] { return (*made)(); }, {.retry = tries(2)});
  f.sys.run();
  REQUIRE(made->all.size() == 1);
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  f.sys.kill(made->all[0].handle);
  f.sys.advance(12ms);
  REQUIRE(made->all.size() == 2);
  REQUIRE(made->all[1].log->questions.size() == 1); // what was in flight is tried again
  f.sys.answer(made->all[1], 0, std::int32_t{3});
  CHECK(answer->as<std::int32_t>() == 3);
  CHECK(f.stats(guard).restarts == 1);
  const auto target = caf::actor_cast<caf::strong_actor_ptr>(made->all[1].handle);
  f.sys.kill(guard);
  CHECK(compat::has_ended(target));
}

TEST_CASE("between two targets calls are answered as the policy says, and the wait grows [U2]",
          "[guard]") {
  guard_fixture f;
  auto made = std::make_shared<made_targets>(made_targets{f.sys});
  auto guard =
      f.node->guard("db", [made] { return (*made)(); },
                    {.restart = {.intensity = 10, .min_backoff = 100ms, .random_share = 0}});
  f.sys.run();
  for (auto wait : {100ms, 200ms, 400ms}) {
    const auto before = made->all.size();
    f.sys.kill(made->all.back().handle);
    f.sys.advance(wait - 10ms);
    CHECK(is(f.sys.ask(guard, ask_atom_v, 1), errc::target_lost));
    CHECK(made->all.size() == before);
    f.sys.advance(15ms);
    CHECK(made->all.size() == before + 1);
  }
}

TEST_CASE("too many restarts end in an error that says so [U3]", "[guard]") {
  guard_fixture f;
  auto made = std::make_shared<made_targets>(made_targets{f.sys});
  auto guard = f.node->guard("db", [made] { return (*made)(); },
                             {.restart = {.intensity = 2, .period = 10s}});
  f.sys.run();
  SECTION("of targets that end") {
    for (auto i = 0; i < 3; ++i) {
      f.sys.kill(made->all.back().handle);
      f.sys.advance(1ms);
    }
  }
  SECTION("of targets that can't be made") {
    made->fails = true;
    f.sys.kill(made->all.back().handle);
    f.sys.advance(1ms);
  }
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  CHECK(is(answer, errc::target_lost));
  CHECK(to_string(answer->error()).find("restarted too often, and given up") != std::string::npos);
  f.sys.advance(1h);
  CHECK(is(f.sys.ask(guard, ask_atom_v, 1), errc::target_lost));
  CHECK(f.stats(guard).restarts == 2);
}

TEST_CASE("one_for_all stops and makes all anew, rest_for_one those after it [U1]", "[guard]") {
  guard_fixture f;
  const auto strategy = GENERATE(restart_strategy::one_for_one, restart_strategy::one_for_all,
                                 restart_strategy::rest_for_one);
  std::vector<std::shared_ptr<made_targets>> made;
  std::vector<std::function<caf::actor()>> makes;
  for (auto i = 0; i < 3; ++i) {
    made.push_back(std::make_shared<made_targets>(made_targets{f.sys}));
    makes.emplace_back([m = made.back()] { return (*m)(); });
  }
  auto guard = f.node->guard("db", makes, {.restart = {.strategy = strategy}});
  f.sys.run();
  f.sys.kill(made[1]->all[0].handle);
  f.sys.advance(1ms);
  const auto all = strategy == restart_strategy::one_for_all;
  const auto rest = strategy == restart_strategy::rest_for_one;
  CHECK(made[0]->all.size() == (all ? 2 : 1));
  CHECK(made[1]->all.size() == 2);
  CHECK(made[2]->all.size() == (all || rest ? 2 : 1));
  CHECK(compat::has_ended(caf::actor_cast<caf::strong_actor_ptr>(made[2]->all[0].handle))
        == (all || rest));
}

// -- second copies ------------------------------------------------------------------------------

TEST_CASE("a guard sends a second copy of a call that takes long, to another target [J1] [J4] [H1]",
          "[guard]") {
  several_targets f{2};
  auto guard = f.guard_of_all({.deadline = 1s, .hedge = hedge_policy{.delay = 10ms, .ratio = 1}});
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  const auto first = f.asked_last({0, 0});
  f.sys.advance(12ms);
  REQUIRE(f.targets[1 - first].log->questions.size() == 1);
  f.sys.answer(f.targets[1 - first], 0, std::int32_t{9});
  f.sys.run();
  CHECK(answer->as<std::int32_t>() == 9);
  f.sys.answer(f.targets[first], 0, std::int32_t{8}); // nobody waits
  f.sys.run();
  CHECK(answer->count() == 1);
  const auto stats = f.stats(guard);
  CHECK(stats.hedges == 1);
  CHECK(stats.hedges_won == 1);
  CHECK(stats.attempts == 2);
  CHECK(stats.calls.succeeded == 1);
  CHECK(stats.late_replies == 1);
}

TEST_CASE("the loser is told to stop, and a caller's cancel stops both [J4]", "[guard]") {
  guard_fixture f;
  auto guard = f.guard({.deadline = 1s,
                        .cancel = cancel_signal::on,
                        .hedge = hedge_policy{.delay = 10ms, .ratio = 1}});
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  const auto take_back = [&] {
    caf::anon_send(f.sys.last_caller(), cancel_atom_v, guard);
    f.sys.run();
  };
  f.sys.advance(12ms);
  REQUIRE(f.target.log->questions.size() == 2);
  SECTION("the first copy has the reply") {
    f.sys.answer(f.target, 0, std::int32_t{1});
    f.sys.run();
    CHECK(answer->as<std::int32_t>() == 1);
    CHECK(f.target.log->cancelled.size() == 1);
  }
  SECTION("the caller takes it back") {
    take_back();
    CHECK(is(answer, errc::cancelled));
    CHECK(f.target.log->cancelled.size() == 2);
  }
  SECTION("the first copy fails, and then the caller takes it back") {
    f.sys.answer(f.target, 0, caf::make_error(target_error::broken));
    f.sys.run();
    CHECK(answer->count() == 0);
    take_back();
    CHECK(is(answer, errc::cancelled));
  }
  SECTION("the guard ends") {
    f.sys.kill(guard);
    CHECK(is(answer, errc::shutting_down));
    return;
  }
  CHECK(f.stats(guard).calls.in_flight == 0);
  CHECK(f.stats(guard).calls.balanced());
}
