#include "support/catch.hpp"
#include "support/listener.hpp"
#include "support/virtual_system.hpp"

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

circuit_breaker_policy quick() {
  return {.failure_threshold = 3, .success_threshold = 2, .open_for = 10s, .half_open_calls = 2};
}

// A node with one breaker, and who wants to use it.
struct fixture {
  virtual_system sys;
  caf::actor target = sys->spawn(doubling_target);
  virtual_system::manual manual = sys.spawn_manual();
  virtual_node node{sys};
  caf::actor breaker;

  explicit fixture(const circuit_breaker_policy& policy = quick())
      : breaker(node->circuit_breaker("db", policy)) {}

  // What it never answered would keep a guard of its own, and with it itself, alive.
  ~fixture() { sys.kill(manual.handle); }

  reply_ptr call(std::int32_t x) {
    return sys.ask(breaker, call_atom_v, target, caf::make_message(ask_atom_v, x));
  }
  reply_ptr call_manual(std::int32_t x = 0) {
    return sys.ask(breaker, call_atom_v, manual.handle, caf::make_message(ask_atom_v, x));
  }
  circuit_state state() { return sys.get<circuit_state>(breaker, state_atom_v); }
  circuit_breaker_stats stats() {
    auto result = sys.get<circuit_breaker_stats>(breaker, get_stats_atom_v);
    CHECK(result.calls.balanced());
    return result;
  }
  template <class Atom>
  void say(Atom what) {
    CHECK(!sys.ask(breaker, what)->is_error());
  }
  void trip() {
    for (std::uint32_t i = 0; i < quick().failure_threshold; ++i)
      say(record_failure_atom_v);
    REQUIRE(state() == circuit_state::open);
  }
  void trip_and_wait() {
    trip();
    sys.advance(quick().open_for + 1ms);
    REQUIRE(state() == circuit_state::half_open);
  }
  std::shared_ptr<told> listen(const caf::actor& source, caf::actor* who = nullptr) {
    auto log = std::make_shared<told>();
    auto handle = sys->spawn(listener, source, log);
    sys.run();
    listeners.push_back(handle);
    if (who != nullptr)
      *who = handle;
    return log;
  }
  std::vector<caf::actor> listeners;
};

// Asks for a probe as a supervisor does, and never says what became of it.
caf::behavior silent_prober(caf::event_based_actor* self, const caf::actor& breaker,
                            std::shared_ptr<std::vector<probe_decision>> log) {
  const auto say = [self, breaker](caf::message content) {
    compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(breaker), self->ctrl(),
                    caf::make_message_id(), std::move(content), self->context());
  };
  say(caf::make_message(attach_atom_v));
  say(caf::make_message(probe_request{.attempt = {1, 1}}));
  return {
      [log](const probe_decision& decision) { log->push_back(decision); },
      [](change_policy_atom, const circuit_breaker_policy&) {},
      [self, log, say](books_request request) {
        say(caf::make_message(books_report{.round = request.round, .holder = self->address()}));
      },
  };
}

} // namespace

// -- what it lets through ---------------------------------------------------------------------

TEST_CASE("a call through a breaker brings the target's reply [P1]", "[circuit_breaker]") {
  fixture f;
  CHECK(f.call(21)->as<std::int32_t>() == 42);
  auto calls = f.stats().calls;
  CHECK(calls.calls == 1);
  CHECK(calls.succeeded == 1);
}

TEST_CASE("failures in a row through call open the breaker and a success resets the count [C1]",
          "[circuit_breaker]") {
  fixture f;
  f.call(-1);
  f.call(-1);
  f.call(1);
  f.call(-1);
  f.call(-1);
  CHECK(f.state() == circuit_state::closed);
  f.call(-1);
  CHECK(f.state() == circuit_state::open);
  CHECK(f.stats().calls.failed == 5);
}

TEST_CASE("recorded failures open the breaker and a recorded success resets the count [C1] [C7]",
          "[circuit_breaker]") {
  fixture f;
  f.say(record_failure_atom_v);
  f.say(record_failure_atom_v);
  f.say(record_success_atom_v);
  f.say(record_failure_atom_v);
  f.say(record_failure_atom_v);
  CHECK(f.sys.get<bool>(f.breaker, is_closed_atom_v));
  f.say(record_failure_atom_v);
  CHECK(f.sys.get<bool>(f.breaker, is_open_atom_v));
}

