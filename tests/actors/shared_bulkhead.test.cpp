// A bulkhead that several nodes use, in virtual time: the nodes are in one process, and the line
// between them is the test's own.
#include "bulwark/fence.hpp"

#include "support/guards.hpp"

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

// What a connection looks like from the other side: hands on what comes until it is lost.
caf::behavior line_to(caf::event_based_actor* self, caf::actor door) {
  return {[self, door](const std::string& part, const share_report& report) {
    compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(door), self->current_sender(),
                    caf::make_message_id(), caf::make_message(part, report), self->context());
  }};
}

struct fixture {
  virtual_system sys;
  virtual_node owner{sys};
  virtual_node other{sys};
  virtual_system::manual target = sys.spawn_manual();
  caf::actor here;
  caf::actor line;
  caf::actor there; // stands for it on the other node

  explicit fixture(const bulkhead_policy& policy = {.max_workers = 2},
                   owner_lost when_lost = owner_lost::local) {
    here = owner->shared_bulkhead("pool", policy, {.lease_time = 1s});
    line = sys->spawn(line_to, owner->front_door());
    there = other->directory()->bulkhead_of(
        "owner/pool",
        {.line = {.part = "pool", .door = caf::actor_cast<caf::strong_actor_ptr>(line)},
         .when_lost = when_lost});
    sys.run();
  }

  caf::actor guard(virtual_node& node, const caf::actor& bulkhead, guard_policy policy = {}) {
    policy.bulkhead = bulkhead;
    auto result = node->guard("db", target.handle, policy);
    sys.run();
    return result;
  }

  void lose_line() {
    sys.kill(line);
    line = nullptr;
  }

  void connect_again() {
    line = sys->spawn(line_to, owner->front_door());
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(there),
                 door_change{.door = caf::actor_cast<caf::strong_actor_ptr>(line)});
    sys.run();
  }

  [[nodiscard]] std::size_t at_target() const { return target.log->questions.size(); }

  bulkhead_stats all_nodes() {
    return sys.get<node_stats>(owner->registry(), get_atom_v, "pool (all nodes)").bulkheads.at(0);
  }
};

} // namespace

TEST_CASE("guards of two nodes share one limit and one queue in the order of asking [D12]",
          "[shared_bulkhead]") {
  fixture f;
  auto near = f.guard(f.owner, f.here);
  auto far = f.guard(f.other, f.there);
  std::vector<reply_ptr> answers;
  for (std::int32_t i = 0; i < 6; ++i) // each permit has to go to the other node
    answers.push_back(f.sys.ask(i < 2 || i % 2 == 1 ? near : far, ask_atom_v, i));
  CHECK(f.at_target() == 2);
  CHECK(f.all_nodes().active == 2);
  CHECK(f.all_nodes().queued == 4);
  for (std::uint64_t i = 0; i < 6; ++i) {
    CHECK(f.target.log->questions.at(i).get_as<std::int32_t>(1) == static_cast<std::int32_t>(i));
    f.sys.answer(f.target, i, std::int32_t{0});
    CHECK(answers.at(i)->count() == 1);
  }
  CHECK(f.all_nodes().queued == 0);
}

TEST_CASE("a shared bulkhead refuses whoever would be one too many over all nodes [D12]",
          "[shared_bulkhead]") {
  fixture f{{.max_workers = 1, .queue_size = 1}};
  auto near = f.guard(f.owner, f.here);
  auto far = f.guard(f.other, f.there);
  auto first = f.sys.ask(near, ask_atom_v, 0);
  auto second = f.sys.ask(far, ask_atom_v, 1);
  CHECK(is(f.sys.ask(near, ask_atom_v, 2), errc::bulkhead_full));
  CHECK(is(f.sys.ask(far, ask_atom_v, 3), errc::bulkhead_full));
  f.sys.answer(f.target, 0, std::int32_t{0});
  f.sys.answer(f.target, 1, std::int32_t{0});
  CHECK(first->count() == 1);
  CHECK(second->count() == 1);
}

