// Two nodes, each in a system of its own, over a socket.
#include "support/catch.hpp"
#include "support/listener.hpp"
#include "support/networked_system.hpp"

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

struct fixture {
  networked_system there;
  std::optional<bulwark::node> their_node{std::in_place, *there};
  std::uint16_t port = publish(*their_node, 0);
  networked_system here;
  bulwark::node node{*here};
  remote_node remote = connect(node, "127.0.0.1", port);

  fixture() { REQUIRE(remote.wait_until_connected(60s)); }

  // A program that knows only the messages: a handle to their door, as CAF gives it.
  caf::actor door() {
    auto result = here->middleman().remote_actor("127.0.0.1", port);
    REQUIRE(result);
    return *result;
  }
};

caf::behavior silent() {
  return {[](ask_atom, std::int32_t) { return caf::delegated<std::int32_t>{}; },
          [](get_atom) { return true; }};
}

template <class Error, class F>
Error error_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    return error;
  }
  throw std::runtime_error{"nothing was thrown"};
}

} // namespace

// -- the door, from another node -----------------------------------------------------

TEST_CASE("a program that knows only the messages uses a node over a socket [D1] [D2] [D4]",
          "[distributed]") {
  fixture f;
  auto guard = f.their_node->guard("db", (*f.there).spawn(doubling_target), {});
  auto door = f.door();
  const auto call = [&](const std::string& name, auto... content) {
    return f.here.ask(door, call_atom_v, name, call_context{}, caf::make_message(content...));
  };
  CHECK(call("db", ask_atom_v, std::int32_t{21})->as<std::int32_t>() == 42);
  CHECK(call("db", ask_atom_v, std::int32_t{-1})->error() == target_error::broken);
  const auto why = call("nobody", ask_atom_v, std::int32_t{1})->error();
  REQUIRE(why == errc::unknown_name);
  CHECK(report_of(why)->guard == "nobody");
  CHECK(f.here
            .ask(door, call_atom_v, std::string{"db"}, call_context{.remaining = -1ms},
                 caf::make_message(ask_atom_v, std::int32_t{1}))
            ->error()
        == errc::timed_out);
  const auto parts = f.here.get<std::vector<part_info>>(door, list_atom_v);
  CHECK(std::any_of(parts.begin(), parts.end(), [](const part_info& part) {
    return part.name == "db" && part.kind == part_kind::guard;
  }));
  const auto stats = f.here.get<node_stats>(door, get_stats_atom_v, std::string{"db"});
  REQUIRE(stats.guards.size() == 1);
  CHECK(stats.guards[0].calls.calls == 3);
  CHECK(f.here.get<node_stats>(door, get_all_stats_atom_v).total.timed_out == 1);
}

TEST_CASE("subscribers on another node are told transitions [D4]", "[distributed]") {
  fixture f;
  auto breaker = f.their_node->circuit_breaker("shared");
  auto door = f.door();
  std::promise<circuit_event> told;
  auto subscriber = (*f.here).spawn([&told](caf::event_based_actor*) -> caf::behavior {
    return {[&told](const circuit_event& event) { told.set_value(event); }};
  });
  // In its name: the answer comes to it as well, and is of no interest.
  compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(door),
                  caf::actor_cast<caf::strong_actor_ptr>(subscriber), caf::make_message_id(),
                  caf::make_message(subscribe_atom_v), nullptr);
  f.here.ask(door, list_atom_v); // it has arrived when this is answered
  f.there.ask(breaker, force_open_atom_v);
  const auto event = told.get_future().get();
  CHECK(event.name == "shared");
  CHECK(event.to == circuit_state::forced_open);
  f.here.kill(subscriber);
}

// -- remote guards -------------------------------------------------------------------

