#include "bulwark/change_mark.hpp"

#include "support/catch.hpp"
#include "support/real_system.hpp"
#include "support/virtual_system.hpp"

#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>

/// @file What a read of the registry costs, and that it is exact all the same: parts that nothing has
/// happened to aren't asked again.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

const guard_policy with_parts{.deadline = 60s,
                              .breaker = circuit_breaker_policy{.failure_threshold = 2},
                              .bulkhead = bulkhead_policy{.max_workers = 3, .queue_size = 2}};

struct fixture {
  virtual_system sys;
  caf::actor target = sys->spawn(doubling_target);
  virtual_system::manual slow = sys.spawn_manual();
  virtual_node node{sys};
  caf::actor registry = node->registry();

  ~fixture() { sys.kill(slow.handle); }

  node_stats read() { return sys.get<node_stats>(registry, get_all_stats_atom_v); }

  // How many messages a read takes.
  std::uint64_t cost_of_a_read() {
    const auto so_far = [this] {
      return static_cast<std::uint64_t>(sys->base_metrics().processed_messages->value());
    };
    const auto before = so_far();
    read();
    return so_far() - before;
  }
};

template <class Stats>
std::map<std::string, std::string> in_words(const std::vector<Stats>& all) {
  std::map<std::string, std::string> result;
  for (const auto& each : all)
    result[each.name] = caf::deep_to_string(each);
  return result;
}

// What each part says when it is asked itself.
node_stats asked_one_by_one(fixture& f) {
  node_stats result;
  for (const auto& part : f.sys.get<std::vector<part_info>>(f.registry, list_atom_v)) {
    const auto handle = caf::actor_cast<caf::actor>(part.address);
    if (part.kind == part_kind::guard) {
      result.guards.push_back(f.sys.get<guard_stats>(handle, get_stats_atom_v));
    } else if (part.kind == part_kind::circuit_breaker) {
      result.circuit_breakers.push_back(f.sys.get<circuit_breaker_stats>(handle, get_stats_atom_v));
    } else if (part.kind == part_kind::bulkhead) {
      result.bulkheads.push_back(f.sys.get<bulkhead_stats>(handle, get_stats_atom_v));
    } else if (part.kind == part_kind::timeout_manager) {
      result.timeout_managers.push_back(f.sys.get<timeout_manager_stats>(handle, get_stats_atom_v));
    }
  }
  return result;
}

void require_exact(fixture& f) {
  const auto read = f.read();
  const auto asked = asked_one_by_one(f);
  REQUIRE(read.total.balanced());
  REQUIRE(in_words(read.guards) == in_words(asked.guards));
  REQUIRE(in_words(read.circuit_breakers) == in_words(asked.circuit_breakers));
  REQUIRE(in_words(read.bulkheads) == in_words(asked.bulkheads));
  REQUIRE(in_words(read.timeout_managers) == in_words(asked.timeout_managers));
}

} // namespace

// -- what it costs -------------------------------------------------------------------