TEST_CASE(
    "a node that is busy alone asks once and then needs no message of the owner's for each call "
    "[D12]",
    "[shared_bulkhead]") {
  fixture f{{.max_workers = 10}};
  auto far = f.guard(f.other, f.there);
  std::uint64_t asked = 0;
  for (int round = 0; round < 100; ++round) {
    auto answer = f.sys.ask(far, ask_atom_v, 0);
    f.sys.answer(f.target, asked++, std::int32_t{0});
    CHECK(answer->count() == 1);
    if (round == 0)
      CHECK(f.all_nodes().active > 1); // some for the next calls
  }
  const auto held = f.all_nodes().active;
  f.sys.ask(far, ask_atom_v, 0);
  CHECK(f.all_nodes().active == held);
}

TEST_CASE("what a lost node held is free at once and what a silent one held after the lease's time "
          "[D13]",
          "[shared_bulkhead]") {
  fixture f{{.max_workers = 1}};
  auto near = f.guard(f.owner, f.here);
  auto far = f.guard(f.other, f.there);
  auto lost = f.sys.ask(far, ask_atom_v, 0);
  auto waiting = f.sys.ask(near, ask_atom_v, 1);
  CHECK(f.at_target() == 1);
  SECTION("lost: it is known") {
    f.sys.kill(f.there);
    CHECK(f.at_target() == 2);
  }
  SECTION("silent: its reports don't arrive") {
    f.sys.kill(f.line); // and the owner isn't told
    f.sys.advance(900ms);
    CHECK(f.at_target() == 1);
    f.sys.advance(200ms);
    CHECK(f.at_target() == 2);
  }
}

TEST_CASE("without its owner a node goes on with its share of the limit, the calls in progress "
          "included [D14]",
          "[shared_bulkhead]") {
  fixture f{{.max_workers = 4}};
  auto far = f.guard(f.other, f.there);
  f.sys.ask(far, ask_atom_v, 0);
  f.lose_line();
  f.sys.ask(far, ask_atom_v, 1);
  CHECK(f.at_target() == 2); // 4 over 2 nodes
  auto third = f.sys.ask(far, ask_atom_v, 2);
  CHECK(f.at_target() == 2);
  f.sys.answer(f.target, 0, std::int32_t{0});
  CHECK(f.at_target() == 3);
}

TEST_CASE(
    "without its owner a node lets everything through or refuses everything as its policy says "
    "[D14]",
    "[shared_bulkhead]") {
  SECTION("fail_open") {
    fixture f{{.max_workers = 1}, owner_lost::fail_open};
    auto far = f.guard(f.other, f.there);
    f.lose_line();
    for (std::int32_t i = 0; i < 5; ++i)
      f.sys.ask(far, ask_atom_v, i);
    CHECK(f.at_target() == 5);
  }
  SECTION("fail_closed") {
    fixture f{{.max_workers = 2}, owner_lost::fail_closed};
    auto far = f.guard(f.other, f.there);
    f.sys.ask(far, ask_atom_v, 0);
    f.sys.ask(far, ask_atom_v, 1);
    auto waiting = f.sys.ask(far, ask_atom_v, 2);
    f.lose_line();
    CHECK(is(waiting, errc::owner_lost));
    CHECK(is(f.sys.ask(far, ask_atom_v, 3), errc::owner_lost));
    CHECK(to_string(waiting->error()).find("can't be reached") != std::string::npos);
  }
}

TEST_CASE("calls wait for an owner that has never been reached for one lease and are refused then "
          "[D14]",
          "[shared_bulkhead]") {
  virtual_system sys;
  virtual_node node{sys};
  auto target = sys.spawn_manual();
  auto pool = node->directory()->bulkhead_of("owner/pool", {.line = {.part = "pool"}});
  auto db = node->guard("db", target.handle, {.bulkhead = pool});
  auto answer = sys.ask(db, ask_atom_v, 0);
  sys.advance(default_lease_time - 10ms);
  CHECK(answer->count() == 0);
  sys.advance(20ms);
  CHECK(is(answer, errc::owner_lost));
  CHECK(is(sys.ask(db, ask_atom_v, 1), errc::owner_lost));
}

