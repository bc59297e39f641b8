#include "support/catch.hpp"
#include "support/virtual_system.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>

#include <vector>

// A bulkhead whose limit finds itself, and one that turns away who has waited too long.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

struct bench {
  virtual_system sys;
  virtual_node node{sys};
  virtual_system::manual target = sys.spawn_manual();
  caf::actor part;
  caf::actor guard;
  std::uint64_t answered = 0;
  std::vector<reply_ptr> replies;

  explicit bench(const bulkhead_policy& policy, guard_policy with = {})
      : part(node->bulkhead("db", policy)) {
    with.bulkhead = part;
    guard = node->guard("g", target.handle, with);
  }

  void call(int count) {
    for (auto i = 0; i < count; ++i)
      replies.push_back(sys.ask(guard, ask_atom_v, 1));
  }

  std::uint64_t started() const { return target.log->questions.size(); }
  void answer_one() { sys.answer(target, answered++, std::int32_t{7}); }
  bulkhead_stats stats() { return sys.get<bulkhead_stats>(part, get_stats_atom_v); }
};

const bulkhead_policy careful{.max_workers = 20,
                              .queue_size = 100,
                              .adaptive = adaptive_limit_policy{
                                  .algorithm = limit_algorithm::aimd, .floor = 2, .initial = 4}};

} // namespace

TEST_CASE("an adaptive bulkhead lets more in where calls waited and were replied to [B13]",
          "[bulkhead]") {
  bench b{careful};
  b.call(60);
  CHECK(b.started() == 4);
  CHECK(b.stats().limit == 4);
  for (auto i = 0; i < 50; ++i) {
    b.sys.advance(4ms);
    b.answer_one();
  }
  const auto s = b.stats();
  CHECK(s.limit > 4);
  CHECK(s.limit <= 20);
  CHECK(b.started() - b.answered <= s.limit);
  CHECK(s.max_workers == 20);
  CHECK(s.completed == 50);
}

TEST_CASE("an adaptive bulkhead lets fewer in where calls time out [B15]", "[bulkhead]") {
  bench b{careful, {.attempt_timeout = 10ms}};
  b.call(80);
  for (auto i = 0; i < 100; ++i)
    b.sys.advance(5ms);
  CHECK(b.stats().timed_out == 80);
  CHECK(b.stats().limit == 2);
}

TEST_CASE("a fixed bulkhead is told nothing of what calls take [B13]", "[bulkhead]") {
  bench b{{.max_workers = 4, .queue_size = 100}};
  b.call(60);
  for (auto i = 0; i < 50; ++i) {
    b.sys.advance(4ms);
    b.answer_one();
  }
  CHECK(b.stats().limit == 4);
}

TEST_CASE("a bulkhead that is made adaptive begins to be [B13]", "[bulkhead]") {
  bench b{{.max_workers = 4, .queue_size = 100}};
  b.call(60);
  CHECK(b.sys.ask(b.part, change_policy_atom_v, careful)->count() == 1);
  for (auto i = 0; i < 50; ++i) {
    b.sys.advance(4ms);
    b.answer_one();
  }
  CHECK(b.stats().limit > 4);
}

TEST_CASE("who has waited too long in a queue that stands is rejected and counted [B18] [K1]",
          "[bulkhead]") {
  bench b{{.max_workers = 1,
           .queue_size = 100,
           .shed = queue_delay_policy{.target = 10ms, .interval = 50ms}}};
  for (auto i = 0; i < 100; ++i) {
    b.call(2);
    b.sys.advance(5ms);
    if (b.answered < b.started())
      b.answer_one();
  }
  const auto s = b.stats();
  CHECK(s.shed > 50);
  CHECK(s.rejected == s.shed);
  CHECK(s.queued < 10);
  CHECK(s.calls == s.completed + s.rejected + s.active + s.queued);
  auto refused = std::uint64_t{0};
  for (const auto& each : b.replies)
    if (each->count() == 1 && each->error() == errc::bulkhead_full)
      ++refused;
  CHECK(refused == s.shed);
}

TEST_CASE("who a call is for and how much it matters is heeded in a bulkhead's queue [B16] [B17]",
          "[bulkhead]") {
  bench b{{.max_workers = 1, .queue_size = 100, .fair_by_tenant = true}};
  const auto call = [&](std::int32_t x, const call_context& context) {
    b.replies.push_back(b.sys.ask(b.guard, call_atom_v, context, caf::make_message(ask_atom_v, x)));
  };
  call(0, {});
  for (std::int32_t x = 1; x <= 3; ++x)
    call(x, {.tenant = "flood"});
  call(4, {.tenant = "other"});
  call(5, {.importance = criticality::sheddable});
  call(6, {.importance = criticality::critical});
  std::vector<std::int32_t> order;
  for (auto i = 0; i < 7; ++i) {
    order.push_back(b.target.log->questions.back().get_as<std::int32_t>(1));
    b.answer_one();
  }
  CHECK(order == std::vector<std::int32_t>{0, 6, 1, 4, 2, 3, 5});
}

TEST_CASE("a bulkhead that nodes share has no limit or queue of its own to decide about [B13]",
          "[bulkhead]") {
  virtual_system sys;
  virtual_node node{sys};
  CHECK_THROWS_AS(node->shared_bulkhead("db", careful), policy_error);
  CHECK_THROWS_AS(node->shared_bulkhead("db", {.shed = queue_delay_policy{}}), policy_error);
  CHECK_THROWS_AS(node->shared_bulkhead("db", {.fair_by_tenant = true}), policy_error);
}

TEST_CASE("a bulkhead's policy arrives as it was sent [B13] [B17] [B18]", "[bulkhead]") {
  virtual_system sys;
  auto sent = careful;
  sent.adaptive->latency_limit = 30ms;
  sent.shed = queue_delay_policy{.target = 3ms, .interval = 40ms, .newest_first = true};
  sent.fair_by_tenant = true;
  caf::byte_buffer bytes;
  caf::binary_serializer out{*sys, bytes};
  REQUIRE(out.apply(sent));
  bulkhead_policy came;
  caf::binary_deserializer in{*sys, bytes};
  REQUIRE(in.apply(came));
  CHECK(came == sent);
}
