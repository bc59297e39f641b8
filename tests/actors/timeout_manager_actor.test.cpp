#include "support/catch.hpp"
#include "support/listener.hpp"
#include "support/virtual_system.hpp"

#include <algorithm>
#include <map>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

using time_point = caf::actor_clock::time_point;

// What an actor got, and when.
struct diary {
  std::vector<std::pair<std::int32_t, timespan>> entries;
  std::vector<std::uint64_t> ids;
};

// Asks the manager for messages to itself when it is sent `schedule, delay, number`, and writes
// down what comes.
caf::behavior sleeper(caf::event_based_actor* self, virtual_system* sys, const caf::actor& manager,
                      std::shared_ptr<diary> log) {
  return {
      [=](schedule_atom, timespan delay, std::int32_t number) {
        compat::request(self, manager, schedule_atom_v, delay, caf::make_message(number))
            .then([log](std::uint64_t id) { log->ids.push_back(id); });
      },
      [=](std::int32_t number) {
        log->entries.emplace_back(number, sys->now().time_since_epoch());
      },
  };
}

struct fixture {
  virtual_system sys;
  caf::actor target = sys->spawn(doubling_target);
  virtual_system::manual manual = sys.spawn_manual();
  virtual_node node{sys};
  caf::actor manager = node->timeout_manager();
  std::shared_ptr<diary> log = std::make_shared<diary>();
  caf::actor who = sys->spawn(sleeper, &sys, manager, log);

  reply_ptr run(timespan timeout, std::int32_t x = 1) {
    return sys.ask(manager, run_atom_v, manual.handle, timeout, caf::make_message(ask_atom_v, x));
  }
  void schedule(timespan delay, std::int32_t number) {
    tell(who, schedule_atom_v, delay, number);
    sys.run();
  }
  timeout_manager_stats stats() {
    auto result = sys.get<timeout_manager_stats>(manager, get_stats_atom_v);
    CHECK(result.calls.balanced());
    return result;
  }
  timespan now() { return sys.now().time_since_epoch(); }
};

} // namespace

// -- run ----------------------------------------------------------------------------------------

TEST_CASE("a call through the timeout manager brings the target's reply [P1] [M1]",
          "[timeout_manager]") {
  fixture f;
  auto run =
      f.sys.ask(f.manager, run_atom_v, f.target, timespan{1s}, caf::make_message(ask_atom_v, 21));
  CHECK(run->as<std::int32_t>() == 42);
  auto call = f.sys.ask(f.manager, call_atom_v, f.target, caf::make_message(ask_atom_v, -1));
  CHECK(call->error() == target_error::broken);
  auto calls = f.stats().calls;
  CHECK(calls.calls == 2);
  CHECK(calls.succeeded == 1);
  CHECK(calls.failed == 1);
}

