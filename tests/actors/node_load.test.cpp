// A program whose guards and parts are told by a configuration file, and told anew while they work.
#include "support/guards.hpp"
#include "support/real_system.hpp"
#include "support/temporary_folder.hpp"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

caf::settings parse(const std::string& text) {
  std::istringstream file{text};
  auto result = caf::actor_system_config::parse_config(file);
  INFO(text);
  REQUIRE(result);
  return *result;
}

caf::settings group(const std::string& text) {
  return parse("bulwark {\n" + text + "\n}");
}

struct fixture : guard_fixture {
  void load(const std::string& text) {
    node->load(group(text));
    sys.run();
  }

  std::vector<std::string> mistakes_in(const std::string& text) {
    try {
      load(text);
    } catch (const settings_error& error) {
      return error.mistakes();
    }
    return {};
  }

  // The only one.
  std::string mistake_in(const std::string& text) {
    const auto all = mistakes_in(text);
    INFO(text << ": " << all.size());
    REQUIRE(all.size() == 1);
    return all[0];
  }

  caf::actor guard(const std::string& name = "db") {
    auto result = node->guard(name, target.handle);
    sys.run();
    return result;
  }

  reply_ptr ask(const caf::actor& to, std::int32_t x = 1) { return sys.ask(to, ask_atom_v, x); }

  template <class T>
  void answer(std::uint64_t question, T value) {
    sys.answer(target, question, std::move(value));
    sys.run();
  }

  void fail(std::uint64_t question) {
    answer(question, caf::make_error(target_error::busy, error_mark::transient));
  }

  // Alarms come at whole milliseconds, and never early.
  void pass(timespan time) { sys.advance(time + 1ms); }

  template <class F>
  errc refused(F make) {
    try {
      make();
    } catch (const policy_error& error) {
      return error.code();
    }
    return {};
  }
};

} // namespace

// -- from a text to a guard ----------------------------------------------------------------

TEST_CASE("a guard without a policy does what its block in the settings says [G19]", "[settings]") {
  fixture f;
  f.load(R"(guards {
    db {
      deadline = 5s
      retry { max-attempts = 2, base-delay = 10ms, jitter = "none" }
      circuit-breaker { failure-threshold = 3, open-for = 1min }
    }
  })");
  const auto guard = f.guard();
  const auto call = f.ask(guard);
  f.fail(0);
  f.pass(10ms);
  REQUIRE(f.target.log->questions.size() == 2);
  f.fail(1);
  CHECK(is(call, errc::retries_exhausted));
  const auto slow = f.ask(guard);
  f.pass(5s);
  CHECK(is(slow, errc::timed_out));
  CHECK(is(f.ask(guard), errc::circuit_open));
}

TEST_CASE("what an actor system is configured with is loaded as it is [G19]", "[settings]") {
  const temporary_folder folder;
  const auto file = folder.file("app.conf");
  std::ofstream{file} << "bulwark { guards { db { rate-limit { calls = 1, period = 1h } } } }";
  real_system sys{[&](caf::actor_system_config& config) {
    CHECK(config.parse({"--config-file=" + file}) == caf::error{});
  }};
  bulwark::node node{*sys};
  node.load(caf::content(sys->config()));
  const auto target = sys->spawn(
      []() -> caf::behavior { return {[](ask_atom, std::int32_t x) { return 2 * x; }}; });
  const auto guard = node.guard("db", target);
  CHECK(sys.get<std::int32_t>(guard, ask_atom_v, std::int32_t{1}) == 2);
  CHECK(sys.ask(guard, ask_atom_v, std::int32_t{1})->error() == errc::rate_limited);
}

TEST_CASE("a guard without a policy and without a block is refused [G19] [G13]", "[settings]") {
  fixture f;
  CHECK(f.refused([&] { f.guard(); }) == errc::unknown_name);
  f.load("guards { other { } }");
  CHECK(f.refused([&] { f.guard(); }) == errc::unknown_name);
  f.load("guards { db { }\n other { } }");
  CHECK(f.guard());
}

