// The front door, to a program that knows only the protocol's messages.
#include "bulwark/front_door_actor.hpp"

#include "support/guards.hpp"
#include "support/listener.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/byte_buffer.hpp>

#include <algorithm>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

struct fixture : guard_fixture {
  caf::actor door = node->front_door();

  reply_ptr call(const std::string& name, const call_context& context, caf::message content) {
    return sys.ask(door, call_atom_v, name, context, std::move(content));
  }
  reply_ptr call(std::int32_t question, std::optional<timespan> remaining = {}) {
    return call("db", {.remaining = remaining}, caf::make_message(ask_atom_v, question));
  }
};

// As bytes of another node are read: CAF takes any number for an error's category.
caf::error foreign_error(caf::actor_system& sys, caf::type_id_t category = 0x7f01,
                         bool coded = true) {
  caf::byte_buffer bytes;
  caf::binary_serializer sink{sys, bytes};
  REQUIRE(sink.apply(caf::make_error(target_error::broken)));
  const auto known = caf::type_id_v<target_error>;
  for (auto i = bytes.begin(); i + 1 < bytes.end(); ++i)
    if (static_cast<unsigned>(i[0]) == known >> 8U
        && static_cast<unsigned>(i[1]) == (known & 255U)) {
      i[0] = static_cast<caf::byte_buffer::value_type>(category >> 8U);
      i[1] = static_cast<caf::byte_buffer::value_type>(category & 255U);
      if (!coded) // 0, which says that there is no error, in one that is there
        i[-1] = {};
      break;
    }
  caf::binary_deserializer source{sys, bytes};
  caf::error result;
  REQUIRE(source.apply(result));
  REQUIRE(result.category() == category);
  return result;
}

bool names(const caf::error& why, const std::string& name) {
  const auto report = report_of(why);
  return report && report->guard == name
         && to_string(why).find("guard '" + name + "'") != std::string::npos;
}

} // namespace

// -- calls ---------------------------------------------------------------------------

TEST_CASE("a call through the door is answered by the guard of that name [D1] [G3]", "[door]") {
  fixture f;
  auto guard = f.guard(whole_policy());
  auto answer = f.call(21);
  CHECK(answer->count() == 0);
  REQUIRE(f.target.log->questions.size() == 1);
  CHECK(f.question(0) == 21);
  f.sys.answer(f.target, 0, std::int32_t{42});
  REQUIRE(answer->count() == 1);
  CHECK(answer->as<std::int32_t>() == 42);
  CHECK(f.stats(guard).calls.succeeded == 1);
}

TEST_CASE("errors of target and guard come through the door as they are [D1] [E1]", "[door]") {
  fixture f;
  auto guard = f.guard({.deadline = 1s});
  auto answer = f.call(1);
  f.sys.answer(f.target, 0, caf::make_error(target_error::broken));
  REQUIRE(answer->count() == 1);
  CHECK(answer->error() == target_error::broken);
  answer = f.call(2);
  f.sys.advance(2s);
  CHECK(is(answer, errc::timed_out));
  CHECK(names(answer->error(), "db"));
}

TEST_CASE("content of any type goes through the door unopened [D1]", "[door]") {
  fixture f;
  auto guard = f.node->guard("echo", f.sys->spawn(doubling_target), {});
  auto answer = f.call("echo", {}, caf::make_message(payload{"as it is"}));
  REQUIRE(answer->count() == 1);
  CHECK(answer->as<payload>().text == "as it is");
  answer = f.call("echo", {}, caf::make_message());
  REQUIRE(answer->count() == 1);
  CHECK(answer->is_error());
  answer = f.call("echo", {}, caf::make_message(get_stats_atom_v));
  REQUIRE(answer->count() == 1);
  CHECK(answer->is_error()); // the target's word: the guard's statistics are no reply of its
}

