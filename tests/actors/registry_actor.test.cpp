#include "support/catch.hpp"
#include "support/listener.hpp"
#include "support/virtual_system.hpp"

#include <cstdio>
#include <ctime>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

struct fixture {
  virtual_system sys;
  caf::actor target = sys->spawn(doubling_target);
  virtual_system::manual manual = sys.spawn_manual();
  virtual_node node{sys};
  caf::actor registry = node->registry();

  // What it never answered would keep a guard, and with it itself, alive.
  ~fixture() { sys.kill(manual.handle); }

  node_stats all() {
    auto result = sys.get<node_stats>(registry, get_all_stats_atom_v);
    CHECK(result.total.balanced());
    return result;
  }
  std::vector<std::string> names() {
    std::vector<std::string> result;
    for (const auto& part : sys.get<std::vector<part_info>>(registry, list_atom_v))
      result.push_back(part.name + ":" + to_string(part.kind));
    return result;
  }
  std::shared_ptr<told> listen(caf::actor* who = nullptr) {
    auto log = std::make_shared<told>();
    listeners.push_back(sys->spawn(listener, registry, log));
    sys.run();
    if (who != nullptr)
      *who = listeners.back();
    return log;
  }
  std::vector<caf::actor> listeners;
};

const guard_policy with_parts{.breaker = circuit_breaker_policy{.failure_threshold = 2},
                              .bulkhead = bulkhead_policy{.max_workers = 1, .queue_size = 0}};

// Says that it is a guard, and writes down whether its refusals are wanted. Answers questions for
// its statistics, or doesn't.
caf::behavior false_guard(caf::event_based_actor* self, std::shared_ptr<std::vector<bool>> wanted,
                          bool answers) {
  return {
      [wanted](watch_rejections_atom, bool x) { wanted->push_back(x); },
      [self, answers](const stats_request& request) {
        if (answers)
          tell(caf::actor_cast<caf::actor>(self->current_sender()), request, self->address(),
               guard_stats{.name = "false", .calls = {.calls = 7, .succeeded = 7}});
      },
      [](shutdown_atom, bool) {},
      [self](die_atom) { self->quit(); },
  };
}

void announce(const caf::actor& registry, const std::string& name, const caf::actor& part) {
  tell(registry, attach_atom_v,
       part_info{.name = name, .kind = part_kind::guard, .address = part.address()});
}

} // namespace

// -- who is there --------------------------------------------------------------------

TEST_CASE("the registry lists every part by name and kind [Y1] [Y4] [P3]", "[registry]") {
  fixture f;
  auto guard = f.node->guard("db", f.target, with_parts);
  auto breaker = f.node->circuit_breaker("shared");
  auto bulkhead = f.node->bulkhead("pool");
  CHECK(f.names()
        == std::vector<std::string>{"bulkhead_registry:bulkhead_registry", "db:guard",
                                    "db:circuit_breaker", "db:bulkhead", "pool:bulkhead",
                                    "registry:registry", "shared:circuit_breaker",
                                    "timeout_manager:timeout_manager"});
}

TEST_CASE("the registry removes what has ended however it ended [Y2]", "[registry]") {
  fixture f;
  auto guard = f.node->guard("db", f.target, with_parts);
  auto breaker = f.node->circuit_breaker("shared");
  CHECK(f.names().size() == 7);
  f.sys.kill(breaker);
  CHECK(f.names().size() == 6);
  guard = nullptr; // its breaker and its bulkhead go with it
  f.sys.run();
  CHECK(f.names()
        == std::vector<std::string>{"bulkhead_registry:bulkhead_registry", "registry:registry",
                                    "timeout_manager:timeout_manager"});
}