TEST_CASE("a guard of several targets and one that makes its own take their blocks too [G19]",
          "[settings]") {
  fixture f;
  f.load(R"(guards {
    several { deadline = 1s, replicas { consecutive-failures = 1, max-ejected = 1.0 } }
    made { restart { strategy = "one_for_all", intensity = 0 } }
  })");
  auto other = f.sys.spawn_manual();
  const auto several =
      f.node->guard("several", std::vector<caf::actor>{f.target.handle, other.handle});
  const auto made = f.node->guard("made", [&f] { return f.sys.spawn_manual().handle; });
  f.sys.run();
  const auto call = f.ask(several);
  f.pass(1s);
  CHECK(is(call, errc::timed_out));
  CHECK(f.target.log->questions.size() + other.log->questions.size() == 1);
  f.ask(made, 2);
  CHECK(f.stats(made).calls.in_flight == 1);
}

// -- named parts ---------------------------------------------------------------------------

TEST_CASE("parts that settings name are made and shared by the guards that name them [G21] [G14]",
          "[settings]") {
  fixture f;
  f.load(R"(
    circuit-breakers { disks { failure-threshold = 1 } }
    bulkheads { writers { max-workers = 1, queue-size = 0 } }
    guards {
      a { circuit-breaker = "disks", bulkhead = "writers" }
      b { circuit-breaker = "disks", bulkhead = "writers" }
    })");
  const auto breaker = f.node->circuit_breaker("disks");
  const auto bulkhead = f.node->bulkhead("writers");
  f.sys.run();
  CHECK(f.bulkhead_stats(bulkhead).max_workers == 1);
  const auto a = f.guard("a");
  const auto b = f.guard("b");
  f.ask(a);
  CHECK(is(f.ask(b), errc::bulkhead_full));
  f.fail(0);
  CHECK(is(f.ask(b), errc::circuit_open));
  CHECK(f.breaker_stats(breaker).state == circuit_state::open);
}

TEST_CASE("a part asked for by name alone is that of the settings and else has defaults [G21]",
          "[settings]") {
  fixture f;
  f.load("circuit-breakers { disks { failure-threshold = 1 } }");
  CHECK(f.node->circuit_breaker("disks")
        == f.node->circuit_breaker("disks", {.failure_threshold = 1}));
  CHECK(f.node->circuit_breaker("other") == f.node->circuit_breaker("other", {}));
  CHECK(f.node->bulkhead("other") == f.node->bulkhead("other", {}));
}

TEST_CASE("a part of the settings that is shared is one that other nodes may use [G21]",
          "[settings]") {
  fixture f;
  f.load(R"(bulkheads { licences { max-workers = 1, shared { lease-time = 2s } } }
            guards { db { bulkhead = "licences", shows-permit = true } })");
  CHECK(f.node->directory()->find_shared(part_kind::bulkhead, "licences"));
  const auto target = f.sys->spawn([]() -> caf::behavior {
    return {[](const permit_token&, const caf::message&) { return std::int32_t{7}; }};
  });
  const auto guard = f.node->guard("db", target);
  const auto call = f.ask(guard);
  f.pass(1s);
  CHECK(call->as<std::int32_t>() == 7);
}

// -- mistakes ------------------------------------------------------------------------------

TEST_CASE("every mistake in settings is named at once and nothing of them is taken [G20]",
          "[settings]") {
  fixture f;
  const auto wrong = f.mistakes_in(R"(
    listen { port = 4711 }
    bulkheads { writers { max-workers = 0 } }
    guards {
      db {
        deadline = 0s
        deadlin = 1s
        retry { jitter = "some", budget { ratio = "much" } }
        bulkhead = "readers"
        replicas { max-ejected = 2.0 }
      }
      cache { deadline = 1s }
    })");
  CHECK(wrong.size() == 8);
  const auto says = [&wrong](const std::string& sentence) {
    return std::count(wrong.begin(), wrong.end(), sentence) == 1;
  };
  CHECK(says("bulwark.listen: no such key; there are circuit-breakers, bulkheads, guards"));
  CHECK(says("bulwark.bulkheads.writers.max-workers = 0: must be 1 .. 10000000"));
  CHECK(says("bulwark.guards.db.deadline = 0s: must be 1ns .. 36500d"));
  CHECK(says("bulwark.guards.db.retry.jitter = some: must be one of none, full, equal, "
             "decorrelated"));
  CHECK(says("bulwark.guards.db.retry.budget.ratio = much: must be a number"));
  CHECK(says("bulwark.guards.db.bulkhead = readers: must be the name of one in bulwark.bulkheads, "
             "or a group, { … }"));
  CHECK(says("bulwark.guards.db.replicas.max-ejected = 2: must be 0 .. 1"));
  CHECK(f.refused([&] { f.guard("cache"); }) == errc::unknown_name);
  CHECK_FALSE(f.node->directory()->find_bulkhead("writers"));
}

