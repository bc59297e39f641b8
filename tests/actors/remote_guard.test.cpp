// Guards that stand for those of another node, in virtual time: the network and the other node's
// front door are the test's own.
#include "bulwark/connector_actor.hpp"

#include "support/guards.hpp"
#include "support/listener.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/byte_buffer.hpp>

#include <algorithm>
#include <deque>
#include <set>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

// Trials to connect, as the test has to answer them.
struct dials {
  std::vector<timespan> times; // since the first one
  std::deque<caf::response_promise> open;
};

// In an actor's own time, as CAF wants it.
void deliver(caf::response_promise& promise, const caf::message& content) {
  if (content.match_elements<caf::error>())
    promise.deliver(content.get_as<caf::error>(0));
  else
    promise.deliver(content);
}

caf::behavior dialler(caf::event_based_actor* self, std::shared_ptr<dials> log) {
  const auto begin = self->clock().now();
  return {
      [self, log, begin](caf::connect_atom, const std::string& host, std::uint16_t port) {
        CHECK(host == "peer");
        CHECK(port == 4711);
        log->times.push_back(self->clock().now() - begin);
        log->open.push_back(self->make_response_promise());
        return log->open.back();
      },
      [log](answer_atom, const caf::message& content) { deliver(log->open.front(), content); },
  };
}

// Another node's front door: keeps what it is told, answers when the test says so.
struct door_log {
  struct question {
    std::string guard;
    call_context context;
    caf::message content;
    caf::response_promise promise;
  };
  std::vector<question> questions;
  std::vector<std::pair<std::string, std::uint64_t>> cancelled;
};

caf::behavior front_door(caf::event_based_actor* self, std::shared_ptr<door_log> log) {
  return {
      [self, log](call_atom, const std::string& guard, const call_context& context,
                  const caf::message& content) {
        log->questions.push_back({guard, context, content, self->make_response_promise()});
        return log->questions.back().promise;
      },
      [log](cancel_atom, const std::string& guard, std::uint64_t request) {
        log->cancelled.emplace_back(guard, request);
      },
      [log](answer_atom, std::uint64_t which, const caf::message& content) {
        deliver(log->questions.at(which).promise, content);
      },
  };
}

struct fixture {
  virtual_system sys;
  std::optional<virtual_node> node{std::in_place, sys};
  std::shared_ptr<dials> dialled = std::make_shared<dials>();
  caf::actor middleman = sys->spawn(dialler, dialled);
  std::shared_ptr<door_log> log = std::make_shared<door_log>();
  std::shared_ptr<peer_line> line = std::make_shared<peer_line>();
  caf::actor connector = sys->spawn<connector_actor>(connector_actor::settings{
      .host = "peer",
      .port = 4711,
      .dialler = middleman,
      .node = caf::actor_cast<caf::strong_actor_ptr>((*node)->timeout_manager()),
      .line = line,
      .seed = 1});
  caf::actor door;

  fixture() { sys.run(); }
  ~fixture() {
    log->questions.clear(); // a promise holds its actor
    dialled->open.clear();
    node.reset();
    for (const auto& each : {door, middleman})
      if (each)
        sys.kill(each);
  }

  caf::actor guard(const guard_policy& policy) {
    auto result = caf::actor_cast<caf::actor>((*node)->directory()->remote_guard(
        "peer:4711/db", {.guard = "db", .connector = connector}, line->door(), policy));
    sys.run();
    return result;
  }

  // Answers the trial that is open.
  void answer_dial(const caf::strong_actor_ptr& with) {
    REQUIRE(dialled->open.size() == 1);
    answer_dial(caf::make_message(sys->node(), with, std::set<std::string>{}));
  }
  void refuse_dial() {
    REQUIRE(dialled->open.size() == 1);
    answer_dial(caf::make_message(caf::make_error(caf::sec::cannot_connect_to_node)));
  }
  void answer_dial(caf::message content) {
    tell(middleman, answer_atom_v, std::move(content));
    sys.run();
    dialled->open.clear();
  }
  void connect() {
    door = sys->spawn(front_door, log);
    answer_dial(caf::actor_cast<caf::strong_actor_ptr>(door));
  }
  // Until there is a trial to be answered.
  void wait_for_dial() { sys.advance(redial_limits.max_delay); }
  void lose() {
    log->questions.clear();
    sys.kill(door);
  }
  // As bytes of another node are read: CAF takes any number for an error's category.
  caf::error foreign_error() {
    caf::byte_buffer bytes;
    caf::binary_serializer sink{*sys, bytes};
    caf::error result;
    REQUIRE(sink.apply(caf::make_error(target_error::broken)));
    const auto known = caf::type_id_v<target_error>;
    for (auto i = bytes.begin(); i + 1 < bytes.end(); ++i) {
      if (static_cast<unsigned>(i[0]) == known >> 8U
          && static_cast<unsigned>(i[1]) == (known & 255U))
        i[0] = static_cast<caf::byte_buffer::value_type>(0x7f);
    }
    caf::binary_deserializer source{*sys, bytes};
    REQUIRE(source.apply(result));
    REQUIRE(result.category() != known);
    return result;
  }
  template <class T>
  void reply(std::size_t which, T value) {
    tell(door, answer_atom_v, std::uint64_t{which}, caf::make_message(std::move(value)));
    sys.run();
  }
};

} // namespace