TEST_CASE("a send without a request is guarded and counted too [D1] [G7]", "[door]") {
  fixture f;
  auto guard = f.guard({});
  tell(f.door, call_atom_v, std::string{"db"}, call_context{},
       caf::make_message(ask_atom_v, std::int32_t{5}));
  f.sys.run();
  CHECK(f.stats(guard).calls.calls == 1);
  REQUIRE(f.target.log->questions.size() == 1);
  f.sys.answer(f.target, 0, std::int32_t{10});
  CHECK(f.stats(guard).calls.succeeded == 1);
}

TEST_CASE("a name that nobody has is an error that names it [D2] [E2]", "[door]") {
  fixture f;
  auto answer = f.call(1);
  CHECK(is(answer, errc::unknown_name));
  CHECK(names(answer->error(), "db"));
  // A part is no guard.
  f.node->circuit_breaker("breaker");
  CHECK(is(f.call("breaker", {}, caf::make_message(ask_atom_v, 1)), errc::unknown_name));
}

TEST_CASE("a guard that has ended is unknown and its successor is found [D2]", "[door]") {
  fixture f;
  auto guard = f.guard({});
  CHECK(f.call(1)->count() == 0);
  f.sys.kill(guard);
  CHECK(is(f.call(2), errc::unknown_name));
  guard = f.guard({});
  auto answer = f.call(3);
  f.sys.answer(f.target, 1, std::int32_t{6});
  CHECK(answer->as<std::int32_t>() == 6);
  guard = nullptr; // nobody has its handle any more
  f.sys.run();
  CHECK(is(f.call(4), errc::unknown_name));
}

TEST_CASE("a node that goes down answers shutting_down at its door [D2]", "[door]") {
  virtual_system sys;
  auto directory = std::make_shared<part_directory>(*sys, caf::actor{}, caf::actor{});
  auto door = sys->spawn<front_door_actor>(directory, caf::actor{}, caf::actor{});
  const auto call = [&] {
    return sys.ask(door, call_atom_v, std::string{"db"}, call_context{},
                   caf::make_message(ask_atom_v, 1));
  };
  CHECK(is(call(), errc::unknown_name));
  directory->close();
  const auto answer = call();
  CHECK(is(answer, errc::shutting_down));
  CHECK(names(answer->error(), "db"));
}

TEST_CASE("calls in flight through the door are answered when the node ends [D2] [G5]", "[door]") {
  virtual_system sys;
  auto target = sys.spawn_manual();
  reply_ptr answer;
  caf::actor door;
  {
    virtual_node node{sys};
    door = node->front_door();
    auto guard = node->guard("db", target.handle, {});
    answer = sys.ask(door, call_atom_v, std::string{"db"}, call_context{},
                     caf::make_message(ask_atom_v, 1));
    CHECK(answer->count() == 0);
  }
  CHECK(is(answer, errc::shutting_down));
  CHECK(compat::has_ended(caf::actor_cast<caf::strong_actor_ptr>(door)));
}

// -- time ----------------------------------------------------------------------------

TEST_CASE("the smaller of the guard's deadline and the caller's remaining time holds [D3]",
          "[door]") {
  fixture f;
  auto guard = f.guard({.deadline = 5s});
  const auto remaining = GENERATE(as<timespan>{}, 1s, 5s, 60s, unbounded);
  const auto limit = std::min<timespan>(remaining, 5s);
  auto answer = f.call(1, remaining);
  f.sys.advance(limit - 1ms);
  CHECK(answer->count() == 0);
  f.sys.advance(3ms);
  CHECK(is(answer, errc::timed_out));
}

TEST_CASE("remaining time holds where the guard has no deadline of its own [D3]", "[door]") {
  fixture f;
  auto guard = f.guard({});
  auto bounded = f.call(1, 200ms);
  auto free = f.call(2);
  f.sys.advance(199ms);
  CHECK(bounded->count() == 0);
  f.sys.advance(3ms);
  CHECK(is(bounded, errc::timed_out));
  f.sys.advance(1h);
  CHECK(free->count() == 0);
}

