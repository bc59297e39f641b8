// A daemon that becomes another one while calls go on.
#include "apps/daemon_process.hpp"
#include "bulwarkd/settings_text.hpp"
#include "bulwarkd/steering.hpp"
#include "support/catch.hpp"
#include "support/networked_system.hpp"
#include "support/temporary_folder.hpp"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

using namespace bulwark;
using namespace bulwark_tests;
using namespace bulwarkd;
using namespace std::chrono_literals;

namespace {

caf::settings parse(const std::string& text) {
  init_types();
  std::istringstream source{text};
  auto result = caf::actor_system_config::parse_config(source);
  INFO(text);
  REQUIRE(result);
  return *result;
}

// A node in this process, and its file.
struct steered_node {
  networked_system sys;
  target_table targets = ready_made_targets();
  std::string file;
  std::vector<steering_note> notes;
  std::unique_ptr<hosted_node> node;
  std::unique_ptr<steering> steered;

  explicit steered_node(const std::string& guards) {
    write(guards);
    auto told = read_configuration(parse(file), targets);
    REQUIRE(told.wrong == mistakes{});
    node = std::make_unique<hosted_node>(*sys, told.told, targets, [](const circuit_event&) {});
    steered = std::make_unique<steering>(
        *node,
        [this] {
          command_line line;
          line.settings = parse(file);
          return line;
        },
        parse(file), targets, [this](const steering_note& note) { notes.push_back(note); });
  }

  void write(const std::string& rest) { file = "bulwark { listen { port = 0 }\n" + rest + "\n}"; }

  change_report load(const std::string& rest) {
    write(rest);
    return steered->reload("test", false);
  }

  caf::actor guard(const std::string& name) { return node->node().directory()->find_guard(name); }
};

std::vector<std::string> paths(const change_report& report) {
  std::vector<std::string> result;
  for (const auto& each : report.changes)
    result.push_back(each.path + ": " + each.from + " -> " + each.to);
  return result;
}

const auto everything = R"(
  name = "a"
  listen { address = "::1", port = 1234 }
  drain-timeout = 3s
  peers = ["b:1", "c:2"]
  circuit-breakers { one { failure-on = "always", open-for = 90s, shared { trips-for = "any" } } }
  bulkheads { "all of them" { max-workers = 3, queue-timeout = 1500ms } }
  guards {
    db {
      target = "echo"
      deadline = 1us
      retry { max-attempts = 4, exponential-base = 1.5, jitter = "equal", retry-on = "never", budget { ratio = 0.25, name = "x \"y\"" } }
      circuit-breaker { failure-threshold = 0, count-window { size = 10, minimum-calls = 5 }, initial-state = "metrics_only" }
      bulkhead { adaptive { algorithm = "aimd" }, shed { newest-first = true } }
      rate-limit { calls = 7, period = 3min }
      hedge { delay = 5ms }
      chaos { error-rate = 0.5 }
      reply-sharing { fresh-for = 2h }
      cancel = "on"
    }
    far { target = "127.0.0.1:1/x", circuit-breaker = "127.0.0.1:1/c", bulkhead = "all of them", on-owner-lost = "fail_closed" }
  })";

} // namespace

// -- settings as text ------------------------------------------------------------------

TEST_CASE("settings in force are told as what would be read as the same settings [D46]",
          "[bulwarkd]") {
  const auto [told, wrong] =
      read_configuration(parse(std::string{"bulwark {"} + everything + "}"), ready_made_targets());
  REQUIRE(wrong == mistakes{});
  const auto text = to_conf({{"bulwark", to_json(told)}});
  INFO(text);
  const auto [again, wrong_again] = read_configuration(parse(text), ready_made_targets());
  REQUIRE(wrong_again == mistakes{});
  CHECK(to_json(again) == to_json(told));
  CHECK_THAT(text, Catch::Contains("deadline = 1us\n"));
  CHECK_THAT(text, Catch::Contains("algorithm = \"aimd\"\n"));
}

TEST_CASE("docs/settings.md is what bulwarkd --reference writes [D46]", "[bulwarkd]") {
  std::ifstream file{SETTINGS_PAGE};
  std::stringstream page;
  page << file.rdbuf();
  CHECK(page.str() == reference());
}

// -- a file that is read again ---------------------------------------------------------