// -- calls ---------------------------------------------------------------------------

TEST_CASE("a call goes to the peer's door by the guard's name and is answered once [D7] [G3]",
          "[remote]") {
  fixture f;
  f.connect();
  auto guard = f.guard({});
  auto answer = f.sys.ask(guard, ask_atom_v, std::int32_t{21});
  REQUIRE(f.log->questions.size() == 1);
  CHECK(f.log->questions[0].guard == "db");
  CHECK(f.log->questions[0].content.match_elements<ask_atom, std::int32_t>());
  CHECK(answer->count() == 0);
  f.reply(0, std::int32_t{42});
  REQUIRE(answer->count() == 1);
  CHECK(answer->as<std::int32_t>() == 42);
}

TEST_CASE("an attempt whose time is up is taken back at the peer unless that is off [R36]",
          "[remote]") {
  fixture f;
  f.connect();
  {
    auto guard = f.guard({.deadline = 1s});
    f.sys.ask(guard, ask_atom_v, std::int32_t{1});
    f.sys.advance(1s + 5ms);
    REQUIRE(f.log->cancelled.size() == 1);
    CHECK(f.log->cancelled[0].first == "db");
    f.sys.kill(guard);
  }
  auto guard = f.guard({.deadline = 1s, .cancel = cancel_signal::off});
  auto answer = f.sys.ask(guard, ask_atom_v, std::int32_t{1});
  f.sys.advance(1s + 5ms);
  CHECK(is(answer, errc::timed_out));
  CHECK(f.log->cancelled.size() == 1);
}

TEST_CASE("a call takes its context to the peer and its attempt with it [R34 T36]", "[remote]") {
  fixture f;
  f.connect();
  auto guard = f.guard({.retry = retry_policy{.max_attempts = 2, .base_delay = 1ms}});
  auto answer = f.sys.ask(guard, call_atom_v, call_context{.tenant = "acme"},
                          caf::make_message(ask_atom_v, std::int32_t{1}));
  f.reply(0, caf::make_error(target_error::busy, error_mark::transient));
  f.sys.advance(10ms);
  REQUIRE(f.log->questions.size() == 2);
  const auto& context = f.log->questions[1].context;
  CHECK(context.tenant == "acme");
  CHECK(context.attempt == 2);
  CHECK(context.by_guard);
  // The peer's guard has no retry left for it, so there is none here either; to others that is no
  // part of the answer.
  tell(f.door, answer_atom_v, std::uint64_t{1},
       caf::make_message(retry_after{-1ns}, caf::make_error(target_error::busy)));
  f.sys.run();
  CHECK(answer->error() == target_error::busy);
  CHECK(answer->error().context().empty());
}

TEST_CASE("an attempt tells the peer how much time it has left [D3] [D7]", "[remote]") {
  fixture f;
  f.connect();
  const auto remaining = [&f](std::size_t which) {
    return f.log->questions.at(which).context.remaining;
  };
  {
    auto guard = f.guard({.deadline = 5s,
                          .attempt_timeout = 2s,
                          .retry = retry_policy{.max_attempts = 3,
                                                .base_delay = 1s,
                                                .exponential_base = 1,
                                                .jitter = jitter_kind::none}});
    auto answer = f.sys.ask(guard, ask_atom_v, std::int32_t{1});
    f.sys.advance(10s);
    CHECK(is(answer, errc::timed_out));
    REQUIRE(f.log->questions.size() == 2);
    for (const auto left : {remaining(0), remaining(1)}) {
      REQUIRE(left);
      CHECK(*left > 1900ms); // the second attempt's is what the deadline leaves
      CHECK(*left <= 2001ms);
    }
    f.sys.kill(guard);
  }
  auto guard = f.guard({});
  f.sys.ask(guard, ask_atom_v, std::int32_t{2});
  CHECK(remaining(2) == std::nullopt);
  f.reply(2, std::int32_t{4});
}