TEST_CASE("work whose time is up is never started whatever the parts say [D3]", "[door]") {
  fixture f;
  const auto remaining = GENERATE(as<timespan>{}, 0ns, -1ns, -5s, timespan::min());
  auto guard = f.guard(whole_policy());
  CHECK(is(f.call(1, remaining), errc::timed_out));
  auto breaker = f.node->circuit_breaker("db", {.failure_threshold = 5, .open_for = 60s});
  f.sys.ask(breaker, force_open_atom_v);
  CHECK(is(f.call(2, remaining), errc::timed_out));
  CHECK(f.target.log->questions.empty());
  const auto calls = f.stats(guard).calls;
  CHECK(calls.timed_out == 2);
  CHECK(calls.balanced());
  CHECK(f.stats(guard).attempts == 0);
  CHECK(f.breaker_stats(breaker).calls.calls == 0);
}

TEST_CASE("time that the caller has left bounds the wait in a bulkhead's queue [D3] [B9]",
          "[door]") {
  fixture f;
  auto guard =
      f.guard({.deadline = 5s, .bulkhead = bulkhead_policy{.max_workers = 1, .queue_size = 1}});
  auto first = f.call(1);
  auto second = f.call(2, 100ms);
  f.sys.advance(102ms);
  CHECK(is(second, errc::timed_out));
  f.sys.answer(f.target, 0, std::int32_t{2});
  CHECK(first->as<std::int32_t>() == 2);
  CHECK(f.target.log->questions.size() == 1);
}

// -- what there is -------------------------------------------------------------------

TEST_CASE("the door lists parts by name and kind and gives no address away [D4] [D5]", "[door]") {
  fixture f;
  auto guard = f.guard(whole_policy());
  const auto inside = f.sys.get<std::vector<part_info>>(f.node->registry(), list_atom_v);
  const auto outside = f.sys.get<std::vector<part_info>>(f.door, list_atom_v);
  REQUIRE(outside.size() == inside.size());
  for (std::size_t i = 0; i < inside.size(); ++i) {
    CHECK(outside[i].name == inside[i].name);
    CHECK(outside[i].kind == inside[i].kind);
    CHECK(inside[i].address);
    CHECK_FALSE(outside[i].address);
  }
}

TEST_CASE("the door tells statistics by name and of the node [D4] [Y4]", "[door]") {
  fixture f;
  auto guard = f.guard(whole_policy());
  auto other = f.node->guard("other", f.sys->spawn(doubling_target), {});
  f.sys.ask(other, ask_atom_v, 1);
  auto stats = f.sys.get<node_stats>(f.door, get_stats_atom_v, std::string{"other"});
  REQUIRE(stats.guards.size() == 1);
  CHECK(stats.guards[0].calls.succeeded == 1);
  stats = f.sys.get<node_stats>(f.door, get_stats_atom_v, std::string{"db"});
  CHECK(stats.circuit_breakers.size() == 1);
  stats = f.sys.get<node_stats>(f.door, get_all_stats_atom_v);
  CHECK(stats.guards.size() == 2);
  CHECK(stats.total.succeeded == 1);
  CHECK(is(f.sys.ask(f.door, get_stats_atom_v, std::string{"nobody"}), errc::unknown_name));
}

TEST_CASE("subscribers at the door are told transitions and rejections [D4] [Y5]", "[door]") {
  fixture f;
  auto guard = f.guard({.breaker = circuit_breaker_policy{.failure_threshold = 1}});
  auto log = std::make_shared<told>();
  auto subscriber = f.sys->spawn(listener, f.door, log);
  f.sys.run();
  f.call(1);
  f.sys.answer(f.target, 0, caf::make_error(target_error::broken));
  CHECK(is(f.call(2), errc::circuit_open));
  REQUIRE(log->transitions.size() == 1);
  CHECK(log->transitions[0].to == circuit_state::open);
  REQUIRE(log->rejections.size() == 1);
  CHECK(log->rejections[0].guard == "db");
  tell(subscriber, unsubscribe_atom_v);
  f.sys.run();
  CHECK(is(f.call(3), errc::circuit_open));
  CHECK(log->rejections.size() == 1);
  f.sys.kill(subscriber);
}