TEST_CASE("an actor that has ended before the registry hears of it is not listed [Y2]",
          "[registry]") {
  fixture f;
  auto wanted = std::make_shared<std::vector<bool>>();
  auto dead = f.sys->spawn(false_guard, wanted, true);
  f.sys.kill(dead);
  announce(f.registry, "dead", dead);
  tell(f.registry, attach_atom_v, part_info{.name = "nobody"});
  f.sys.run();
  CHECK(f.names().size() == 3);
}

TEST_CASE("statistics are told by name and an unknown name is an error [Y4] [E1] [E3]",
          "[registry]") {
  fixture f;
  auto guard = f.node->guard("db", f.target, with_parts);
  auto other = f.node->guard("other", f.target, {});
  f.sys.ask(guard, ask_atom_v, 1);
  f.sys.ask(other, ask_atom_v, 1);
  auto db = f.sys.get<node_stats>(f.registry, get_atom_v, std::string{"db"});
  CHECK(db.guards.size() == 1);
  CHECK(db.circuit_breakers.size() == 1);
  CHECK(db.bulkheads.size() == 1);
  CHECK(db.timeout_managers.empty());
  CHECK(db.total.calls == 1);
  CHECK(db.latency.count() == 1);
  CHECK(db.bulkheads[0].completed == 1);
  for (auto name : {"timeout_manager", "registry", "bulkhead_registry"})
    CHECK_FALSE(f.sys.ask(f.registry, get_atom_v, std::string{name})->is_error());
  auto reason = f.sys.ask(f.registry, get_atom_v, std::string{"nobody"})->error();
  CHECK(reason == errc::unknown_name);
  CHECK(to_string(reason).find("part 'nobody': nothing has that name") != std::string::npos);
}

// -- sums ----------------------------------------------------------------------------

TEST_CASE("the registry adds up and what has ended stays in the totals [Y3] [K1]", "[registry]") {
  fixture f;
  auto first = f.node->guard("first", f.target, {});
  auto second = f.node->guard("second", f.target, {});
  for (int i = 0; i < 10; ++i) {
    f.sys.ask(first, ask_atom_v, i);
    f.sys.ask(second, ask_atom_v, -1);
  }
  auto before = f.all();
  CHECK(before.guards.size() == 2);
  CHECK(before.total.calls == 20);
  CHECK(before.total.succeeded == 10);
  CHECK(before.total.failed == 10);
  CHECK(before.latency.count() == 20);
  first = nullptr;
  f.sys.kill(second);
  auto after = f.all();
  CHECK(after.guards.empty());
  CHECK(after.total == before.total);
  CHECK(after.latency == before.latency);
  auto again = f.node->guard("first", f.target, {});
  f.sys.ask(again, ask_atom_v, 1);
  CHECK(f.all().total.calls == 21);
  CHECK(f.sys.get<node_stats>(f.registry, get_stats_atom_v).total.calls == 21); // P2
}

TEST_CASE("a read is exact while calls are under way [Y7] [K1]", "[registry]") {
  fixture f;
  auto guard = f.node->guard("db", f.manual.handle, {});
  std::vector<reply_ptr> waiting;
  for (std::int32_t i = 0; i < 50; ++i) {
    waiting.push_back(f.sys.ask(guard, ask_atom_v, i));
    auto now = f.all();
    REQUIRE(now.total.calls == static_cast<std::uint64_t>(i) + 1);
    REQUIRE(now.total.in_flight == static_cast<std::uint64_t>(i) + 1);
  }
  for (std::uint64_t i = 0; i < 50; ++i) {
    f.sys.answer(f.manual, i, std::int32_t{1});
    auto now = f.all();
    REQUIRE(now.total.succeeded == i + 1);
    REQUIRE(now.total.in_flight == 49 - i);
    REQUIRE(now.latency.count() == i + 1);
  }
}