TEST_CASE("an error about settings is one of a policy and its text has all mistakes [G20] [G13]",
          "[settings]") {
  fixture f;
  try {
    f.load("guards { a { deadline = 0s }\n b { deadline = 0s } }");
    FAIL("nothing was thrown");
  } catch (const policy_error& error) {
    CHECK(error.code() == errc::invalid_policy);
    CHECK_THAT(error.what(), Catch::Contains("bulwark.guards.a.deadline = 0s"));
    CHECK_THAT(error.what(), Catch::Contains("bulwark.guards.b.deadline = 0s"));
  }
  CHECK_THROWS_AS(f.node->load(parse("bulwark = 5")), settings_error);
}

TEST_CASE("settings of another node's parts are refused in a program [G20]", "[settings]") {
  fixture f;
  CHECK_THAT(f.mistake_in("guards { db { bulkhead = \"far:4711/licences\" } }"),
             Catch::Contains("must be the name of one in bulwark.bulkheads, or a group"));
  CHECK_THAT(f.mistake_in("guards { db { target = \"echo\" } }"),
             Catch::Contains("bulwark.guards.db.target: no such key"));
}

TEST_CASE("a load that fails leaves policies and parts as they were [G20] [G22]", "[settings]") {
  fixture f;
  const auto good =
      "bulkheads { writers { max-workers = 1, queue-size = 0 } }\n"
      "guards { db { deadline = 5s, bulkhead = \"writers\" }\n other { deadline = 5s } }";
  f.load(good);
  const auto guard = f.guard();
  const auto first = f.ask(guard);
  CHECK(f.mistakes_in(
             "bulkheads { writers { max-workers = 5 }\n new { } }\n"
             "guards { db { deadline = 1s, bulkhead = \"writers\" }\n other { deadline = 0s } }")
            .size()
        == 1);
  CHECK(is(f.ask(guard), errc::bulkhead_full));
  CHECK_FALSE(f.node->directory()->find_bulkhead("new"));
  f.pass(4s);
  CHECK(first->count() == 0);
  f.pass(1s);
  CHECK(is(first, errc::timed_out));
  f.load("bulkheads { writers { max-workers = 2 } }\n" // and goes on to load
         "guards { db { deadline = 1s, bulkhead = \"writers\" }\n other { } }");
  const auto second = f.ask(guard);
  f.pass(1s);
  CHECK(is(second, errc::timed_out));
}

// -- loaded again --------------------------------------------------------------------------

TEST_CASE("settings loaded again change guards and parts that are at work [G22]", "[settings]") {
  fixture f;
  f.load("bulkheads { writers { max-workers = 1, queue-size = 10 } }\n"
         "guards { db { deadline = 1h, bulkhead = \"writers\" } }");
  const auto guard = f.guard();
  for (auto i = 0; i < 5; ++i)
    f.ask(guard);
  CHECK(f.target.log->questions.size() == 1);
  f.load("bulkheads { writers { max-workers = 3, queue-size = 10 } }\n"
         "guards { db { deadline = 1s, bulkhead = \"writers\" } }");
  CHECK(f.target.log->questions.size() == 3);
  const auto call = f.ask(guard);
  f.pass(1s);
  CHECK(is(call, errc::timed_out));
  CHECK(f.stats(guard).calls.in_flight == 5); // who came before has the old deadline
}