TEST_CASE("a read of a thousand guards costs messages for those that were called since the last "
          "one, and one for all others together [Y10]",
          "[registry]") {
  fixture f;
  std::vector<caf::actor> guards;
  guards.reserve(1000);
  for (int i = 0; i < 1000; ++i)
    guards.push_back(f.node->guard("g" + std::to_string(i), f.target, with_parts));
  f.sys.run();
  CHECK(f.cost_of_a_read() >= 10'000);
  // The question alone.
  CHECK(f.cost_of_a_read() == 1);
  f.sys.advance(24h);
  CHECK(f.cost_of_a_read() == 1);
  for (const auto i : {1U, 500U, 999U})
    f.sys.ask(guards[i], ask_atom_v, 1);
  // The timeout manager, which was asked to wake them, 2; each guard 2; its breaker 4, two of them to the guard; its bulkhead 6, four of them to the guard.
  CHECK(f.cost_of_a_read() == 3 + 3 * 12);
  // That took back what the guards held of their bulkheads: they are looked at once more.
  CHECK(f.cost_of_a_read() == 1 + 3 * 10);
  CHECK(f.cost_of_a_read() == 1);
  CHECK(f.read().total.calls == 3);
}

TEST_CASE("a question for one name, or to a part itself, makes nobody ask the others [Y10]",
          "[registry]") {
  fixture f;
  auto busy = f.node->guard("busy", f.target, with_parts);
  auto idle = f.node->guard("idle", f.target, with_parts);
  f.sys.run();
  f.read();
  CHECK(f.cost_of_a_read() == 1);
  f.sys.get<node_stats>(f.registry, get_atom_v, std::string{"idle"});
  f.sys.get<guard_stats>(idle, get_stats_atom_v);
  CHECK(f.cost_of_a_read() == 1);
  f.sys.ask(busy, ask_atom_v, 1);
  // What the one question found is not kept from the other.
  CHECK(f.sys.get<node_stats>(f.registry, get_atom_v, std::string{"busy"}).total.calls == 1);
  CHECK(f.sys.get<node_stats>(f.registry, get_atom_v, std::string{"idle"}).total.calls == 0);
  CHECK(f.read().total.calls == 1);
}

// -- that it is exact ----------------------------------------------------------------

TEST_CASE("what moves with time alone moves on in figures of parts that are not asked [Y11]",
          "[registry]") {
  fixture f;
  auto policy = with_parts;
  policy.breaker = circuit_breaker_policy{.failure_threshold = 2, .open_for = 60s};
  auto guard = f.node->guard("db", f.target, policy);
  f.sys.ask(guard, ask_atom_v, -1);
  f.sys.advance(5s);
  f.sys.ask(guard, ask_atom_v, -1);
  f.read();
  f.read();
  f.sys.advance(10s);
  CHECK(f.cost_of_a_read() == 1);
  auto now = f.read();
  CHECK(now.circuit_breakers[0].state == circuit_state::open);
  CHECK(now.circuit_breakers[0].in_state == 10s);
  CHECK(now.circuit_breakers[0].probes_in == 50s);
  CHECK(now.guards[0].errors[0].age == 10s);
  require_exact(f);
  f.sys.advance(51s); // probes are due, which the breaker tells itself
  CHECK(f.read().circuit_breakers[0].state == circuit_state::half_open);
  require_exact(f);
}

TEST_CASE("a changed policy shows, and what has ended is gone [Y11] [Y2]", "[registry]") {
  fixture f;
  auto guard = f.node->guard("db", f.target, with_parts);
  auto breaker = f.node->circuit_breaker("alone");
  f.read();
  f.read();
  auto wider = with_parts;
  wider.bulkhead = bulkhead_policy{.max_workers = 30, .queue_size = 20};
  f.node->change_policy("db", wider);
  CHECK(f.read().bulkheads.at(0).max_workers == 30);
  f.sys.ask(breaker, force_open_atom_v);
  f.sys.kill(guard);
  const auto left = f.read();
  CHECK(left.guards.empty());
  CHECK(left.bulkheads.empty());
  CHECK(left.circuit_breakers.at(0).state == circuit_state::forced_open);
}

TEST_CASE("reads that overlap see what was done before each of them [Y11]", "[registry]") {
  fixture f;
  auto guard = f.node->guard("db", f.target, with_parts);
  f.read();
  f.read();
  // All of it lies in mailboxes together. An answer to an earlier question must not pass for a later
  // one's.
  for (std::uint64_t i = 1; i <= 200; ++i) {
    auto call = f.sys.send(guard, ask_atom_v, 1);
    auto first = f.sys.send(f.registry, get_all_stats_atom_v);
    for (std::uint64_t n = 0; n < i % 17; ++n)
      f.sys.step();
    f.sys.send(guard, ask_atom_v, 1);
    auto second = f.sys.send(f.registry, get_all_stats_atom_v);
    for (std::uint64_t n = 0; n < i % 13; ++n)
      f.sys.step();
    auto third = f.sys.send(f.registry, get_all_stats_atom_v);
    f.sys.run();
    REQUIRE(third->as<node_stats>().total.calls == 2 * i);
    REQUIRE(f.read().total.calls == 2 * i);
    REQUIRE(f.read().circuit_breakers.at(0).calls.calls == 2 * i);
  }
}

TEST_CASE("whatever happens to guards and parts, a read says what each says itself [Y11]",
          "[registry]") {
  const auto seed = GENERATE(range(1U, 9U));
  fixture f;
  std::mt19937 random{seed};
  const auto below = [&](unsigned n) { return static_cast<int>(random() % n); };
  auto shared = with_parts;
  shared.breaker = f.node->circuit_breaker("shared", {.failure_threshold = 2, .open_for = 5s});
  shared.bulkhead = f.node->bulkhead("shared", {.max_workers = 2, .queue_size = 1});
  std::map<int, caf::actor> guards;
  const auto guard = [&](int i) {
    auto& found = guards[i];
    if (!found)
      found = f.node->guard("g" + std::to_string(i), i % 3 == 0 ? f.slow.handle : f.target,
                            i % 2 == 0 ? shared : with_parts);
    return found;
  };
  const auto breaker = std::get<caf::actor>(shared.breaker);
  const auto bulkhead = std::get<caf::actor>(shared.bulkhead);
  std::uint64_t answered = 0;
  for (int step = 0; step < 150; ++step) {
    const auto which = below(6);
    switch (below(14)) {
    case 0:
    case 1:
    case 2:
      f.sys.ask(guard(which), ask_atom_v, below(10) - 3);
      break;
    case 3:
      f.sys.ask(breaker, call_atom_v, f.target, caf::make_message(ask_atom_v, below(4) - 2));
      break;
    case 4:
      f.sys.ask(bulkhead, call_atom_v, f.slow.handle, caf::make_message(ask_atom_v, 1));
      break;
    case 5:
      if (answered < f.slow.log->questions.size())
        f.sys.answer(f.slow, answered++, std::int32_t{1});
      break;
    case 6:
      f.sys.advance(std::chrono::milliseconds{below(4000)});
      break;
    case 7:
      f.sys.advance(std::chrono::seconds{below(70)});
      break;
    case 8:
      f.sys.kill(guard(which));
      guards.erase(which);
      break;
    case 9:
      // One with calls in progress, or whose replies are still to come, would live on.
      if (which % 3 != 0
          && f.sys.get<guard_stats>(guard(which), get_stats_atom_v).calls.in_flight == 0) {
        guards.erase(which);
        f.sys.run();
      }
      break;
    case 10:
      f.sys.ask(breaker, reset_atom_v);
      f.sys.ask(bulkhead, change_policy_atom_v,
                bulkhead_policy{.max_workers = 1U + static_cast<unsigned>(below(4))});
      break;
    case 11:
      f.sys.ask(f.node->timeout_manager(), run_atom_v, f.slow.handle, timespan{1s},
                caf::make_message(ask_atom_v, 1));
      break;
    case 12:
      f.sys.ask(
          guard(which), change_policy_atom_v,
          chaos_policy{.latency_rate = below(2) * 1.0, .min_latency = 500ms, .max_latency = 2s});
      break;
    default:
      f.sys.ask(guard(which), ask_atom_v, std::string{"what?"});
      break;
    }
    if (below(3) == 0)
      f.sys.get<node_stats>(f.registry, get_atom_v, std::string{"shared"});
    if (below(3) > 0)
      require_exact(f);
  }
}

// A question that overtakes a message: the mark that was set as the message was sent is cleared before
// it is handled.
TEST_CASE(
    "a part that handles a message after its mark was cleared sets it again, and a guard sets "
    "those of its parts [Y11]",
    "[registry]") {
  fixture f;
  auto guard = f.node->guard("db", f.target, with_parts);
  const auto breaker = f.node->circuit_breaker("alone");
  const auto bulkhead = f.node->bulkhead("alone");
  std::map<part_kind, marked_actor*> own;
  for (const auto& part : f.sys.get<std::vector<part_info>>(f.registry, list_atom_v))
    if (part.name != "alone")
      own[part.kind] =
          dynamic_cast<marked_actor*>(caf::actor_cast<caf::strong_actor_ptr>(part.address)->get());
  const auto marked = [](const caf::actor& part) {
    return dynamic_cast<marked_actor*>(caf::actor_cast<caf::abstract_actor*>(part));
  };
  const auto is_set_again = [&](marked_actor* part, const caf::actor& to, auto... content) {
    f.sys.send(to, content...);
    f.sys.step(); // the caller sends it
    CHECK(part->clear_marks());
    CHECK_FALSE(part->clear_marks());
    f.sys.run();
    return part->clear_marks();
  };
  f.sys.ask(guard, ask_atom_v, 1); // from now on it holds a permit
  for (const auto kind : {part_kind::guard, part_kind::circuit_breaker, part_kind::bulkhead})
    CHECK(is_set_again(own.at(kind), guard, ask_atom_v, 1));
  // Nor does a reply set them: this target gives none.
  const auto slow = f.node->guard("slow", f.slow.handle, {.breaker = breaker});
  f.sys.ask(slow, ask_atom_v, 1);
  CHECK(is_set_again(marked(slow), slow, ask_atom_v, 1));
  CHECK(is_set_again(marked(breaker), slow, ask_atom_v, 1));
  CHECK(is_set_again(marked(breaker), breaker, force_open_atom_v));
  CHECK(is_set_again(marked(bulkhead), bulkhead, change_policy_atom_v, bulkhead_policy{}));
  CHECK(is_set_again(own.at(part_kind::timeout_manager), f.node->timeout_manager(), schedule_atom_v,
                     timespan{1s}, caf::make_message(ask_atom_v)));
  // Who only asks changes nothing.
  CHECK(own.at(part_kind::guard)->clear_marks()); // of the calls before
  f.sys.ask(guard, get_stats_atom_v);
  f.sys.ask(breaker, get_stats_atom_v);
  CHECK_FALSE(own.at(part_kind::guard)->clear_marks());
  CHECK_FALSE(marked(breaker)->clear_marks());
}

// -- and from any thread -------------------------------------------------------------

TEST_CASE("who has an answer, or has sent something, and then reads finds it counted, whatever the "
          "thread [Y11]",
          "[registry]") {
  real_system sys;
  node node{*sys};
  auto target = sys->spawn(doubling_target);
  auto policy = with_parts;
  policy.breaker = node.circuit_breaker("shared", {.failure_threshold = 1'000'000});
  policy.bulkhead = node.bulkhead("shared", {.max_workers = 100, .queue_size = 1000});
  constexpr auto rounds = 300;
  std::atomic<std::uint64_t> calls{0};
  std::atomic<int> wrong{0};
  const auto use = [&](const std::string& name) {
    auto guard = node.guard(name, target, policy);
    sync::circuit_breaker from_outside{node, "shared", {.failure_threshold = 1'000'000}};
    caf::scoped_actor self{*sys};
    for (std::uint64_t i = 1; i <= rounds; ++i) {
      const auto read = [&] {
        const auto at_least = calls.load();
        compat::request(self, node.registry(), get_all_stats_atom_v)
            .receive(
                [&](const node_stats& now) {
                  for (const auto& each : now.guards)
                    wrong += each.name == name && each.calls.calls != i ? 1 : 0;
                  wrong += now.circuit_breakers.at(0).calls.calls < at_least ? 1 : 0;
                },
                [&](const caf::error&) { ++wrong; });
      };
      if (i % 3 == 0) {
        compat::tell(caf::actor_cast<caf::strong_actor_ptr>(guard), ask_atom_v, std::int32_t{1});
      } else {
        compat::request(self, guard, ask_atom_v, std::int32_t{1})
            .receive([](std::int32_t) {}, [&](const caf::error&) { ++wrong; });
        ++calls;
      }
      if (i % 2 == 0) {
        from_outside.call([] {});
        ++calls;
      }
      read();
    }
  };
  std::vector<std::thread> threads;
  for (const auto* name : {"a", "b", "c", "d"})
    threads.emplace_back(use, name);
  for (auto& each : threads)
    each.join();
  CHECK(wrong == 0);
}

TEST_CASE(
    "calls of threads through a breaker of the node, of which it is told nothing, are in what is "
    "read [Y11]",
    "[registry]") {
  real_system sys;
  node node{*sys};
  sync::circuit_breaker breaker{node, "db"};
  const auto calls = [&] {
    return sys.get<node_stats>(node.registry(), get_all_stats_atom_v).circuit_breakers.at(0).calls;
  };
  for (std::uint64_t i = 1; i <= 100; ++i) {
    breaker.call([&] { CHECK(calls().in_flight == 1); });
    const auto now = calls();
    REQUIRE(now.succeeded == i);
    REQUIRE(now.in_flight == 0);
  }
}

TEST_CASE("who has seen a part end, or has changed a policy, and then reads finds that [Y11]",
          "[registry]") {
  real_system sys;
  node node{*sys};
  auto target = sys->spawn(doubling_target);
  auto guard = node.guard("db", target, with_parts);
  const auto read = [&] { return sys.get<node_stats>(node.registry(), get_all_stats_atom_v); };
  for (std::uint32_t i = 1; i <= 300; ++i) {
    auto other = with_parts;
    other.bulkhead = bulkhead_policy{.max_workers = i};
    node.change_policy("db", other);
    const auto shown = read();
    for (const auto& each : shown.bulkheads)
      REQUIRE((each.name != "db" || each.max_workers == i));
    auto brief = node.guard("brief", target, with_parts);
    sys.ask(brief, ask_atom_v, std::int32_t{1});
    REQUIRE(read().guards.size() == 2);
    REQUIRE(read().guards.size() == 2);
    sys.kill(brief);
    const auto after = read();
    REQUIRE(after.guards.size() == 1);
    REQUIRE(after.total.calls == i);
  }
}