TEST_CASE("parts that end while they are read are neither missing nor counted twice [Y3] [Y7]",
          "[registry]") {
  fixture f;
  constexpr std::int32_t count = 30;
  std::vector<caf::actor> guards;
  for (std::int32_t i = 0; i < count; ++i) {
    guards.push_back(f.node->guard("g" + std::to_string(i), f.target, with_parts));
    f.sys.ask(guards.back(), ask_atom_v, i);
  }
  std::vector<reply_ptr> reads;
  // Reads and ends lie in the mailboxes together, in turn.
  for (auto& guard : guards) {
    reads.push_back(f.sys.send(f.registry, get_all_stats_atom_v));
    caf::anon_send_exit(guard, caf::exit_reason::kill);
    reads.push_back(f.sys.send(f.registry, get_all_stats_atom_v));
  }
  f.sys.run();
  for (const auto& read : reads) {
    REQUIRE(read->count() == 1);
    auto total = read->as<node_stats>().total;
    CHECK(total.calls == count);
    CHECK(total.succeeded == count);
  }
  CHECK(f.all().guards.empty());
}

TEST_CASE("a part that ends before it answers does not keep a reader waiting [Y7]", "[registry]") {
  fixture f;
  auto wanted = std::make_shared<std::vector<bool>>();
  auto mute = f.sys->spawn(false_guard, wanted, false);
  announce(f.registry, "mute", mute);
  auto guard = f.node->guard("db", f.target, {});
  f.sys.ask(guard, ask_atom_v, 1);
  auto read = f.sys.ask(f.registry, get_all_stats_atom_v);
  auto named = f.sys.ask(f.registry, get_atom_v, std::string{"mute"});
  CHECK(read->count() == 0);
  tell(mute, die_atom_v);
  f.sys.run();
  REQUIRE(read->count() == 1);
  CHECK(read->as<node_stats>().total.calls == 1);
  REQUIRE(named->count() == 1);
  CHECK(named->as<node_stats>().total.calls == 0);
}

TEST_CASE("an answer that nobody asked for is not counted [Y7]", "[registry]") {
  fixture f;
  auto wanted = std::make_shared<std::vector<bool>>();
  auto liar = f.sys->spawn(false_guard, wanted, true);
  for (std::uint64_t round = 1; round < 5; ++round) {
    tell(f.registry, stats_request{.round = round}, liar.address(),
         guard_stats{.calls = {.calls = 100, .succeeded = 100}});
    tell(f.registry, stats_request{.round = round}, caf::actor_addr{}, circuit_breaker_stats{});
  }
  auto read = f.sys.send(f.registry, get_all_stats_atom_v);
  for (std::uint64_t round = 1; round < 5; ++round)
    tell(f.registry, stats_request{.round = round}, liar.address(),
         guard_stats{.calls = {.calls = 100, .succeeded = 100}});
  f.sys.run();
  CHECK(read->as<node_stats>().total.calls == 0);
  CHECK(f.all().total.calls == 0);
}

// -- events --------------------------------------------------------------------------

TEST_CASE("subscribers are told transitions and rejections of all parts [Y5]", "[registry]") {
  fixture f;
  auto early = f.node->guard("early", f.target, with_parts);
  auto log = f.listen();
  auto later = f.node->guard("later", f.target, with_parts); // made afterwards
  auto lone = f.node->circuit_breaker("lone", {.failure_threshold = 1});
  for (const auto& guard : {early, later}) {
    f.sys.ask(guard, ask_atom_v, -1);
    f.sys.ask(guard, ask_atom_v, -1);
    f.sys.ask(guard, ask_atom_v, 1);
  }
  f.sys.ask(lone, record_failure_atom_v);
  REQUIRE(log->transitions.size() == 3);
  CHECK(log->transitions[0].name == "early");
  CHECK(log->transitions[1].name == "later");
  CHECK(log->transitions[2].name == "lone");
  REQUIRE(log->rejections.size() == 2);
  CHECK(log->rejections[0].guard == "early");
  CHECK(log->rejections[0].part == "early");
  CHECK(log->rejections[0].why == errc::circuit_open);
  CHECK(log->rejections[1].guard == "later");
  CHECK(log->rejections[1].when == f.sys.now().time_since_epoch());
}