TEST_CASE("timed_out comes no earlier than the timeout and less than a slot after it [M4] [M5]",
          "[timeout_manager]") {
  for (auto timeout : {timespan{1ns}, timespan{999'999ns}, timespan{1ms}, timespan{1'000'001ns},
                       timespan{250ms}, timespan{1h + 1ns}}) {
    fixture f;
    f.sys.advance(333'333ns);
    auto answer = f.run(timeout);
    f.sys.advance(timeout - 1ns);
    CHECK(answer->count() == 0);
    f.sys.advance(1ms);
    REQUIRE(answer->count() == 1);
    CHECK(answer->error() == errc::timed_out);
  }
}

TEST_CASE("the error of a timeout says what happened and for how long it waited [E1] [E2] [E3]",
          "[timeout_manager]") {
  fixture f;
  auto answer = f.run(2s);
  f.sys.advance(3s);
  auto reason = answer->error();
  CHECK(reason.category() == caf::type_id_v<errc>);
  auto report = report_of(reason);
  REQUIRE(report);
  CHECK(report->attempts == 1);
  CHECK(report->elapsed >= 2s);
  CHECK(report->elapsed < 2s + 1ms);
  INFO(to_string(reason));
  CHECK(to_string(reason).find("no answer in time after 1 attempt in 2s") != std::string::npos);
}

TEST_CASE("thousands run at once and each has its own deadline [M1] [M4] [M5] [M7]",
          "[timeout_manager]") {
  fixture f;
  constexpr std::int32_t count = 5000;
  const auto timeout_of = [](std::int32_t i) {
    return timespan{1ms} + timespan{(i * 7919LL) % count * 700'001};
  };
  auto ended = std::make_shared<std::map<std::int32_t, timespan>>();
  auto crowd = f.sys->spawn([&, ended](caf::event_based_actor* self) {
    for (std::int32_t i = 0; i < count; ++i) {
      bulwark::wait_for(self, f.manager, timeout_of(i), f.manual.handle, ask_atom_v, i)
          .then([](std::int32_t) {},
                [&, ended, i](const caf::error& reason) {
                  if (reason == errc::timed_out)
                    ended->emplace(i, f.now());
                });
    }
    return caf::behavior{[](die_atom) {}};
  });
  const auto begin = f.now();
  f.sys.run();
  CHECK(f.sys.clock_entries() == 1);
  CHECK(f.stats().calls.in_flight == count);
  for (int i = 0; i < 40; ++i) {
    f.sys.advance(100ms);
    CHECK(f.sys.clock_entries() <= 1);
  }
  REQUIRE(ended->size() == count);
  auto early = 0;
  auto late = 0;
  for (const auto& [i, at] : *ended) {
    early += at < begin + timeout_of(i) ? 1 : 0;
    late += at >= begin + timeout_of(i) + 1ms ? 1 : 0;
  }
  CHECK(early == 0);
  CHECK(late == 0);
  CHECK(f.sys.clock_entries() == 0);
  CHECK(f.stats().calls.timed_out == count);
}

TEST_CASE("a reply that comes after the timeout is dropped and counted [M6]", "[timeout_manager]") {
  fixture f;
  auto answer = f.run(1s);
  f.sys.advance(2s);
  CHECK(f.stats().late_replies == 0);
  f.sys.answer(f.manual, 0, std::int32_t{5});
  CHECK(answer->count() == 1);
  CHECK(answer->error() == errc::timed_out);
  auto stats = f.stats();
  CHECK(stats.late_replies == 1);
  CHECK(stats.calls.timed_out == 1);
  CHECK(stats.calls.succeeded == 0);
}

TEST_CASE("a call whose time is up when it comes is never started [M9] [K1]", "[timeout_manager]") {
  for (auto timeout : {timespan{0}, timespan{-1ns}, timespan{-1h}, timespan::min()}) {
    fixture f;
    auto answer = f.run(timeout);
    REQUIRE(answer->count() == 1);
    CHECK(answer->error() == errc::timed_out);
    CHECK(f.manual.log->questions.empty());
    CHECK(f.stats().calls.timed_out == 1);
  }
}

TEST_CASE("a hundred years and no bound at all are timeouts too [M1]", "[timeout_manager]") {
  for (auto timeout : {longest_timespan, timespan::max()}) {
    fixture f;
    auto answer = f.run(timeout);
    f.sys.advance(24h * 365);
    CHECK(answer->count() == 0);
    f.sys.answer(f.manual, 0, std::int32_t{3});
    CHECK(answer->as<std::int32_t>() == 3);
  }
}

TEST_CASE("targets that are dead or die answer a run with an error at once [P1]",
          "[timeout_manager]") {
  fixture f;
  auto waiting = f.run(1h);
  f.sys.kill(f.manual.handle);
  REQUIRE(waiting->count() == 1);
  CHECK(waiting->is_error());
  auto after = f.run(1h);
  REQUIRE(after->count() == 1);
  CHECK(after->error() == errc::target_lost);
}

TEST_CASE("a caller that dies while it waits does no harm [P1] [K1]", "[timeout_manager]") {
  fixture f;
  f.run(1s);
  f.sys.kill(f.sys.last_caller());
  f.sys.answer(f.manual, 0, std::int32_t{5});
  CHECK(f.stats().calls.succeeded == 1);
}

TEST_CASE("wait_for bounds a call of an actor [M2]", "[timeout_manager]") {
  fixture f;
  auto values = std::make_shared<std::vector<std::string>>();
  f.sys->spawn([&](caf::event_based_actor* self) {
    const auto note = [values](std::int32_t x) { values->push_back(std::to_string(x)); };
    const auto note_error = [values](const caf::error& reason) {
      values->push_back(reason == errc::timed_out ? "timed out" : to_string(reason));
    };
    bulwark::wait_for(self, f.manager, 2s, f.target, ask_atom_v, 21).then(note, note_error);
    bulwark::wait_for(self, f.manager, 2s, f.manual.handle, ask_atom_v, 1).then(note, note_error);
  });
  f.sys.run();
  CHECK(*values == std::vector<std::string>{"42"});
  f.sys.advance(2s + 1ms);
  CHECK(*values == std::vector<std::string>{"42", "timed out"});
}

TEST_CASE("wait_for bounds a call from outside of actors [M2]", "[timeout_manager]") {
  fixture f;
  caf::scoped_actor self{*f.sys};
  auto quick = bulwark::wait_for(self, f.manager, 2s, f.target, ask_atom_v, 21);
  auto slow = bulwark::wait_for(self, f.manager, 2s, f.manual.handle, ask_atom_v, 1);
  f.sys.advance(3s);
  std::move(quick).receive([](std::int32_t x) { CHECK(x == 42); },
                           [](const caf::error&) { CHECK(false); });
  std::move(slow).receive([](std::int32_t) { CHECK(false); },
                          [](const caf::error& reason) { CHECK(reason == errc::timed_out); });
}

// -- schedule -------------------------------------------------------------------------------------

TEST_CASE("scheduled messages come in the order of their times [M3] [M4] [M5]",
          "[timeout_manager]") {
  fixture f;
  const auto begin = f.now();
  f.schedule(30ms, 3);
  f.schedule(10ms, 1);
  f.schedule(20ms, 2);
  f.schedule(24h * 365, 5);
  f.schedule(40ms, 4);
  CHECK(f.sys.clock_entries() == 1);
  f.sys.advance(1s);
  REQUIRE(f.log->entries.size() == 4);
  for (std::int32_t i = 0; i < 4; ++i) {
    const auto& [number, at] = f.log->entries[static_cast<std::size_t>(i)];
    CHECK(number == i + 1);
    CHECK(at >= begin + (i + 1) * 10ms);
    CHECK(at < begin + (i + 1) * 10ms + 1ms);
  }
  CHECK(f.stats().pending == 1);
  CHECK(f.stats().fired == 4);
}

TEST_CASE("scheduled messages of one time come in the order in which they were asked for [M3]",
          "[timeout_manager]") {
  fixture f;
  for (std::int32_t i = 0; i < 200; ++i)
    f.schedule(50ms, i);
  f.sys.advance(51ms);
  REQUIRE(f.log->entries.size() == 200);
  CHECK(std::is_sorted(f.log->entries.begin(), f.log->entries.end()));
}

TEST_CASE("cancel takes a scheduled message back and says whether it was still to come [M3]",
          "[timeout_manager]") {
  fixture f;
  f.schedule(10ms, 1);
  f.schedule(10ms, 2);
  REQUIRE(f.log->ids.size() == 2);
  CHECK(f.sys.get<bool>(f.manager, cancel_atom_v, f.log->ids[0]));
  CHECK_FALSE(f.sys.get<bool>(f.manager, cancel_atom_v, f.log->ids[0]));
  f.sys.advance(20ms);
  REQUIRE(f.log->entries.size() == 1);
  CHECK(f.log->entries[0].first == 2);
  CHECK_FALSE(f.sys.get<bool>(f.manager, cancel_atom_v, f.log->ids[1]));
  CHECK_FALSE(f.sys.get<bool>(f.manager, cancel_atom_v, std::uint64_t{12345}));
  CHECK_FALSE(f.sys.get<bool>(f.manager, cancel_atom_v, std::uint64_t{0}));
  auto stats = f.stats();
  CHECK(stats.scheduled == 2);
  CHECK(stats.cancelled == 1);
  CHECK(stats.fired == 1);
  CHECK(stats.pending == 0);
}

TEST_CASE("negative and no delays come at once and endless ones never [M3] [M7]",
          "[timeout_manager]") {
  fixture f;
  f.schedule(-1h, 1);
  f.schedule(timespan::min(), 2);
  f.schedule(timespan{0}, 3);
  f.schedule(longest_timespan, 4);
  f.schedule(timespan::max(), 5);
  f.sys.advance(1ms);
  REQUIRE(f.log->entries.size() == 3);
  CHECK(f.log->entries[0].first == 1);
  CHECK(f.log->entries[1].first == 2);
  CHECK(f.log->entries[2].first == 3);
  f.sys.advance(24h * 365 * 99);
  CHECK(f.log->entries.size() == 3);
  CHECK(f.sys.clock_entries() == 1);
  f.sys.advance(24h * 366);
  REQUIRE(f.log->entries.size() == 4);
  CHECK(f.log->entries[3].first == 4);
}

TEST_CASE("a message scheduled for somebody who has ended goes nowhere [M3]", "[timeout_manager]") {
  fixture f;
  f.schedule(10ms, 1);
  f.sys.kill(f.who);
  f.sys.advance(20ms);
  CHECK(f.log->entries.empty());
  CHECK(f.stats().pending == 0);
  CHECK(f.sys.clock_entries() == 0);
}

TEST_CASE("a scheduled message keeps its receiver no longer alive than others do [M3]",
          "[timeout_manager]") {
  fixture f;
  f.schedule(1h, 1);
  auto weak = caf::actor_cast<caf::weak_actor_ptr>(f.who);
  f.who = nullptr;
  CHECK(caf::actor_cast<caf::strong_actor_ptr>(weak) == nullptr);
}

TEST_CASE("timers of those who have ended do not pile up until their time [M3]",
          "[timeout_manager]") {
  fixture f;
  for (int i = 0; i < 5000; ++i) {
    auto ephemeral = f.sys->spawn(sleeper, &f.sys, f.manager, f.log);
    tell(ephemeral, schedule_atom_v, timespan{longest_timespan}, std::int32_t{1});
    f.sys.run();
  }
  auto stats = f.stats();
  CHECK(stats.scheduled == 5000);
  CHECK(stats.pending < 2048);
  CHECK(f.sys.clock_entries() == 1);
}

// -- idle and busy --------------------------------------------------------------------------------

TEST_CASE("an idle manager has no entry in CAF's clock and is never woken [M7]",
          "[timeout_manager]") {
  fixture f;
  CHECK(f.sys.clock_entries() == 0);
  f.sys.advance(24h * 365);
  CHECK(f.stats().wake_ups == 0);
  f.run(1s);
  f.sys.advance(2s);
  const auto woken = f.stats().wake_ups;
  CHECK(woken >= 1);
  CHECK(f.sys.clock_entries() == 0);
  f.sys.advance(24h * 365);
  CHECK(f.stats().wake_ups == woken);
}

TEST_CASE("a manager whose only timer was cancelled is idle again [M7]", "[timeout_manager]") {
  fixture f;
  f.schedule(1s, 1);
  CHECK(f.sys.clock_entries() == 1);
  f.sys.get<bool>(f.manager, cancel_atom_v, f.log->ids.at(0));
  CHECK(f.sys.clock_entries() == 0);
  f.schedule(5s, 2);
  CHECK(f.sys.clock_entries() == 1);
  f.sys.advance(6s);
  REQUIRE(f.log->entries.size() == 1);
  CHECK(f.log->entries[0].first == 2);
  CHECK(f.stats().wake_ups == 1);
}

TEST_CASE("a busy manager sleeps until the next due slot with one timer of CAF's [M7]",
          "[timeout_manager]") {
  fixture f;
  for (std::int32_t i = 1; i <= 100; ++i)
    f.schedule(i * 1s, i);
  CHECK(f.sys.clock_entries() == 1);
  f.sys.advance(100s + 1ms);
  CHECK(f.log->entries.size() == 100);
  // A wake-up for each time, and some on which far timers move nearer.
  CHECK(f.stats().wake_ups < 150);
}

TEST_CASE("one wake-up serves all that is due in a slot [M7]", "[timeout_manager]") {
  fixture f;
  for (std::int32_t i = 0; i < 1000; ++i)
    f.schedule(1s, i);
  f.sys.advance(1s + 1ms);
  CHECK(f.log->entries.size() == 1000);
  CHECK(f.stats().wake_ups <= 3);
}

// -- wrong input, and the end --------------------------------------------------------

TEST_CASE("messages that a timeout manager does not know change nothing [P5]",
          "[timeout_manager]") {
  fixture f;
  f.schedule(1s, 1);
  CHECK(f.sys.ask(f.manager, std::string{"hello"})->error() == caf::sec::unexpected_message);
  CHECK(f.sys.ask(f.manager, state_atom_v)->error() == caf::sec::unexpected_message);
  CHECK(f.sys.ask(f.manager, cancel_atom_v, std::int32_t{1})->error()
        == caf::sec::unexpected_message);
  // From nobody: there is nobody to wake.
  tell(f.manager, wake_request{.at = timespan{5}});
  tell(f.manager, schedule_atom_v, timespan{1ms}, caf::make_message(1));
  tell(f.manager, stats_request{.round = 3});
  tell(f.manager, stats_request{.round = 3}, caf::actor_addr{}, guard_stats{.attempts = 9});
  f.sys.advance(2s);
  CHECK(f.log->entries.size() == 1);
  CHECK(f.stats().calls.calls == 0);
}

TEST_CASE("a bare error sent to a timeout manager does not end it [P5]", "[timeout_manager]") {
  fixture f;
  tell(f.manager, caf::make_error(target_error::broken));
  f.schedule(1ms, 1);
  f.sys.advance(2ms);
  CHECK(f.log->entries.size() == 1);
}

TEST_CASE("shutdown answers what runs and leaves nothing in CAF's clock [P2] [M7]",
          "[timeout_manager]") {
  fixture f;
  f.schedule(1h, 1);
  auto waiting = f.run(1h);
  SECTION("at once") {
    auto done = f.sys.ask(f.manager, shutdown_atom_v);
    CHECK(waiting->error() == errc::shutting_down);
    CHECK(done->count() == 1);
  }
  SECTION("after the last reply where it waits") {
    auto done = f.sys.ask(f.manager, shutdown_atom_v, true);
    CHECK(waiting->count() == 0);
    CHECK(f.run(1s)->error() == errc::shutting_down);
    f.sys.answer(f.manual, 0, std::int32_t{1});
    CHECK(waiting->as<std::int32_t>() == 1);
    CHECK(done->count() == 1);
  }
  SECTION("after the last timeout where it waits") {
    auto done = f.sys.ask(f.manager, shutdown_atom_v, true);
    f.sys.advance(1h + 1ms);
    CHECK(waiting->error() == errc::timed_out);
    CHECK(done->count() == 1);
  }
  SECTION("when it is killed") {
    f.sys.kill(f.manager);
    CHECK(waiting->error() == errc::shutting_down);
  }
  CHECK(waiting->count() == 1);
  CHECK(f.sys.clock_entries() == 0);
  CHECK(f.run(1s)->error() == caf::sec::request_receiver_down);
}