TEST_CASE("HUP has a daemon read its file again and a mistake leaves all as it was [D47]",
          "[bulwarkd]") {
  const temporary_folder folder;
  const auto file = folder.file("a.conf");
  const auto write = [&](const std::string& deadline) {
    std::ofstream{file} << "bulwark { guards { db { target = \"echo\", deadline = " << deadline
                        << " } } }";
  };
  write("5s");
  daemon_process daemon{{"--config-file=" + file}};
  daemon.port();
  write("0s");
  daemon.signal(SIGHUP);
  daemon.wait_for("bulwark.guards.db.deadline = 0s: must be 1ns .. 36500d");
  daemon.wait_for("1 mistake in the settings, read again for SIGHUP: nothing is changed");
  for (const auto* half : {"2s } }", "2s, cancel = \"o", "[2s"}) {
    std::ofstream{file} << "bulwark { guards { db { target = \"echo\", deadline = " << half;
    daemon.signal(SIGHUP);
    daemon.wait_for("line 1: ");
    daemon.wait_for("nothing is changed");
  }
  std::ofstream{file} << "bulwark { guards { db.deadline = 2s } }";
  daemon.signal(SIGHUP);
  daemon.wait_for("line 1: a key has no dots");
  std::ofstream{file} << "";
  daemon.signal(SIGHUP);
  daemon.wait_for("has no settings");
  std::filesystem::remove(file);
  daemon.signal(SIGHUP);
  daemon.wait_for("can't be read");
  write("2s");
  daemon.signal(SIGHUP);
  daemon.wait_for("reload by SIGHUP: bulwark.guards.db.deadline: 5s -> 2s");
  daemon.wait_for("settings read again for SIGHUP: 1 change");
  daemon.signal(SIGTERM);
  CHECK(daemon.wait() == 0);
}

TEST_CASE("all mistakes of a file are named at once and the old settings stay in force [D47]",
          "[bulwarkd]") {
  steered_node f{"guards { db { target = \"echo\", deadline = 5s, retry { } } }"};
  const auto report = f.load("guards { db { target = \"none\", deadline = 0s, retry { "
                             "max-attempts = 0 } }\n more { target = \"echo\" } }");
  CHECK(report.wrong.size() == 3);
  CHECK(report.changes.empty());
  CHECK(f.notes.empty());
  CHECK(f.steered->guard_settings_json("db")["deadline"] == "5s");
  CHECK_FALSE(f.guard("more"));
}

TEST_CASE("a reload gives running guards and parts their new policies [D47]", "[bulwarkd]") {
  steered_node f{R"(circuit-breakers { shared-one { failure-threshold = 3 } }
    guards { db { target = "failing", circuit-breaker = "shared-one", bulkhead { max-workers = 4 } } })"};
  const auto guard = f.guard("db");
  const auto report = f.load(R"(circuit-breakers { shared-one { failure-threshold = 1 } }
    guards { db { target = "failing", deadline = 1min, circuit-breaker = "shared-one", bulkhead { max-workers = 9 } } })");
  REQUIRE(report.wrong == mistakes{});
  CHECK(paths(report)
        == std::vector<std::string>{"bulwark.circuit-breakers.shared-one.failure-threshold: 3 -> 1",
                                    "bulwark.guards.db.bulkhead.max-workers: 4 -> 9",
                                    "bulwark.guards.db.deadline:  -> 1min"});
  CHECK(f.notes.size() == 3);
  CHECK(f.guard("db") == guard);
  f.sys.ask(guard, std::int32_t{1});
  const auto refused = f.sys.ask(guard, std::int32_t{1});
  CHECK((refused->is_error() && refused->error() == errc::circuit_open));
  const auto stats =
      f.sys.get<node_stats>(f.node->node().registry(), get_atom_v, std::string{"db"});
  CHECK(stats.bulkheads.at(0).max_workers == 9);
}

TEST_CASE("a reload makes guards that are new and lets those that are gone finish [D47]",
          "[bulwarkd]") {
  steered_node f{"guards { old { target = \"slow\" } }"};
  const auto old = f.guard("old");
  const auto in_progress = f.sys.send(old, std::int32_t{300});
  REQUIRE(f.load("guards { fresh { target = \"echo\" } }").wrong == mistakes{});
  CHECK(f.sys.get<std::int32_t>(f.guard("fresh"), std::int32_t{7}) == 7);
  const auto refused = f.sys.ask(old, std::int32_t{1});
  CHECK((refused->is_error() && refused->error() == errc::shutting_down));
  in_progress->wait();
  CHECK(in_progress->as<std::int32_t>() == 300);
}