TEST_CASE("guards send rejections only while somebody wants them [Y5]", "[registry]") {
  fixture f;
  auto wanted = std::make_shared<std::vector<bool>>();
  auto guard = f.sys->spawn(false_guard, wanted, true);
  announce(f.registry, "false", guard);
  f.sys.run();
  CHECK(wanted->empty());
  caf::actor first;
  caf::actor second;
  f.listen(&first);
  f.listen(&second);
  CHECK(wanted->back());
  tell(first, unsubscribe_atom_v);
  f.sys.run();
  CHECK(wanted->back());
  f.sys.kill(second); // trap 20: who is gone must not be served for ever
  CHECK_FALSE(wanted->back());
  f.sys.kill(guard);
}

TEST_CASE("trap 20: a subscriber of the registry that ended is forgotten [Y5]", "[registry]") {
  fixture f;
  caf::actor who;
  auto lost = f.listen(&who);
  auto log = f.listen();
  f.sys.kill(who);
  f.sys.ask(f.node->circuit_breaker("b"), force_open_atom_v);
  CHECK(lost->transitions.empty());
  CHECK(log->transitions.size() == 1);
}

TEST_CASE("who unsubscribes from the registry is told no more [Y5]", "[registry]") {
  fixture f;
  caf::actor who;
  auto log = f.listen(&who);
  auto breaker = f.node->circuit_breaker("b");
  f.sys.ask(breaker, force_open_atom_v);
  CHECK(log->transitions.size() == 1);
  tell(who, unsubscribe_atom_v);
  f.sys.run();
  f.sys.ask(breaker, reset_atom_v);
  CHECK(log->transitions.size() == 1);
}

// -- wrong input ---------------------------------------------------------------------

TEST_CASE("messages that the registry does not know change nothing [P5]", "[registry]") {
  fixture f;
  CHECK(f.sys.ask(f.registry, std::string{"hello"})->error() == caf::sec::unexpected_message);
  CHECK(f.sys.ask(f.registry, get_atom_v, 5)->error() == caf::sec::unexpected_message);
  tell(f.registry, subscribe_atom_v); // from nobody
  tell(f.registry, unsubscribe_atom_v);
  tell(f.registry, get_all_stats_atom_v);
  tell(f.registry, caf::make_error(target_error::broken));
  f.sys.run();
  CHECK(f.names().size() == 3);
}

// -- the end -------------------------------------------------------------------------

TEST_CASE("shutdown_all with a thousand calls in flight answers all before it is done [Y6] [K1]",
          "[registry]") {
  fixture f;
  auto guard = f.node->guard("db", f.manual.handle,
                             {.deadline = 1h,
                              .breaker = circuit_breaker_policy{},
                              .bulkhead = bulkhead_policy{.max_workers = 300, .queue_size = 2000}});
  auto plain = f.node->guard("plain", f.manual.handle, {});
  auto lone = f.node->circuit_breaker("lone");
  std::vector<reply_ptr> waiting;
  for (std::int32_t i = 0; i < 1000; ++i) {
    waiting.push_back(f.sys.send(guard, ask_atom_v, i));
    if (i % 10 == 0) {
      waiting.push_back(f.sys.send(plain, ask_atom_v, i));
      waiting.push_back(
          f.sys.send(lone, call_atom_v, f.manual.handle, caf::make_message(ask_atom_v, i)));
    }
  }
  f.sys.run();
  auto done = f.sys.ask(f.registry, shutdown_all_atom_v);
  REQUIRE(done->count() == 1);
  CHECK_FALSE(done->is_error());
  std::size_t answered = 0;
  for (const auto& reply : waiting)
    answered += reply->count() == 1 && reply->error() == errc::shutting_down ? 1 : 0;
  CHECK(answered == 1200);
  auto rest = f.all();
  CHECK(rest.guards.empty());
  CHECK(rest.circuit_breakers.empty());
  CHECK(rest.bulkheads.empty());
  CHECK(rest.total.calls == 1100);
  CHECK(rest.total.in_flight == 0);
}