TEST_CASE("no answer from the door has another sender than the door [D5]", "[door]") {
  fixture f;
  auto guard = f.guard({.deadline = 1s, .bulkhead = bulkhead_policy{.max_workers = 1}});
  std::vector<reply_ptr> answers{f.call(1), f.call(2, 0ms), f.call(3)};
  f.sys.answer(f.target, 0, std::int32_t{2});
  f.sys.advance(2s);
  answers.push_back(f.call("nobody", {}, caf::make_message(ask_atom_v, 1)));
  answers.push_back(f.sys.ask(f.door, list_atom_v));
  answers.push_back(f.sys.ask(f.door, get_stats_atom_v, std::string{"db"}));
  answers.push_back(f.sys.ask(f.door, get_stats_atom_v, std::string{"nobody"}));
  answers.push_back(f.sys.ask(f.door, get_all_stats_atom_v));
  answers.push_back(f.sys.ask(f.door, subscribe_atom_v));
  answers.push_back(f.sys.ask(f.door, unsubscribe_atom_v));
  answers.push_back(f.call(4));
  f.sys.kill(guard);
  for (const auto& each : answers) {
    CHECK(each->count() == 1);
    CHECK(each->sender() == f.door.address());
  }
  // Who calls the guard itself knows it anyway.
  guard = f.guard({}, "other");
  auto answer = f.sys.ask(guard, ask_atom_v, std::int32_t{5});
  f.sys.answer(f.target, f.target.log->questions.size() - 1, std::int32_t{10});
  CHECK(answer->sender() == guard.address());
}

// -- what it doesn't do --------------------------------------------------------------

TEST_CASE("nothing that comes through the door ends anything [D5] [P5]", "[door]") {
  fixture f;
  auto guard = f.guard(whole_policy());
  auto outer = f.node->guard("outer", f.node->circuit_breaker("inner"), {});
  const auto parts = f.sys.get<std::vector<part_info>>(f.door, list_atom_v).size();
  CHECK(f.sys.ask(f.door, shutdown_atom_v)->is_error());
  CHECK(f.sys.ask(f.door, shutdown_atom_v, true)->is_error());
  CHECK(f.sys.ask(f.door, shutdown_all_atom_v)->is_error());
  for (const auto* name : {"db", "outer"}) {
    CHECK(f.call(name, {}, caf::make_message(shutdown_atom_v))->error()
          == caf::sec::unexpected_message);
    CHECK(f.call(name, {}, caf::make_message(shutdown_atom_v, true))->is_error());
    CHECK(f.call(name, {}, caf::make_message(shutdown_all_atom_v))->is_error());
  }
  CHECK(f.sys.get<std::vector<part_info>>(f.door, list_atom_v).size() == parts);
  auto answer = f.call(1);
  f.sys.answer(f.target, 0, std::int32_t{2});
  CHECK(answer->as<std::int32_t>() == 2);
}

TEST_CASE("what CAF would take for its own ends no target through the door [D5] [Z2]", "[door]") {
  fixture f;
  auto guard = f.guard(whole_policy());
  auto outer = f.node->guard("outer", f.node->circuit_breaker("inner"), {});
  const caf::exit_msg ending{f.door.address(), caf::exit_reason::kill};
  const std::vector<caf::message> contents{
      caf::make_message(caf::make_error(target_error::broken)), caf::make_message(ending),
      caf::make_message(caf::down_msg{f.door.address(), caf::exit_reason::kill}),
      caf::make_message(caf::make_message(caf::make_error(target_error::broken))),
      caf::make_message(caf::make_message(ending))};
  for (const auto& content : contents) {
    for (const auto* name : {"db", "outer"}) {
      INFO(name << " " << to_string(content));
      const auto answer = f.call(name, {}, content);
      f.sys.advance(10s);            // where it is no answer at once: longer than the deadline
      if (std::string{name} == "db") // the other one has none
        CHECK((answer->count() == 1 && answer->is_error()));
      tell(f.door, call_atom_v, std::string{name}, call_context{}, content);
      f.sys.run();
    }
  }
  CHECK_FALSE(compat::has_ended(caf::actor_cast<caf::strong_actor_ptr>(f.target.handle)));
  CHECK_FALSE(
      compat::has_ended(caf::actor_cast<caf::strong_actor_ptr>(f.node->circuit_breaker("inner"))));
  CHECK(f.sys.get<circuit_state>(f.node->circuit_breaker("inner"), state_atom_v)
        == circuit_state::closed);
}