TEST_CASE("errors that the peer's guard makes come back as they are [D7] [E2]", "[remote]") {
  fixture f;
  f.connect();
  auto guard = f.guard({.retry = retry_policy{}});
  auto answer = f.sys.ask(guard, ask_atom_v, std::int32_t{1});
  f.reply(0, make_failure(errc::circuit_open, {.guard = "db", .part = "b", .retry_after = 3s}));
  REQUIRE(is(answer, errc::circuit_open));
  CHECK(report_of(answer->error())->retry_after == 3s);
}

TEST_CASE("an error of a type that this program does not know is answered as such [D10]",
          "[remote]") {
  fixture f;
  f.connect();
  auto guard = f.guard({.retry = retry_policy{.max_attempts = 1, .retry_on = always}});
  const auto foreign = [&](auto make) {
    auto answer = f.sys.ask(guard, ask_atom_v, std::int32_t{1});
    f.reply(f.log->questions.size() - 1, make());
    REQUIRE(answer->count() == 1);
    REQUIRE(answer->is_error());
    CHECK_FALSE(to_string(answer->error()).empty());
    return answer->error();
  };
  CHECK(foreign([&f] { return f.foreign_error(); }) == errc::retries_exhausted);
  CHECK(foreign([&f] { return caf::make_error(target_error::broken, f.foreign_error()); })
        == errc::retries_exhausted);
  CHECK(last_error_of(foreign([&f] { return f.foreign_error(); })) == caf::sec::unknown_type);
}

// -- loss ----------------------------------------------------------------------------

TEST_CASE("while there is no connection a call is target_lost at once [D8]", "[remote]") {
  fixture f;
  auto guard = f.guard({});
  auto answer = f.sys.ask(guard, ask_atom_v, std::int32_t{1});
  REQUIRE(is(answer, errc::target_lost));
  CHECK(report_of(answer->error())->guard == "peer:4711/db");
  CHECK_FALSE(f.line->door());
}

TEST_CASE("when the door is lost what is in flight is target_lost once [D8] [G4]", "[remote]") {
  fixture f;
  f.connect();
  auto guard = f.guard({.deadline = 60s});
  auto first = f.sys.ask(guard, ask_atom_v, std::int32_t{1});
  auto second = f.sys.ask(guard, ask_atom_v, std::int32_t{2});
  CHECK(first->count() == 0);
  f.lose();
  CHECK(is(first, errc::target_lost));
  CHECK(is(second, errc::target_lost));
  CHECK(is(f.sys.ask(guard, ask_atom_v, std::int32_t{3}), errc::target_lost));
  f.sys.advance(2min);
  CHECK(first->count() == 1);
}

TEST_CASE("the handle stays good when the peer comes back [D9]", "[remote]") {
  fixture f;
  f.connect();
  auto guard = f.guard({});
  f.lose();
  f.wait_for_dial();
  f.connect();
  auto answer = f.sys.ask(guard, ask_atom_v, std::int32_t{1});
  f.reply(0, std::int32_t{2});
  CHECK(answer->as<std::int32_t>() == 2);
}

TEST_CASE("a call that may be tried again survives the peer's restart [D8] [D9]", "[remote]") {
  fixture f;
  f.connect();
  auto guard = f.guard({.deadline = 60s,
                        .retry = retry_policy{.max_attempts = 10,
                                              .base_delay = 3s,
                                              .exponential_base = 1,
                                              .jitter = jitter_kind::none}});
  auto answer = f.sys.ask(guard, ask_atom_v, std::int32_t{1});
  f.lose();
  CHECK(answer->count() == 0);
  f.wait_for_dial();
  f.connect();
  f.sys.advance(4s);
  REQUIRE(f.log->questions.size() == 1);
  f.reply(0, std::int32_t{2});
  CHECK(answer->as<std::int32_t>() == 2);
}

TEST_CASE("a new door is taken before the old one is known to be lost [D8] [D9]", "[remote]") {
  fixture f;
  f.connect();
  auto guard = f.guard({});
  auto old = f.sys.ask(guard, ask_atom_v, std::int32_t{1});
  auto other_log = std::make_shared<door_log>();
  auto other = f.sys->spawn(front_door, other_log);
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(guard),
               door_change{.door = caf::actor_cast<caf::strong_actor_ptr>(other)});
  f.sys.run();
  CHECK(is(old, errc::target_lost));
  auto answer = f.sys.ask(guard, ask_atom_v, std::int32_t{2});
  f.lose(); // the old one's end says nothing of calls to the new
  CHECK(answer->count() == 0);
  tell(other, answer_atom_v, std::uint64_t{0}, caf::make_message(std::int32_t{4}));
  f.sys.run();
  CHECK(answer->as<std::int32_t>() == 4);
  other_log->questions.clear();
}