TEST_CASE("shutdown_all ends guards before their parts [Y6]", "[registry]") {
  fixture f;
  f.node->circuit_breaker("kept"); // those of a guard alone would end with it
  f.node->bulkhead("kept");
  auto guard = f.node->guard("db", f.manual.handle, with_parts);
  auto wanted = std::make_shared<std::vector<bool>>();
  auto stubborn = f.sys->spawn(false_guard, wanted, true); // ends when it is told, not before
  announce(f.registry, "stubborn", stubborn);
  auto waiting = f.sys.ask(guard, ask_atom_v, 1);
  auto done = f.sys.ask(f.registry, shutdown_all_atom_v);
  CHECK(waiting->error() == errc::shutting_down);
  CHECK(done->count() == 0);
  // While one guard is there, the parts are.
  CHECK(f.all().circuit_breakers.size() == 1);
  CHECK(f.all().bulkheads.size() == 1);
  tell(stubborn, die_atom_v);
  f.sys.run();
  CHECK(done->count() == 1);
  CHECK(f.all().circuit_breakers.empty());
  CHECK(f.all().bulkheads.empty());
}

TEST_CASE("a guard and a part made while all are shut down end too [Y6]", "[registry]") {
  fixture f;
  auto wanted = std::make_shared<std::vector<bool>>();
  auto stubborn = f.sys->spawn(false_guard, wanted, true);
  announce(f.registry, "stubborn", stubborn);
  auto done = f.sys.ask(f.registry, shutdown_all_atom_v);
  auto late = f.node->guard("late", f.manual.handle, with_parts);
  CHECK(f.sys.ask(late, ask_atom_v, 1)->is_error());
  tell(stubborn, die_atom_v);
  f.sys.run();
  CHECK(done->count() == 1);
}

TEST_CASE("shutdown_all of nothing is done at once and can be asked for twice [Y6]", "[registry]") {
  fixture f;
  CHECK(f.sys.ask(f.registry, shutdown_all_atom_v)->count() == 1);
  auto guard = f.node->guard("db", f.target, with_parts);
  auto first = f.sys.send(f.registry, shutdown_all_atom_v);
  auto second = f.sys.send(f.registry, shutdown_all_atom_v);
  f.sys.run();
  CHECK(first->count() == 1);
  CHECK(second->count() == 1);
}

// -- what it costs -------------------------------------------------------------------

TEST_CASE("a read asks each part once and nothing is sent while nobody reads [Y7]", "[registry]") {
  fixture f;
  auto questions = std::make_shared<int>(0);
  auto counting = f.sys->spawn([questions](caf::event_based_actor* self) {
    return caf::behavior{[self, questions](const stats_request& request) {
      ++*questions;
      tell(caf::actor_cast<caf::actor>(self->current_sender()), request, self->address(),
           guard_stats{.name = "counting"});
    }};
  });
  announce(f.registry, "counting", counting);
  std::vector<caf::actor> guards;
  for (int i = 0; i < 500; ++i)
    guards.push_back(f.node->guard("g" + std::to_string(i), f.target, with_parts));
  f.sys.run();
  const auto begin = std::clock();
  for (int i = 0; i < 3; ++i)
    CHECK(f.all().guards.size() == 501);
  const auto took = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC / 3;
  std::printf("a read of 500 guards with breaker and bulkhead each: %.1f ms of processor time\n",
              took * 1000);
  CHECK(*questions == 3);
  f.sys.advance(24h);
  CHECK(*questions == 3);
  CHECK(f.sys.clock_entries() == 0);
  f.sys.kill(counting);
}