TEST_CASE("a guard of another node is called like a local one [D7] [G1]", "[distributed]") {
  fixture f;
  auto guard = f.their_node->guard("db", (*f.there).spawn(doubling_target), {});
  auto db = f.remote.guard("db");
  CHECK(f.here.get<std::int32_t>(db, ask_atom_v, std::int32_t{21}) == 42);
  CHECK(f.here.ask(db, ask_atom_v, std::int32_t{-1})->error() == target_error::broken);
  const std::string large(1'000'000, 'x');
  CHECK(f.here.get<payload>(db, payload{large}).text == large);
  CHECK(f.here.ask(f.remote.guard("nobody"), ask_atom_v, std::int32_t{1})->error()
        == errc::unknown_name);
  CHECK(f.here.get<guard_stats>(db, get_stats_atom_v).name
        == "127.0.0.1:" + std::to_string(f.port) + "/db");
  CHECK_THROWS_AS(f.remote.guard("db"), policy_error); // one of each name
}

TEST_CASE("of thousands of calls to another node each gets its own answer once [D7] [G3] [K1]",
          "[distributed]") {
  fixture f;
  auto guard = f.their_node->guard("db", (*f.there).spawn(doubling_target), {});
  auto db = f.remote.guard("db", {.deadline = 10min});
  std::vector<reply_ptr> answers;
  for (std::int32_t i = 0; i < 5'000; ++i)
    answers.push_back(f.here.send(db, ask_atom_v, i));
  for (std::int32_t i = 0; i < 5'000; ++i) {
    const auto& answer = answers[static_cast<std::size_t>(i)];
    answer->wait();
    REQUIRE(answer->as<std::int32_t>() == 2 * i);
    REQUIRE(answer->count() == 1);
  }
  CHECK(f.here.get<guard_stats>(db, get_stats_atom_v).calls.succeeded == 5'000);
  CHECK(f.there.get<guard_stats>(guard, get_stats_atom_v).calls.succeeded == 5'000);
}

TEST_CASE("the guard of another node gives up with its caller [D3] [D7]", "[distributed]") {
  fixture f;
  auto guard = f.their_node->guard("db", (*f.there).spawn(silent), {});
  auto db = f.remote.guard("db", {.deadline = 50ms});
  CHECK(f.here.ask(db, ask_atom_v, std::int32_t{1})->error() == errc::timed_out);
  // Their guard has no deadline of its own: it could not end with a call that nobody cuts.
  const auto held = caf::actor_cast<caf::actor_addr>(guard);
  guard = nullptr;
  if (auto alive = caf::actor_cast<caf::actor>(held))
    while (f.there.get<guard_stats>(alive, get_stats_atom_v).calls.in_flight > 0)
      continue; // each answer is an event
}

TEST_CASE("a call to another node has a time limit where its policy names none [D11]",
          "[distributed]") {
  networked_system there;
  std::promise<call_context> seen;
  auto door = there->spawn([&seen](caf::event_based_actor*) -> caf::behavior {
    return {
        [&seen](call_atom, const std::string&, const call_context& context, const caf::message&) {
          seen.set_value(context);
          return 1;
        }};
  });
  const auto port = there->middleman().publish(door, 0, "127.0.0.1");
  REQUIRE(port);
  {
    networked_system here;
    bulwark::node node{*here};
    auto remote = connect(node, "127.0.0.1", *port);
    REQUIRE(remote.wait_until_connected(60s));
    here.ask(remote.guard("db"), ask_atom_v, std::int32_t{1});
    const auto remaining = seen.get_future().get().remaining;
    REQUIRE(remaining);
    CHECK(*remaining > longest_remote_attempt - 1s);
    CHECK(*remaining <= longest_remote_attempt + 1ms);
  }
  there.kill(door);
}

TEST_CASE("when the other node ends callers are answered and later ones are target_lost [D2] [D8]",
          "[distributed]") {
  fixture f;
  auto guard = f.their_node->guard("db", (*f.there).spawn(silent), {});
  auto db = f.remote.guard("db", {.deadline = 10min});
  auto in_flight = f.here.send(db, ask_atom_v, std::int32_t{1});
  CHECK(f.here.get<bool>(db, get_atom_v)); // behind it in the same line
  f.their_node.reset();
  in_flight->wait();
  CHECK(in_flight->error() == errc::shutting_down);
  CHECK(f.here.ask(db, ask_atom_v, std::int32_t{2})->error() == errc::target_lost);
}

TEST_CASE("guards that have called or answered another node still end with their last handle [G16] "
          "[D7]",
          "[distributed]") {
  fixture f;
  auto guard = f.their_node->guard("db", (*f.there).spawn(doubling_target), {});
  auto db = f.remote.guard("db");
  CHECK(f.here.get<std::int32_t>(db, ask_atom_v, std::int32_t{21}) == 42);
  CHECK(f.here.ask(db, ask_atom_v, std::int32_t{-1})->is_error());
  db = nullptr;
  guard = nullptr;
  const auto guards = [](real_system& sys, const caf::actor& registry) {
    const auto parts = sys.get<std::vector<part_info>>(registry, list_atom_v);
    return std::count_if(parts.begin(), parts.end(),
                         [](const part_info& part) { return part.kind == part_kind::guard; });
  };
  while (guards(f.here, f.node.registry()) > 0 || guards(f.there, f.their_node->registry()) > 0)
    continue; // each answer is an event
}

TEST_CASE("two nodes guard each other's guards [D7]", "[distributed]") {
  fixture f;
  auto guard = f.their_node->guard("db", (*f.there).spawn(doubling_target), {});
  auto back = connect(*f.their_node, "127.0.0.1", publish(f.node, 0));
  REQUIRE(back.wait_until_connected(60s));
  // There and back and there again.
  auto first = f.remote.guard("db");
  auto second = f.node.guard("ours", first, {});
  auto third = back.guard("ours");
  CHECK(f.there.get<std::int32_t>(third, ask_atom_v, std::int32_t{21}) == 42);
}

// -- publishing ----------------------------------------------------------------------

TEST_CASE("a port that can't be opened is refused with a clear word [D6] [E3]", "[distributed]") {
  fixture f;
  CHECK(f.port != 0);
  const auto port = std::to_string(f.port);
  std::string text = error_of<policy_error>([&] { publish(f.node, f.port); }).what();
  CHECK(text.find("port " + port + " of '127.0.0.1' can't be opened") != std::string::npos);
  text = error_of<policy_error>([&] { publish(f.node, 0, "no address"); }).what();
  CHECK(text.find("'no address' can't be opened") != std::string::npos);
}

TEST_CASE("without CAF's middleman nodes can't be reached and the error says so [D6] [E3]",
          "[distributed]") {
  real_system sys;
  bulwark::node node{*sys};
  const auto says_so = [](const policy_error& error) {
    return std::string{error.what()}.find("caf::io::middleman is not loaded") != std::string::npos;
  };
  CHECK(says_so(error_of<policy_error>([&] { publish(node, 0); })));
  CHECK(says_so(error_of<policy_error>([&] { return connect(node, "127.0.0.1", 1); })));
}

TEST_CASE("a node that has ended publishes nothing and connects to nobody [D6] [D7]",
          "[distributed]") {
  fixture f;
  f.node.shut_down();
  CHECK(error_of<resilience_error>([&] { publish(f.node, 0); }).code() == errc::shutting_down);
  CHECK(error_of<resilience_error>([&] { return connect(f.node, "127.0.0.1", f.port); }).code()
        == errc::shutting_down);
  CHECK(error_of<resilience_error>([&] { return f.remote.guard("db"); }).code()
        == errc::shutting_down);
}

TEST_CASE("a port is free again when its node has ended [D6]", "[distributed]") {
  networked_system sys;
  std::uint16_t port = 0;
  {
    bulwark::node node{*sys};
    port = publish(node, 0);
  }
  bulwark::node next{*sys};
  while (true) { // CAF closes it in its own time
    try {
      const auto again = publish(next, port);
      CHECK(again == port);
      break;
    } catch (const policy_error&) {
    }
  }
}