TEST_CASE("success_threshold probes that succeed close the breaker [C2]", "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  CHECK(f.call(1)->as<std::int32_t>() == 2);
  CHECK(f.sys.get<bool>(f.breaker, is_half_open_atom_v));
  CHECK(f.call(2)->as<std::int32_t>() == 4);
  CHECK(f.state() == circuit_state::closed);
}

TEST_CASE("an open breaker lets nothing through and says how long until the next probe [C3] [C9]",
          "[circuit_breaker]") {
  fixture f;
  f.trip();
  f.sys.advance(4s);
  auto refused = f.call_manual();
  CHECK(f.manual.log->questions.empty());
  REQUIRE(refused->error() == errc::circuit_open);
  auto report = report_of(refused->error());
  REQUIRE(report);
  CHECK(report->retry_after == 6s);
  CHECK(report->part == "db");
  f.sys.advance(6s);
  f.call_manual();
  CHECK(f.manual.log->questions.size() == 1);
}

TEST_CASE("no more probes than half_open_calls are in flight [C4] [K4]", "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  auto first = f.call_manual(1);
  auto second = f.call_manual(2);
  auto third = f.call_manual(3);
  CHECK(f.manual.log->questions.size() == 2);
  CHECK(f.stats().probes == 2);
  CHECK(third->error() == errc::circuit_open);
  CHECK(first->count() == 0);
  CHECK(second->count() == 0);
  f.sys.answer(f.manual, 0, std::int32_t{1});
  CHECK(f.stats().probes == 1);
  f.call_manual(4);
  CHECK(f.manual.log->questions.size() == 3);
}

TEST_CASE("a failed probe opens the breaker again for the whole of open_for [C5]",
          "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  f.sys.advance(3s);
  f.call(-1);
  CHECK(f.state() == circuit_state::open);
  f.sys.advance(10s - 1ns);
  CHECK(f.state() == circuit_state::open);
  f.sys.advance(1ms);
  CHECK(f.state() == circuit_state::half_open);
}

TEST_CASE("trap 7: what comes while the breaker is open does not restamp its timer [C5]",
          "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  f.call(-1); // opened a second time
  for (int i = 0; i < 9; ++i) {
    f.sys.advance(1s);
    f.say(record_failure_atom_v);
    f.call(1);
  }
  CHECK(f.state() == circuit_state::open);
  f.sys.advance(1s + 1ms);
  CHECK(f.state() == circuit_state::half_open);
}

// -- by an operator's hand ----------------------------------------------------------------------

TEST_CASE("an operator forces the breaker open until reset [C6] [C7]", "[circuit_breaker]") {
  fixture f;
  f.say(force_open_atom_v);
  CHECK(f.state() == circuit_state::forced_open);
  CHECK(f.sys.get<bool>(f.breaker, is_open_atom_v));
  f.sys.advance(1h);
  CHECK(f.call(1)->error() == errc::circuit_open);
  f.say(reset_atom_v);
  CHECK(f.sys.get<bool>(f.breaker, is_closed_atom_v));
  CHECK(f.call(1)->as<std::int32_t>() == 2);
}

TEST_CASE("a disabled breaker lets all pass and counts [C6]", "[circuit_breaker]") {
  fixture f;
  f.say(disable_atom_v);
  for (int i = 0; i < 10; ++i)
    CHECK(f.call(-1)->error() == target_error::broken);
  CHECK(f.state() == circuit_state::disabled);
  CHECK_FALSE(f.sys.get<bool>(f.breaker, is_open_atom_v));
  auto stats = f.stats();
  CHECK(stats.calls.failed == 10);
  CHECK(stats.failures == 10);
}

// -- subscribers ----------------------------------------------------------------------------------