TEST_CASE("a breaker stays open over a load and probes by the new time [G22]", "[settings]") {
  fixture f;
  const auto with = [](const char* open_for, const char* of) {
    const auto policy = std::string{"{ failure-threshold = 1, open-for = "} + open_for + " }";
    return "circuit-breakers { named " + policy + " }\nguards { own { circuit-breaker " + policy
           + " }\n shared { circuit-breaker = \"named\", deadline = " + of + " } }";
  };
  f.load(with("60s", "1min"));
  for (const auto* name : {"own", "shared"}) {
    INFO(name);
    f.load(with("60s", "1min"));
    const auto guard = f.guard(name);
    f.ask(guard);
    f.fail(f.target.log->questions.size() - 1);
    CHECK(is(f.ask(guard), errc::circuit_open));
    f.load(with("2s", "2min"));
    CHECK(is(f.ask(guard), errc::circuit_open));
    f.pass(2s);
    const auto probe = f.ask(guard);
    CHECK(probe->count() == 0);
    f.answer(f.target.log->questions.size() - 1, std::int32_t{1});
    CHECK(probe->as<std::int32_t>() == 1);
  }
}

TEST_CASE("a window that is made smaller by a load keeps what still fits [G22]", "[settings]") {
  fixture f;
  const auto with = [](int size) {
    return "guards { db { circuit-breaker { failure-threshold = 0, count-window { size = "
           + std::to_string(size) + ", minimum-calls = 4, failure-ratio = 0.75 } } } }";
  };
  f.load(with(100));
  const auto guard = f.guard();
  for (auto i = 0; i < 4; ++i) {
    f.ask(guard);
    f.answer(static_cast<std::uint64_t>(i), std::int32_t{1});
  }
  for (std::uint64_t i = 4; i < 6; ++i) {
    f.ask(guard);
    f.fail(i);
  }
  f.load(with(4)); // of the last four two have failed
  f.ask(guard);
  f.fail(6);
  CHECK(is(f.ask(guard), errc::circuit_open));
}

TEST_CASE("what settings say as before is left alone [G22]", "[settings]") {
  fixture f;
  const auto with = [](const char* other) {
    return std::string{"guards { db { deadline = 5s }\n other { deadline = "} + other + " } }";
  };
  f.load(with("1s"));
  const auto guard = f.guard();
  f.node->change_policy("db", {.deadline = 1s}); // by hand, while it runs
  f.load(with("2s"));
  const auto call = f.ask(guard);
  f.pass(1s);
  CHECK(is(call, errc::timed_out));
}

TEST_CASE("a guard that is made again has the settings of then [G22] [G19]", "[settings]") {
  fixture f;
  f.load("guards { db { deadline = 5s, bulkhead { } } }");
  f.guard(); // ends at once, with its handle
  f.sys.run();
  f.load("guards { db { deadline = 1s, circuit-breaker { } } }");
  const auto guard = f.guard();
  const auto call = f.ask(guard);
  f.pass(1s);
  CHECK(is(call, errc::timed_out));
  CHECK(f.stats(guard).name == "db");
}

TEST_CASE("loads under load lose no call and the books balance [G22]", "[settings]") {
  real_system sys;
  bulwark::node node{*sys};
  const auto with = [](int i) {
    return group(
        "bulkheads { all { max-workers = " + std::to_string(1 + i % 7)
        + ", queue-size = 100000 } }\nguards { db { deadline = " + std::to_string(10 + i % 5)
        + "s, bulkhead = \"all\", circuit-breaker { open-for = " + std::to_string(1 + i % 3) + "s }"
        + (i % 2 == 0 ? ", retry { }" : "") + (i % 3 == 0 ? ", hedge { }" : "")
        + (i % 7 == 0 ? ", reply-sharing { fresh-for = 1us }" : "") + " } }");
  };
  node.load(with(0));
  const auto target = sys->spawn(
      []() -> caf::behavior { return {[](ask_atom, std::int32_t x) { return 2 * x; }}; });
  const auto guard = node.guard("db", target);
  std::atomic<bool> over = false;
  std::atomic<std::uint64_t> calls = 0;
  std::atomic<std::uint64_t> right = 0;
  std::vector<std::thread> load;
  for (auto i = 0; i < 2; ++i)
    load.emplace_back([&] {
      caf::scoped_actor self{*sys};
      while (!over) {
        ++calls;
        compat::request(self, guard, ask_atom_v, std::int32_t{5})
            .receive([&](std::int32_t x) { right += x == 10 ? 1 : 0; }, [](const caf::error&) {});
      }
    });
  for (auto i = 1; i < 300 || calls < 10'000; ++i) {
    node.load(with(i));
    CHECK_THROWS_AS(node.load(group("guards { db { deadline = 0s } }")), settings_error);
  }
  over = true;
  for (auto& each : load)
    each.join();
  CHECK(right == calls);
  const auto books = sys.get<guard_stats>(guard, get_stats_atom_v).calls;
  CHECK(books.calls == calls);
  CHECK(books.balanced());
  CHECK(books.in_flight == 0);
}