TEST_CASE("an error of an unknown type anywhere in a message doesn't end the process [D5] [Z3]",
          "[door]") {
  fixture f;
  auto guard = f.guard(whole_policy());
  // Of a number that is no type, or of a type that is no error's: CAF would read the code as that.
  const auto foreign =
      foreign_error(*f.sys, GENERATE(caf::type_id_t{0x7f01}, caf::type_id_v<std::string>,
                                     caf::type_id_v<caf::actor>, caf::type_id_v<caf::message>,
                                     caf::type_id_v<caf::down_msg>, caf::type_id_v<std::uint32_t>,
                                     caf::type_id_v<ask_atom>));
  const auto source = f.door.address();
  const std::vector<caf::message> contents{
      caf::make_message(foreign),
      caf::make_message(std::int32_t{1}, foreign),
      caf::make_message(std::int32_t{1}, caf::make_error(target_error::broken, foreign)),
      caf::make_message(std::int32_t{1}, caf::make_message(foreign)),
      caf::make_message(std::int32_t{1}, caf::exit_msg{source, foreign}),
      caf::make_message(std::int32_t{1}, caf::down_msg{source, foreign}),
      caf::make_message(std::int32_t{1}, failed_reply{foreign})};
  for (const auto& content : contents) {
    // It would be printed.
    compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(f.door), nullptr, caf::make_message_id(),
                    content, nullptr);
    f.sys.run();
    CHECK(f.sys.ask(f.door, call_atom_v, content)->count() == 1);
    CHECK(f.call("db", {}, content)->is_error());
    tell(f.door, call_atom_v, std::string{"db"}, call_context{}, content);
    f.sys.run();
  }
  CHECK(f.target.log->questions.empty());
  auto answer = f.call(1);
  f.sys.answer(f.target, 0, std::int32_t{2});
  CHECK(answer->as<std::int32_t>() == 2);
}

TEST_CASE("a policy with an error of an unknown type is not read [Z3]", "[door]") {
  virtual_system sys;
  caf::byte_buffer bytes;
  caf::binary_serializer sink{*sys, bytes};
  circuit_breaker_policy policy{.failure_on = codes{errc::timed_out}};
  REQUIRE(sink.apply(policy));
  const auto known = caf::type_id_v<errc>;
  for (auto i = bytes.begin(); i + 1 < bytes.end(); ++i)
    if (static_cast<unsigned>(i[0]) == known >> 8U && static_cast<unsigned>(i[1]) == (known & 255U))
      i[0] = static_cast<caf::byte_buffer::value_type>(0x7f);
  caf::binary_deserializer source{*sys, bytes};
  CHECK_FALSE(source.apply(policy));
}

TEST_CASE("who links to the door and ends does not take it along [D5]", "[door]") {
  fixture f;
  auto guest = f.sys->spawn([door = f.door](caf::event_based_actor* self) -> caf::behavior {
    self->link_to(door);
    return {[self](die_atom) { self->quit(caf::exit_reason::kill); }};
  });
  f.sys.run();
  tell(guest, die_atom_v);
  tell(f.door, caf::make_error(target_error::broken));
  f.sys.run();
  CHECK_FALSE(f.sys.ask(f.door, list_atom_v)->is_error());
}

TEST_CASE("no exit message ends the door whomever it names [D5]", "[door]") {
  fixture f;
  auto guest = f.sys->spawn(doubling_target);
  for (const auto& source : {f.door.address(), guest.address(), caf::actor_addr{}})
    for (const auto reason : {caf::exit_reason::kill, caf::exit_reason::user_shutdown})
      tell(f.door, caf::exit_msg{source, reason});
  caf::anon_send_exit(f.door, caf::exit_reason::kill); // as another process would
  f.sys.run();
  CHECK_FALSE(f.sys.ask(f.door, list_atom_v)->is_error());
  f.sys.kill(guest);
}