TEST_CASE("subscribers are told name and states and why and when and the counts [C8]",
          "[circuit_breaker]") {
  fixture f;
  auto log = f.listen(f.breaker);
  f.sys.advance(1s);
  const auto tripped = f.sys.now().time_since_epoch();
  f.trip();
  REQUIRE(log->transitions.size() == 1);
  const auto& event = log->transitions[0];
  CHECK(event.name == "db");
  CHECK(event.from == circuit_state::closed);
  CHECK(event.to == circuit_state::open);
  CHECK(event.why == transition_cause::failure_threshold);
  CHECK(event.when == tripped);
  CHECK(event.failures == 3);
  CHECK(event.generation == 2);
  f.sys.advance(11s);
  f.call(1);
  f.call(1);
  REQUIRE(log->transitions.size() == 3);
  CHECK(log->transitions[2].why == transition_cause::probes_succeeded);
  CHECK(log->transitions[2].successes == 2);
  f.say(force_open_atom_v);
  f.say(disable_atom_v);
  f.say(reset_atom_v);
  REQUIRE(log->transitions.size() == 6);
  CHECK(log->transitions[3].why == transition_cause::forced_open);
  CHECK(log->transitions[4].why == transition_cause::disabled);
  CHECK(log->transitions[5].why == transition_cause::reset);
  CHECK(f.stats().transitions == 6);
}

TEST_CASE("subscribers are told that probes are let through when it is due and no call comes [C12]",
          "[circuit_breaker]") {
  fixture f;
  auto log = f.listen(f.breaker);
  auto at_registry = f.listen(f.node->registry());
  f.trip();
  const auto opened = log->transitions.at(0).when;
  f.sys.advance(10s - 1ns);
  CHECK(log->transitions.size() == 1);
  f.sys.advance(1ms);
  REQUIRE(log->transitions.size() == 2);
  CHECK(log->transitions[1].to == circuit_state::half_open);
  CHECK(log->transitions[1].why == transition_cause::open_elapsed);
  CHECK(log->transitions[1].when >= opened + 10s);
  CHECK(log->transitions[1].when < opened + 10s + 1ms);
  CHECK(at_registry->transitions.size() == 2);
}

TEST_CASE("the second and third time the breaker opens subscribers are told when it is due [C12]",
          "[circuit_breaker]") {
  fixture f;
  auto log = f.listen(f.breaker);
  f.trip_and_wait();
  for (int round = 0; round < 3; ++round) {
    log->transitions.clear();
    f.call(-1);
    f.sys.advance(10s + 1ms);
    REQUIRE(log->transitions.size() == 2);
    CHECK(log->transitions[1].why == transition_cause::open_elapsed);
    CHECK(log->transitions[1].when < log->transitions[0].when + 10s + 1ms);
  }
}

TEST_CASE("a shorter open_for by message takes effect on the circuit that is open [C12] [C15]",
          "[circuit_breaker]") {
  fixture f;
  auto log = f.listen(f.breaker);
  f.trip();
  auto policy = quick();
  policy.open_for = 2s;
  CHECK(!f.sys.ask(f.breaker, change_policy_atom_v, policy)->is_error());
  f.sys.advance(2s + 1ms);
  CHECK(f.state() == circuit_state::half_open);
  policy.open_for = 20s;
  f.sys.ask(f.breaker, change_policy_atom_v, policy);
  f.call(-1);
  f.sys.advance(19s);
  CHECK(f.state() == circuit_state::open);
  f.sys.advance(1s + 1ms);
  CHECK(f.state() == circuit_state::half_open);
}

TEST_CASE("who subscribes twice is told once and who unsubscribes no more [C8]",
          "[circuit_breaker]") {
  fixture f;
  caf::actor who;
  auto log = f.listen(f.breaker, &who);
  tell(who, subscribe_atom_v);
  f.sys.run();
  f.say(force_open_atom_v);
  CHECK(log->transitions.size() == 1);
  tell(who, unsubscribe_atom_v);
  f.sys.run();
  f.say(reset_atom_v);
  CHECK(log->transitions.size() == 1);
  tell(who, subscribe_atom_v);
  f.sys.run();
  f.say(force_open_atom_v);
  CHECK(log->transitions.size() == 2);
}