TEST_CASE("a door that is handed over dead is lost and not waited for [D8]", "[remote]") {
  fixture f;
  auto guard = f.guard({});
  auto dead = f.sys->spawn(front_door, f.log);
  f.sys.kill(dead);
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(guard),
               door_change{.door = caf::actor_cast<caf::strong_actor_ptr>(dead)});
  f.sys.run();
  CHECK(is(f.sys.ask(guard, ask_atom_v, std::int32_t{1}), errc::target_lost));
}

// -- dialling ------------------------------------------------------------------------

TEST_CASE("the peer is dialled for ever with waits that grow to 1 s and are spread [D9]",
          "[remote]") {
  fixture f;
  std::vector<timespan> waits;
  for (int i = 0; i < 200; ++i) {
    f.refuse_dial();
    f.wait_for_dial();
    waits.push_back(f.dialled->times.back() - i * redial_limits.max_delay);
  }
  CHECK(f.dialled->times.size() == 201);
  timespan cap = 100ms;
  for (const auto wait : waits) {
    CHECK(wait >= 0s);
    CHECK(wait <= cap);
    cap = std::min<timespan>(2 * cap, 1s);
  }
  // Full jitter: short waits and long ones.
  CHECK(*std::min_element(waits.begin() + 10, waits.end()) < 100ms);
  CHECK(*std::max_element(waits.begin() + 10, waits.end()) > 900ms);
}

TEST_CASE("after a connection the waits begin small again [D9]", "[remote]") {
  fixture f;
  for (int i = 0; i < 20; ++i) {
    f.refuse_dial();
    f.wait_for_dial();
  }
  f.connect();
  f.lose();
  f.sys.advance(100ms);
  CHECK(f.dialled->open.size() == 1);
}

TEST_CASE("a dial that has itself taken long is repeated soon [D9] [D57]", "[remote]") {
  fixture f;
  for (int i = 0; i < 20; ++i) {
    f.refuse_dial();
    f.wait_for_dial();
  }
  f.answer_dial(caf::make_message(caf::make_error(caf::sec::connection_timeout)));
  f.sys.advance(100ms);
  CHECK(f.dialled->open.size() == 1);
}

TEST_CASE("a port where nobody is published is dialled again [D9]", "[remote]") {
  fixture f;
  f.answer_dial(nullptr);
  CHECK_FALSE(f.line->door());
  f.wait_for_dial();
  f.connect();
  CHECK(f.line->door());
}

TEST_CASE("a connection ends with its node and not before its guards [D7] [G16]", "[remote]") {
  fixture f;
  f.connect();
  auto guard = f.guard({});
  const auto connector = caf::actor_cast<caf::actor_addr>(f.connector);
  f.connector = nullptr;
  f.sys.run();
  auto answer = f.sys.ask(guard, ask_atom_v, std::int32_t{1});
  f.reply(0, std::int32_t{2});
  CHECK(answer->as<std::int32_t>() == 2);
  auto held = caf::actor_cast<caf::strong_actor_ptr>(connector);
  REQUIRE(held);
  f.node.reset();
  f.sys.run();
  CHECK(compat::has_ended(held));
  CHECK_FALSE(f.line->door());
}

TEST_CASE("a connection that nobody uses any more ends [D7]", "[remote]") {
  fixture f;
  f.connect();
  auto guard = f.guard({});
  const auto connector = caf::actor_cast<caf::actor_addr>(f.connector);
  f.connector = nullptr;
  guard = nullptr;
  f.sys.run();
  CHECK_FALSE(caf::actor_cast<caf::strong_actor_ptr>(connector));
}

TEST_CASE("a local guard takes no door from anybody [G1] [D7]", "[remote]") {
  fixture f;
  auto target = f.sys->spawn(doubling_target);
  auto guard = (*f.node)->guard("local", target, {});
  f.connect();
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(guard),
               door_change{.door = caf::actor_cast<caf::strong_actor_ptr>(f.door)});
  f.sys.run();
  CHECK(f.sys.get<std::int32_t>(guard, ask_atom_v, std::int32_t{4}) == 8);
}
