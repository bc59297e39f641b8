#include "bulwark/bulkhead_registry_actor.hpp"

#include "support/catch.hpp"
#include "support/virtual_system.hpp"

#include <string>
#include <vector>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

struct bench {
  virtual_system sys;
  virtual_node node{sys};
  caf::actor registry = node->bulkhead_registry();

  reply_ptr create(const std::string& name, const bulkhead_policy& policy = {}) {
    return sys.ask(registry, create_atom_v, name, policy);
  }

  reply_ptr get(const std::string& name) { return sys.ask(registry, get_atom_v, name); }

  std::vector<bulkhead_stats> all() {
    return sys.get<std::vector<bulkhead_stats>>(registry, get_all_stats_atom_v);
  }
};

} // namespace

TEST_CASE("a second create of a name is refused even with the same policy [B12]",
          "[bulkhead_registry]") {
  bench b;
  auto made = b.create("db", {.max_workers = 3})->as<caf::actor>();
  CHECK(made);
  for (const auto& policy : {bulkhead_policy{.max_workers = 3}, bulkhead_policy{}}) {
    auto again = b.create("db", policy);
    REQUIRE(again->count() == 1);
    CHECK(again->error() == errc::duplicate_name);
    CHECK(caf::to_string(again->error()).find("db") != std::string::npos);
  }
  CHECK(b.get("db")->as<caf::actor>() == made);
}

TEST_CASE("get of an unknown name is unknown_name and names it [B12]", "[bulkhead_registry]") {
  bench b;
  auto unknown = b.get("nobody");
  REQUIRE(unknown->count() == 1);
  CHECK(unknown->error() == errc::unknown_name);
  CHECK(caf::to_string(unknown->error()).find("nobody") != std::string::npos);
}

TEST_CASE("the registry and the node see the same bulkheads [B12] [G12] [G14]",
          "[bulkhead_registry]") {
  bench b;
  auto by_message = b.create("one", {.max_workers = 3})->as<caf::actor>();
  CHECK(b.node->bulkhead("one", {.max_workers = 3}) == by_message);
  CHECK_THROWS_AS(b.node->bulkhead("one", {.max_workers = 4}), policy_error);
  auto in_code = b.node->bulkhead("two", {.max_workers = 5});
  CHECK(b.get("two")->as<caf::actor>() == in_code);
  CHECK(b.create("two")->error() == errc::duplicate_name);
  // A guard's own bulkhead too.
  auto target = b.sys.spawn_manual();
  auto guard = b.node->guard("three", target.handle, {.bulkhead = bulkhead_policy{}});
  CHECK(b.get("three")->as<caf::actor>());
  CHECK(b.create("three")->error() == errc::duplicate_name);
}

TEST_CASE("a wrong policy makes nothing [B12] [P4] [G13]", "[bulkhead_registry]") {
  bench b;
  CHECK(b.create("db", {.max_workers = 0})->error() == errc::invalid_policy);
  CHECK(b.get("db")->error() == errc::unknown_name);
  CHECK(b.create("db")->as<caf::actor>());
}

TEST_CASE("get_all_stats tells all bulkheads in the order of their names [B12]",
          "[bulkhead_registry]") {
  bench b;
  CHECK(b.all().empty());
  auto target = b.sys.spawn_manual();
  for (const auto* name : {"c", "a", "b"})
    b.create(name, {.max_workers = 2});
  auto busy = b.get("b")->as<caf::actor>();
  b.sys.ask(busy, call_atom_v, target.handle, caf::make_message(ask_atom_v, std::int32_t{1}));
  const auto all = b.all();
  REQUIRE(all.size() == 3);
  CHECK(all[0].name == "a");
  CHECK(all[1].name == "b");
  CHECK(all[2].name == "c");
  CHECK(all[1].active == 1);
  CHECK(all[1].calls == 1);
  CHECK(all[0].calls == 0);
}

TEST_CASE("a bulkhead that ends frees its name and is asked no more [B12]", "[bulkhead_registry]") {
  bench b;
  auto first = b.create("db")->as<caf::actor>();
  auto other = b.create("other")->as<caf::actor>();
  b.all();
  b.all();
  // It dies while the question is under way.
  auto asked = b.sys.send(b.registry, get_all_stats_atom_v);
  caf::anon_send_exit(first, caf::exit_reason::kill);
  b.sys.run();
  CHECK(asked->count() == 1);
  const auto all = b.all();
  REQUIRE(all.size() == 1);
  CHECK(all[0].name == "other");
  CHECK(b.get("db")->error() == errc::unknown_name);
  CHECK(b.create("db", {.max_workers = 7})->as<caf::actor>() != first);
}

TEST_CASE(
    "shutdown_all finishes what all bulkheads have and is told when they have ended [B12] [B6]",
    "[bulkhead_registry]") {
  bench b;
  auto target = b.sys.spawn_manual();
  std::vector<reply_ptr> replies;
  for (const auto* name : {"a", "b"}) {
    auto part = b.create(name, {.max_workers = 1})->as<caf::actor>();
    for (int i = 0; i < 2; ++i)
      replies.push_back(
          b.sys.ask(part, call_atom_v, target.handle, caf::make_message(ask_atom_v, i)));
  }
  auto done = b.sys.ask(b.registry, shutdown_all_atom_v);
  auto again = b.sys.ask(b.registry, shutdown_all_atom_v);
  for (std::uint64_t i = 0; i < 4; ++i) {
    CHECK(done->count() == 0);
    CHECK(again->count() == 0);
    REQUIRE(target.log->questions.size() > i);
    b.sys.answer(target, i, std::int32_t{1});
  }
  CHECK(done->count() == 1);
  CHECK(again->count() == 1);
  for (const auto& each : replies)
    CHECK(each->as<std::int32_t>() == 1);
  CHECK(b.all().empty());
  CHECK(b.sys.ask(b.registry, shutdown_all_atom_v)->count() == 1); // with nothing left to end
  CHECK(b.create("a")->as<caf::actor>());                          // and goes on afterwards
}

TEST_CASE("a message that the bulkhead registry doesn't know is answered with an error [P5]",
          "[bulkhead_registry]") {
  bench b;
  auto made = b.create("db")->as<caf::actor>();
  auto unknown = b.sys.ask(b.registry, std::string{"what is this"});
  REQUIRE(unknown->count() == 1);
  CHECK(unknown->is_error());
  CHECK(b.get("db")->as<caf::actor>() == made);
}

TEST_CASE("create in a node that has ended is refused clearly [B12] [G13]", "[bulkhead_registry]") {
  bench b;
  // As its node does first, before it ends the registry too.
  auto directory =
      std::make_shared<part_directory>(*b.sys, b.node->timeout_manager(), b.node->registry());
  auto registry = b.sys->spawn<bulkhead_registry_actor>(directory);
  directory->close();
  CHECK(b.sys.ask(registry, create_atom_v, std::string{"db"}, bulkhead_policy{})->error()
        == errc::shutting_down);
  b.sys.ask(registry, shutdown_atom_v);
}