TEST_CASE("trap 20: a subscriber that ended is forgotten and does not disturb the others [C8]",
          "[circuit_breaker]") {
  fixture f;
  caf::actor who;
  auto lost = f.listen(f.breaker, &who);
  auto log = f.listen(f.breaker);
  f.sys.kill(who);
  // Subscribes by a message that arrives after its end.
  compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(f.breaker),
                  caf::actor_cast<caf::strong_actor_ptr>(who), caf::make_message_id(),
                  caf::make_message(subscribe_atom_v), nullptr);
  f.sys.run();
  f.say(force_open_atom_v);
  CHECK(lost->transitions.empty());
  CHECK(log->transitions.size() == 1);
}

TEST_CASE("trap 20: to be told of transitions keeps nobody alive", "[circuit_breaker]") {
  fixture f;
  auto log = std::make_shared<told>();
  auto who = f.sys->spawn(listener, f.breaker, log);
  f.sys.run();
  auto weak = caf::actor_cast<caf::weak_actor_ptr>(who);
  who = nullptr;
  f.sys.run();
  CHECK(caf::actor_cast<caf::strong_actor_ptr>(weak) == nullptr);
  f.say(force_open_atom_v);
  CHECK(log->transitions.empty());
}

TEST_CASE("trap 20: a new policy leaves the subscribers and the counts as they are",
          "[circuit_breaker]") {
  fixture f;
  auto log = f.listen(f.breaker);
  f.call(-1);
  f.call(-1);
  auto policy = quick();
  policy.open_for = 1s;
  f.sys.ask(f.breaker, change_policy_atom_v, policy);
  f.call(-1);
  CHECK(log->transitions.size() == 1);
  CHECK(f.stats().calls.failed == 3);
}

TEST_CASE("trap 20: a breaker made anew under its name reaches who subscribed at the registry [Y5]",
          "[circuit_breaker]") {
  fixture f;
  auto log = f.listen(f.node->registry());
  f.say(shutdown_atom_v);
  auto again = f.node->circuit_breaker("db", quick());
  REQUIRE(again != f.breaker);
  f.sys.ask(again, force_open_atom_v);
  REQUIRE(log->transitions.size() == 1);
  CHECK(log->transitions[0].name == "db");
}

TEST_CASE("anonymous messages that want a sender change nothing and end nobody [P5]",
          "[circuit_breaker]") {
  fixture f;
  for (const auto& content :
       {caf::make_message(subscribe_atom_v), caf::make_message(unsubscribe_atom_v),
        caf::make_message(attach_atom_v), caf::make_message(probe_request{}),
        caf::make_message(stats_request{.round = 7}), caf::make_message(state_atom_v)}) {
    compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(f.breaker), nullptr,
                    caf::make_message_id(), content, nullptr);
    f.sys.run();
  }
  CHECK(f.call(1)->as<std::int32_t>() == 2);
  CHECK(f.stats().calls.calls == 1);
}

// -- outcomes -------------------------------------------------------------------------------------

TEST_CASE("a late success of an earlier generation does not close the circuit [C10]",
          "[circuit_breaker]") {
  auto policy = quick();
  policy.success_threshold = 1;
  fixture f{policy};
  auto slow = f.call_manual();
  f.trip_and_wait();
  f.sys.answer(f.manual, 0, std::int32_t{5});
  CHECK(slow->as<std::int32_t>() == 5);
  CHECK(f.state() == circuit_state::half_open);
  CHECK(f.stats().successes == 0);
}

TEST_CASE("a late failure of an earlier generation does not reopen the circuit [C10]",
          "[circuit_breaker]") {
  auto policy = quick();
  policy.failure_threshold = 1;
  fixture f{policy};
  auto slow = f.call_manual();
  f.say(force_open_atom_v);
  f.say(reset_atom_v);
  f.sys.answer(f.manual, 0, caf::make_error(target_error::broken));
  CHECK(slow->error() == target_error::broken);
  CHECK(f.state() == circuit_state::closed);
  CHECK(f.stats().failures == 0);
}

TEST_CASE("a probe that never answers gives its place back after open_for once more [C11]",
          "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  f.call_manual(1);
  f.call_manual(2);
  CHECK(f.call_manual(3)->error() == errc::circuit_open);
  f.sys.advance(10s + 1ms);
  CHECK(f.stats().probes == 0);
  f.call_manual(4);
  CHECK(f.manual.log->questions.size() == 3);
}