TEST_CASE("a guard that has ended by itself is made anew by a reload [D47]", "[bulwarkd]") {
  steered_node f{"guards { db { target = \"echo\", deadline = 5s }, other { target = \"echo\" } }"};
  caf::anon_send_exit(f.guard("db"), caf::exit_reason::kill);
  f.sys.wait_for_end(f.guard("db"));
  const auto report = f.load("guards { db { target = \"echo\", deadline = 4s }, other { target = "
                             "\"echo\", deadline = 4s } }");
  CHECK(report.wrong == mistakes{});
  CHECK(f.sys.get<std::int32_t>(f.guard("db"), std::int32_t{7}) == 7);
  CHECK(f.steered->guard_settings_json("other")["deadline"] == "4s");
}

TEST_CASE("a part that was made by a reload that failed has its settings after the next [D47]",
          "[bulwarkd]") {
  steered_node f{"guards { old { target = \"slow\" } }"};
  const auto busy = f.sys.send(f.guard("old"), std::int32_t{300});
  REQUIRE(f.load("guards { }").wrong == mistakes{});
  const auto with = [](const std::string& workers) {
    return "bulkheads { all { max-workers = " + workers
           + " } }, guards { old { target = \"echo\", bulkhead = \"all\" } }";
  };
  CHECK_THAT(f.load(with("3")).wrong.at(0), Catch::Contains("of that name is alive"));
  busy->wait();
  while (!f.load(with("4")).wrong.empty())
    continue; // until the old one has ended
  const auto parts =
      f.sys.get<node_stats>(f.node->node().registry(), get_atom_v, std::string{"all"});
  CHECK(parts.bulkheads.at(0).max_workers == 4);
}

TEST_CASE("a node that is about to end changes nothing any more [D47]", "[bulwarkd]") {
  steered_node f{"guards { db { target = \"echo\" } }"};
  f.steered->close();
  CHECK(f.load("guards { db { target = \"echo\", deadline = 4s } }").wrong
        == mistakes{"the node is about to end: nothing is changed any more"});
  CHECK(f.notes.empty());
}

TEST_CASE("what a running node can't change is refused with what it has to stay [D47]",
          "[bulwarkd]") {
  steered_node f{R"(bulkheads { all { } }
    guards { db { target = "echo", deadline = 5s, bulkhead = "all", circuit-breaker { } } })"};
  const auto refused = [&](const std::string& rest) {
    const auto report = f.load(rest);
    CHECK(f.steered->guard_settings_json("db")["deadline"] == "5s");
    return report.wrong.size() == 1 ? report.wrong[0] : std::to_string(report.wrong.size());
  };
  CHECK(refused(R"(bulkheads { all { } }
    guards { db { target = "slow", deadline = 1s, bulkhead = "all", circuit-breaker { } } })")
        == "bulwark.guards.db.target = slow: must stay echo until the node is started again");
  CHECK(refused(R"(bulkheads { all { } }
    guards { db { target = "echo", deadline = 1s, bulkhead { }, circuit-breaker { } } })")
        == "bulwark.guards.db.bulkhead = one of its own: must stay all until the node is started "
           "again");
  CHECK(refused(R"(bulkheads { all { shared { } } }
    guards { db { target = "echo", deadline = 1s, bulkhead = "all", circuit-breaker { } } })")
        == "bulwark.bulkheads.all.shared.lease-time = 3s: must stay nothing until the node is "
           "started again");
  CHECK(refused(R"(name = "b", bulkheads { all { } }
    guards { db { target = "echo", deadline = 1s, bulkhead = "all", circuit-breaker { } } })")
        == "bulwark.name = \"b\": must stay \"bulwarkd\" until the node is started again");
}

// -- one change ------------------------------------------------------------------------