TEST_CASE("a node that comes back brings the calls it has in progress and they count [D14]",
          "[shared_bulkhead]") {
  fixture f{{.max_workers = 2}};
  auto near = f.guard(f.owner, f.here);
  auto far = f.guard(f.other, f.there);
  f.sys.ask(far, ask_atom_v, 0);
  f.lose_line();
  f.sys.ask(near, ask_atom_v, 1);
  f.connect_again();
  CHECK(f.all_nodes().active == 2);
  auto next = f.sys.ask(near, ask_atom_v, 2);
  CHECK(f.at_target() == 2);
  f.sys.answer(f.target, 0, std::int32_t{0}); // of the node that came back
  CHECK(f.at_target() == 3);
}

TEST_CASE("a change of the shared policy reaches all nodes and only the owner takes one [D12]",
          "[shared_bulkhead]") {
  fixture f{{.max_workers = 1}};
  auto far = f.guard(f.other, f.there);
  f.sys.ask(far, ask_atom_v, 0);
  f.sys.ask(far, ask_atom_v, 1);
  CHECK(f.at_target() == 1);
  CHECK(is(f.sys.ask(f.there, change_policy_atom_v, bulkhead_policy{}), errc::invalid_policy));
  CHECK(is(f.sys.ask(f.here, change_policy_atom_v, bulkhead_policy{}), errc::invalid_policy));
  auto owner = f.owner->directory()->find_shared(part_kind::bulkhead, "pool");
  CHECK(is(f.sys.ask(owner, change_policy_atom_v, bulkhead_policy{.max_workers = 0}),
           errc::invalid_policy));
  f.sys.ask(owner, change_policy_atom_v, bulkhead_policy{.max_workers = 2});
  CHECK(f.at_target() == 2);
  CHECK(f.sys.get<bulkhead_stats>(f.there, get_stats_atom_v).max_workers == 2);
}

TEST_CASE("a target that is shown permits refuses those that were taken back [D15]",
          "[shared_bulkhead]") {
  fixture f{{.max_workers = 1}};
  auto tokens = std::make_shared<std::vector<permit_token>>();
  auto target = f.sys->spawn([tokens](caf::event_based_actor*) -> caf::behavior {
    return {[tokens](const permit_token& token, const caf::message&) -> std::int32_t {
      tokens->push_back(token);
      return 1;
    }};
  });
  auto near = f.owner->guard("near", target, {.bulkhead = f.here, .shows_permit = true});
  auto far = f.other->guard("far", target, {.bulkhead = f.there, .shows_permit = true});
  CHECK(f.sys.ask(far, ask_atom_v, 0)->count() == 1);
  f.lose_line(); // its permit goes to others, and it goes on alone
  f.sys.advance(2s);
  CHECK(f.sys.ask(near, ask_atom_v, 1)->count() == 1);
  CHECK(f.sys.ask(far, ask_atom_v, 2)->count() == 1);
  REQUIRE(tokens->size() == 3);
  fence of_target;
  CHECK(of_target.admit(tokens->at(0)));
  CHECK(of_target.admit(tokens->at(1)));
  CHECK_FALSE(of_target.admit(tokens->at(2))); // from before the loss
}

TEST_CASE("permits are shown only where there are any to show [D15] [G13]", "[shared_bulkhead]") {
  fixture f;
  CHECK_THROWS_AS(f.owner->guard("a", f.target.handle, {.shows_permit = true}), policy_error);
  CHECK_THROWS_AS(
      f.owner->guard("b", f.target.handle, {.bulkhead = bulkhead_policy{}, .shows_permit = true}),
      policy_error);
}

TEST_CASE("a name stands for one shared bulkhead and for one way to use it [D12]",
          "[shared_bulkhead]") {
  fixture f;
  CHECK_THROWS_AS(f.owner->shared_bulkhead("pool"), policy_error);
  CHECK_THROWS_AS(f.owner->shared_bulkhead("other", {.max_workers = 0}), policy_error);
  CHECK_THROWS_AS(f.owner->shared_bulkhead("other", {}, {.lease_time = 1ms}), policy_error);
  CHECK_THROWS_AS(
      f.other->directory()->bulkhead_of("owner/pool", {.when_lost = owner_lost::fail_open}),
      policy_error);
  CHECK(f.other->directory()->bulkhead_of("owner/pool", {}) == f.there);
}