TEST_CASE("a supervisor that ends without a word gives its probes back [C11]",
          "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  auto log = std::make_shared<std::vector<probe_decision>>();
  auto prober = f.sys->spawn(silent_prober, f.breaker, log);
  f.sys.run();
  REQUIRE(log->size() == 1);
  CHECK(log->front().granted);
  CHECK(f.stats().probes == 1);
  f.sys.kill(prober);
  CHECK(f.stats().probes == 0);
  CHECK(f.state() == circuit_state::half_open);
}

TEST_CASE("a guard that is killed with a probe in flight gives it back [C11]",
          "[circuit_breaker]") {
  fixture f;
  auto guard = f.node->guard("g", f.manual.handle, {.breaker = f.breaker});
  f.trip_and_wait();
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  CHECK(f.stats().probes == 1);
  f.sys.kill(guard);
  CHECK(f.stats().probes == 0);
  CHECK(answer->count() == 1);
  CHECK(f.state() == circuit_state::half_open);
}

TEST_CASE("a client's own mistake is no failure of the target [C13]", "[circuit_breaker]") {
  fixture f;
  for (int i = 0; i < 5; ++i) {
    CHECK(f.call(-3)->error() == target_error::not_yours);
    CHECK(f.sys
              .ask(f.breaker, call_atom_v, f.target,
                   caf::make_message(std::string{"nobody knows this"}))
              ->error()
          == caf::sec::unexpected_message);
  }
  CHECK(f.state() == circuit_state::closed);
  CHECK(f.stats().failures == 0);
}

TEST_CASE("targets that are dead or die or throw count as failures [C13] [P1]",
          "[circuit_breaker]") {
  fixture f;
  auto dying = f.sys.spawn_manual();
  auto waiting = f.sys.ask(f.breaker, call_atom_v, dying.handle, caf::make_message(ask_atom_v, 1));
  f.sys.kill(dying.handle);
  REQUIRE(waiting->count() == 1);
  CHECK(waiting->is_error());
  auto after = f.sys.ask(f.breaker, call_atom_v, dying.handle, caf::make_message(ask_atom_v, 1));
  REQUIRE(after->count() == 1);
  CHECK(after->error() == errc::target_lost);
  CHECK(f.stats().failures == 2);
  auto thrown = f.sys.ask(f.breaker, call_atom_v, f.manual.handle, caf::make_message(throw_atom_v));
  CHECK(thrown->is_error());
  CHECK(f.state() == circuit_state::open);
  CHECK(f.stats().calls.failed == 3);
}

TEST_CASE("a cancelled probe is neither success nor failure and its place is free [C14]",
          "[circuit_breaker]") {
  fixture f;
  auto guard = f.node->guard("g", f.manual.handle, {.breaker = f.breaker});
  f.trip_and_wait();
  auto answer = f.sys.ask(guard, ask_atom_v, 1);
  auto asker = f.sys.last_caller();
  CHECK(f.stats().probes == 1);
  tell(asker, cancel_atom_v, guard);
  f.sys.run();
  CHECK(answer->error() == errc::cancelled);
  auto stats = f.stats();
  CHECK(stats.probes == 0);
  CHECK(stats.state == circuit_state::half_open);
  CHECK(stats.successes == 0);
  CHECK(stats.calls.cancelled == 1);
}

TEST_CASE("which errors count is the policy's [C15]", "[circuit_breaker]") {
  auto policy = quick();
  SECTION("a list of codes") {
    policy.failure_on = codes{target_error::busy};
    fixture f{policy};
    for (int i = 0; i < 3; ++i)
      f.call(-1);
    CHECK(f.state() == circuit_state::closed);
    for (int i = 0; i < 3; ++i)
      f.call(-2);
    CHECK(f.state() == circuit_state::open);
  }
  SECTION("a function") {
    policy.failure_on = [](const caf::error& reason) { return reason == target_error::not_yours; };
    fixture f{policy};
    for (int i = 0; i < 3; ++i)
      f.call(-3);
    CHECK(f.state() == circuit_state::open);
  }
  SECTION("changed by message") {
    fixture f{policy};
    f.call(1); // its supervisor exists
    policy.failure_on = never;
    f.sys.ask(f.breaker, change_policy_atom_v, policy);
    for (int i = 0; i < 5; ++i)
      f.call(-1);
    CHECK(f.state() == circuit_state::closed);
  }
}