TEST_CASE("an operator changes one guard's fields and the file's hold again after a reload [D48]",
          "[bulwarkd]") {
  const auto as_in_file = "guards { db { target = \"echo\", retry { max-attempts = 2 } } }";
  steered_node f{as_in_file};
  const auto fields = parse("deadline = 3s, retry { base-delay = 7ms }");
  const auto shown = f.steered->change_guard("db", fields, "ann", true);
  CHECK(f.notes.empty());
  const auto done = f.steered->change_guard("db", fields, "ann", false);
  CHECK(paths(done) == paths(shown));
  CHECK(paths(done)
        == std::vector<std::string>{"bulwark.guards.db.deadline:  -> 3s",
                                    "bulwark.guards.db.retry.base-delay: 1s -> 7ms"});
  REQUIRE(f.notes.size() == 2);
  CHECK(f.notes[0].who == "ann");
  CHECK(f.notes[0].kind == "operator");
  CHECK(f.steered->guard_settings_json("db")["retry"]["max-attempts"] == 2);
  CHECK(f.steered->change_guard("none", fields, "ann", false).wrong.size() == 1);
  CHECK(f.steered->change_guard("db", parse("deadlin = 3s"), "ann", false).wrong.size() == 1);
  CHECK(paths(f.load(as_in_file)).size() == 2);
  CHECK_FALSE(f.steered->guard_settings_json("db").contains("deadline"));
}

TEST_CASE("an operator's word to a circuit breaker is done and noted [D48]", "[bulwarkd]") {
  steered_node f{"guards { db { target = \"echo\", circuit-breaker { } } }"};
  CHECK(f.steered->operate_breaker("db", "force_open", "ann") == operated::done);
  const auto refused = f.sys.ask(f.guard("db"), std::int32_t{1});
  CHECK((refused->is_error() && refused->error() == errc::circuit_open));
  CHECK(f.steered->operate_breaker("db", "close", "ann") == operated::done);
  CHECK(f.sys.get<std::int32_t>(f.guard("db"), std::int32_t{1}) == 1);
  CHECK(f.steered->operate_breaker("none", "reset", "ann") == operated::unknown);
  CHECK(f.steered->operate_breaker("db", "explode", "ann") == operated::unknown);
  REQUIRE(f.notes.size() == 2);
  CHECK(f.notes[0].to == "force_open");
}

// -- a storm ---------------------------------------------------------------------------

TEST_CASE("a hundred reloads a second under load lose no call and the books balance [D47]",
          "[bulwarkd]") {
  const auto* said = std::getenv("BULWARK_SECONDS");
  const auto length = std::chrono::seconds{said != nullptr ? std::atoi(said) : 2};
  const auto with = [](int i) {
    return "guards { db { target = \"echo\", deadline = " + std::to_string(10 + i % 5)
           + "s, bulkhead { max-workers = " + std::to_string(1 + i % 20)
           + ", queue-size = 100000 }, circuit-breaker { open-for = " + std::to_string(1 + i % 3)
           + "s }" + (i % 2 == 0 ? ", retry { }" : "") + (i % 3 == 0 ? ", hedge { }" : "")
           + (i % 7 == 0 ? ", reply-sharing { fresh-for = 1us }" : "") + " }\n pair"
           + std::to_string(i % 2) + " { target = \"echo\" } }";
  };
  steered_node f{with(0)};
  const auto guard = f.guard("db");
  std::atomic<bool> over = false;
  std::uint64_t calls = 0;
  std::uint64_t right = 0;
  std::thread load{[&] {
    caf::scoped_actor self{*f.sys};
    while (!over) {
      ++calls;
      compat::request_within(self, guard, 60s, std::int32_t{5})
          .receive([&](std::int32_t x) { right += x == 5 ? 1 : 0; }, [](const caf::error&) {});
    }
  }};
  auto reloads = 0;
  auto wrong = 0;
  for (const auto begun = std::chrono::steady_clock::now();
       std::chrono::steady_clock::now() < begun + length; ++reloads) {
    const auto report = f.load(with(reloads));
    // One that is just finishing its calls can't be made again in the same moment: said, and done next time.
    for (const auto& each : report.wrong)
      wrong += each.find("of that name is alive") == each.npos ? 1 : 0;
    // sleeps: so many a second is what is tried
    std::this_thread::sleep_until(begun + 10ms * (reloads + 1));
  }
  over = true;
  load.join();
  CHECK(wrong == 0);
  CHECK(right == calls);
  const auto books = f.sys.get<guard_stats>(guard, get_stats_atom_v).calls;
  CHECK(books.calls == calls);
  CHECK(books.balanced());
  CHECK(books.in_flight == 0);
  CHECK(reloads > 20 * length / 1s);
}