// -- what can't change ---------------------------------------------------------------------

TEST_CASE("what can't change in a guard or a part that is at work is a mistake [G23] [G18]",
          "[settings]") {
  fixture f;
  f.load("bulkheads { all { } }\nguards { db { bulkhead = \"all\" } }");
  const auto guard = f.guard();
  const auto in_guard = [&](const char* said) {
    return f.mistake_in(std::string{"bulkheads { all { } }\nguards { db { "} + said + " } }");
  };
  CHECK(in_guard("bulkhead { }")
        == "bulwark.guards.db.bulkhead = one of its own: must stay all until the guard has ended");
  CHECK(in_guard("")
        == "bulwark.guards.db.bulkhead = nothing: must stay all until the guard has ended");
  CHECK(in_guard("bulkhead = \"all\", circuit-breaker { }")
        == "bulwark.guards.db.circuit-breaker = one of its own: must stay nothing until the guard "
           "has ended");
  CHECK(f.mistake_in("bulkheads { all { } }")
        == "bulwark.guards.db = nothing: must stay there until the guard has ended");
  CHECK(f.mistake_in("bulkheads { all { shared { } } }\nguards { db { bulkhead = \"all\" } }")
        == "bulwark.bulkheads.all.shared.lease-time = 3s: must stay nothing until the node has "
           "ended");
  CHECK(f.mistakes_in("").size() == 2); // as a file is that was only just begun
}

TEST_CASE("a guard that has ended may lose its block or get other parts [G23]", "[settings]") {
  fixture f;
  f.load("guards { db { bulkhead { } } }");
  f.guard();
  f.sys.run();
  f.load("guards { db { circuit-breaker { } } }");
  f.load("");
  CHECK(f.node->guard("db", f.target.handle, {.deadline = 1s}));
}

// -- settings and program ------------------------------------------------------------------

TEST_CASE("a guard has its policy from the settings or from the program and not from both [G24]",
          "[settings]") {
  fixture f;
  f.load("guards { db { } }");
  CHECK(f.refused([&] { return f.node->guard("db", f.target.handle, {.deadline = 1s}); })
        == errc::duplicate_name);
  const auto other = f.node->guard("other", f.target.handle, {.deadline = 1s});
  CHECK(
      f.mistake_in("guards { db { }\n other { } }")
      == "bulwark.guards.other: must not be there until the guard has ended, which has its policy "
         "from the program");
}

TEST_CASE("a part of the program's has its name and may be said as it is [G24] [G12]",
          "[settings]") {
  fixture f;
  const auto breaker = f.node->circuit_breaker("disks", {.failure_threshold = 2});
  const auto wrong = f.mistake_in("circuit-breakers { disks { failure-threshold = 3 } }");
  CHECK(wrong
        == "bulwark.circuit-breakers.disks: must have another name, or be as the program has made "
           "the one that is there");
  CHECK(f.mistakes_in("circuit-breakers { disks { failure-threshold = 2, shared { } } }").size()
        == 1);
  f.load("circuit-breakers { disks { failure-threshold = 2 } }");
  CHECK(f.node->circuit_breaker("disks") == breaker);
  f.load("circuit-breakers { disks { failure-threshold = 1 } }");
  CHECK(f.node->circuit_breaker("disks") == breaker);
}

TEST_CASE("a node that has ended loads nothing and says why [G13] [G20]", "[settings]") {
  real_system sys;
  bulwark::node node{*sys};
  node.shut_down();
  CHECK_THROWS_WITH(node.load(group("guards { db { } }")), Catch::Contains("has been shut down"));
}