// -- wrong input ---------------------------------------------------------------------

TEST_CASE("a wrong policy by message is refused by field and the old one stays [P4] [E1] [E3]",
          "[circuit_breaker]") {
  fixture f;
  auto wrong = quick();
  std::string field;
  std::string permitted = "1 .. 1000000";
  SECTION("failure_threshold below") {
    wrong.failure_threshold = 0;
    field = "circuit_breaker.failure_threshold is 0";
  }
  SECTION("failure_threshold above") {
    wrong.failure_threshold = 1'000'001;
    field = "circuit_breaker.failure_threshold is 1000001";
  }
  SECTION("success_threshold below") {
    wrong.success_threshold = 0;
    field = "circuit_breaker.success_threshold is 0";
  }
  SECTION("success_threshold above") {
    wrong.success_threshold = 1'000'001;
    field = "circuit_breaker.success_threshold is 1000001";
  }
  SECTION("open_for below") {
    wrong.open_for = 1ms - 1ns;
    field = "circuit_breaker.open_for is 999.999us";
    permitted = "1ms .. 36500d";
  }
  SECTION("open_for negative") {
    wrong.open_for = -1s;
    field = "circuit_breaker.open_for is -1s";
    permitted = "1ms .. 36500d";
  }
  SECTION("open_for above") {
    wrong.open_for = longest_timespan + 1ns;
    field = "circuit_breaker.open_for is ";
    permitted = "1ms .. 36500d";
  }
  SECTION("half_open_calls below") {
    wrong.half_open_calls = 0;
    field = "circuit_breaker.half_open_calls is 0";
    permitted = "1 .. 10000";
  }
  SECTION("half_open_calls above") {
    wrong.half_open_calls = 10'001;
    field = "circuit_breaker.half_open_calls is 10001";
    permitted = "1 .. 10000";
  }
  auto refused = f.sys.ask(f.breaker, change_policy_atom_v, wrong)->error();
  REQUIRE(refused == errc::invalid_policy);
  auto text = to_string(refused);
  INFO(text);
  CHECK(text.find(field) != std::string::npos);
  CHECK(text.find("permitted: " + permitted) != std::string::npos);
  CHECK(text.find("part 'db'") != std::string::npos);
  f.call(-1);
  f.call(-1);
  CHECK(f.state() == circuit_state::closed);
  f.call(-1);
  CHECK(f.state() == circuit_state::open);
  f.sys.advance(10s + 1ms);
  CHECK(f.state() == circuit_state::half_open);
}

TEST_CASE("a message that a breaker does not know is an error and changes nothing [P5]",
          "[circuit_breaker]") {
  fixture f;
  f.call(-1);
  const auto before = caf::deep_to_string(f.stats());
  CHECK(f.sys.ask(f.breaker, std::string{"hello"})->error() == caf::sec::unexpected_message);
  CHECK(f.sys.ask(f.breaker, available_capacity_atom_v)->error() == caf::sec::unexpected_message);
  CHECK(f.sys.ask(f.breaker, change_policy_atom_v, bulkhead_policy{})->error()
        == caf::sec::unexpected_message);
  CHECK(f.sys.ask(f.breaker, state_atom_v, 1)->error() == caf::sec::unexpected_message);
  tell(f.breaker, books_report{.round = 9});
  tell(f.breaker, outcome_report{.held = {.generation = 77, .probe = 5}, .failed = true});
  tell(f.breaker, wake_up_atom_v);
  f.sys.run();
  CHECK(caf::deep_to_string(f.stats()) == before);
}

TEST_CASE("a bare error sent to a breaker does not end it [P5]", "[circuit_breaker]") {
  fixture f;
  tell(f.breaker, caf::make_error(target_error::broken));
  f.sys.run();
  CHECK(f.call(1)->as<std::int32_t>() == 2);
}

// -- nobody waits for it -------------------------------------------------------------

TEST_CASE("trap 16: a breaker answers while calls through it are under way", "[circuit_breaker]") {
  fixture f;
  f.trip_and_wait();
  auto slow = f.call_manual();
  CHECK(f.call(1)->as<std::int32_t>() == 2);
  CHECK(f.state() == circuit_state::half_open);
  CHECK(f.stats().calls.in_flight == 1);
  f.say(force_open_atom_v);
  CHECK(slow->count() == 0);
}

TEST_CASE("trap 17: a subscriber may use the breaker while it is told", "[circuit_breaker]") {
  fixture f;
  auto seen = std::make_shared<std::vector<circuit_state>>();
  auto meddler = f.sys->spawn([seen, breaker = f.breaker](caf::event_based_actor* self) {
    compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(breaker), self->ctrl(),
                    caf::make_message_id(), caf::make_message(subscribe_atom_v), nullptr);
    return caf::behavior{[self, seen, breaker](const circuit_event& event) {
      if (event.to == circuit_state::closed)
        return;
      tell(breaker, reset_atom_v);
      compat::request(self, breaker, state_atom_v).then([seen](circuit_state state) {
        seen->push_back(state);
      });
      compat::request(self, breaker, get_stats_atom_v)
          .then([seen](const circuit_breaker_stats& stats) { seen->push_back(stats.state); });
    }};
  });
  f.sys.run();
  f.sys.ask(f.breaker, force_open_atom_v);
  CHECK(f.state() == circuit_state::closed);
  CHECK(*seen == std::vector{circuit_state::closed, circuit_state::closed});
}

TEST_CASE("trap 12: time is the actor system's steady clock and not the wall's",
          "[circuit_breaker]") {
  STATIC_REQUIRE(std::is_same_v<caf::actor_clock::clock_type, std::chrono::steady_clock>);
  fixture f;
  f.trip();
  // The wall clock and the machine's own go on; for the breaker no time has gone by.
  CHECK(f.call(1)->error() == errc::circuit_open);
  CHECK(report_of(f.call(1)->error())->retry_after == 10s);
}

// -- the end -------------------------------------------------------------------------

TEST_CASE("shutdown answers what is under way through the breaker and then ends it [P2]",
          "[circuit_breaker]") {
  fixture f;
  auto waiting = f.call_manual();
  SECTION("at once where it need not wait") {
    auto done = f.sys.ask(f.breaker, shutdown_atom_v);
    CHECK(waiting->error() == errc::shutting_down);
    CHECK(done->count() == 1);
  }
  SECTION("with the target's reply where it waits") {
    auto done = f.sys.ask(f.breaker, shutdown_atom_v, true);
    CHECK(waiting->count() == 0);
    CHECK(done->count() == 0);
    CHECK(f.call(1)->error() == errc::shutting_down);
    f.sys.answer(f.manual, 0, std::int32_t{7});
    CHECK(waiting->as<std::int32_t>() == 7);
    CHECK(done->count() == 1);
  }
  SECTION("when it is killed") {
    f.sys.kill(f.breaker);
    CHECK(waiting->error() == errc::shutting_down);
  }
  CHECK(waiting->count() == 1);
  CHECK(f.call(1)->error() == caf::sec::request_receiver_down);
}

TEST_CASE("a breaker goes on when what carries its calls has crashed [P1] [K1]",
          "[circuit_breaker]") {
  fixture f;
  auto sender = std::make_shared<caf::actor>();
  auto spy = f.sys->spawn([sender](caf::event_based_actor* self) {
    return caf::behavior{[self, sender](ask_atom, std::int32_t) {
      *sender = caf::actor_cast<caf::actor>(self->current_sender());
      return self->make_response_promise(); // never answered
    }};
  });
  auto lost = f.sys.ask(f.breaker, call_atom_v, spy, caf::make_message(ask_atom_v, 1));
  REQUIRE(*sender);
  f.sys.kill(*sender);
  *sender = nullptr;
  CHECK(lost->count() == 1);
  CHECK(f.call(4)->as<std::int32_t>() == 8);
  CHECK(f.stats().calls.calls == 2);
}
