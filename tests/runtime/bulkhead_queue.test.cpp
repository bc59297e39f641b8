#include "bulwark/bulkhead.hpp"

#include "support/catch.hpp"

#include <utility>
#include <vector>

// Who waits for a bulkhead, in which order they are served, and who has to go.

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

using tickets = std::vector<ticket_id>;

struct recorder final : bulkhead_effects {
  tickets granted;
  tickets refused;
  errc why = errc::bulkhead_full;

  void grant(holder_id, ticket_id ticket, std::uint32_t, bool) override {
    granted.push_back(ticket);
  }
  void refuse(holder_id, ticket_id ticket, errc reason) override {
    CHECK(reason == why);
    refused.push_back(ticket);
  }
  void recall(holder_id, std::uint64_t) override {}
};

// A bulkhead whose only permit is out.
struct busy {
  recorder said;
  bulkhead core;

  explicit busy(bulkhead_policy policy) : core((policy.max_workers = 1, policy), said) {
    core.lease_extras(false);
    core.ask(1, 0);
    said.granted.clear();
  }

  tickets served_one_by_one() {
    for (auto left = core.queued(); left > 0; --left)
      core.give_back(1, 1);
    return std::exchange(said.granted, {});
  }
};

constexpr call_class critical{.importance = criticality::critical};
constexpr call_class sheddable{.importance = criticality::sheddable};

constexpr call_class of_tenant(std::uint64_t tenant) {
  return {.tenant = tenant};
}

} // namespace

TEST_CASE("the important are served first and the least important has to go [B16]", "[bulkhead]") {
  busy all{{.queue_size = 4}};
  all.core.ask(1, 1, sheddable);
  all.core.ask(1, 2);
  all.core.ask(1, 3, critical);
  all.core.ask(1, 4, sheddable);
  CHECK(all.said.refused.empty());
  all.core.ask(1, 5, critical); // no room: for whom it matters least
  CHECK(all.said.refused == tickets{4});
  all.core.ask(1, 6, sheddable); // nobody matters less than itself
  CHECK(all.said.refused == tickets{4, 6});
  CHECK(all.served_one_by_one() == tickets{3, 5, 2, 1});
}

TEST_CASE("tenants that wait are served in turn and who floods the queue has to go [B17]",
          "[bulkhead]") {
  busy all{{.queue_size = 5, .fair_by_tenant = true}};
  for (ticket_id i = 1; i <= 5; ++i)
    all.core.ask(1, i, of_tenant(1));
  all.core.ask(1, 6, of_tenant(2));
  all.core.ask(1, 7, of_tenant(3));
  CHECK(all.said.refused == tickets{5, 4});
  CHECK(all.served_one_by_one() == tickets{1, 6, 7, 2, 3});
}

TEST_CASE("without fair_by_tenant it is first in, first out, whoever comes [B17]", "[bulkhead]") {
  busy all{{.queue_size = 3}};
  all.core.ask(1, 1, of_tenant(1));
  all.core.ask(1, 2, of_tenant(1));
  all.core.ask(1, 3, of_tenant(2));
  all.core.ask(1, 4, of_tenant(3));
  CHECK(all.said.refused == tickets{4});
  CHECK(all.served_one_by_one() == tickets{1, 2, 3});
}

TEST_CASE("whoever has waited too long is refused once the queue has stood for an interval [B18]",
          "[bulkhead]") {
  busy all{{.queue_size = 100, .shed = queue_delay_policy{.target = 5ms, .interval = 50ms}}};
  // One call comes each millisecond and one is served every two.
  instant now{};
  ticket_id last = 0;
  std::vector<std::pair<ticket_id, instant>> came;
  for (auto i = 1; i <= 400; ++i) {
    now += 1ms;
    all.core.advance(now);
    all.core.ask(1, ++last);
    came.emplace_back(last, now);
    if (i % 2 == 0)
      all.core.give_back(1, 1);
    // The wait is longer than 5 ms from 12 ms on.
    if (now < instant{62ms})
      CHECK(all.said.refused.empty());
    if (now > instant{64ms})
      CHECK(all.core.queued() <= 6);
  }
  CHECK(all.core.shed() == all.said.refused.size());
  CHECK(all.core.shed() >= 150);
  // It empties, and is a queue for bursts again.
  all.served_one_by_one();
  const auto shed = all.core.shed();
  for (auto i = 0; i < 20; ++i)
    all.core.ask(1, ++last);
  all.core.advance(now + 40ms);
  all.served_one_by_one();
  CHECK(all.core.shed() == shed);
}

TEST_CASE("newest first serves those who came last while the queue stands [B18]", "[bulkhead]") {
  busy all{{.queue_size = 100,
            .shed = queue_delay_policy{.target = 5ms, .interval = 50ms, .newest_first = true}}};
  instant now{};
  ticket_id last = 0;
  for (auto i = 1; i <= 400; ++i) {
    now += 1ms;
    all.core.advance(now);
    all.core.ask(1, ++last);
    if (i % 2 == 0) {
      all.said.granted.clear();
      all.core.give_back(1, 1);
      if (now > instant{64ms})
        CHECK(all.said.granted == tickets{last});
    }
  }
}

TEST_CASE("with adaptive the limit follows what calls take, up to max_workers [B13]",
          "[bulkhead]") {
  recorder said;
  bulkhead core{
      {.max_workers = 30,
       .queue_size = 1,
       .adaptive =
           adaptive_limit_policy{.algorithm = limit_algorithm::aimd, .floor = 2, .initial = 10}},
      said};
  core.lease_extras(false);
  ticket_id last = 0;
  CHECK(core.limit() == 10);
  for (auto i = 0; i < 10; ++i)
    core.ask(1, ++last);
  CHECK(core.free() == 0);
  instant now{};
  const auto round = [&](std::uint32_t replied, std::uint32_t timed_out) {
    now += 1s;
    core.advance(now);
    core.on_samples({.first = now, .count = replied, .total = replied * 1ms, .dropped = timed_out});
  };
  round(20, 0); // nobody had to wait
  CHECK(core.limit() == 10);
  core.ask(1, ++last);
  round(20, 0);
  CHECK(core.limit() == 11);
  CHECK(said.granted.size() == 11); // who waited is served at once
  for (auto i = 0; i < 40; ++i) {
    core.ask(1, ++last);
    core.ask(1, ++last);
    round(20, 0);
  }
  CHECK(core.limit() == 30);
  for (auto i = 0; i < 40; ++i)
    round(0, 20);
  CHECK(core.limit() == 2);
  CHECK(core.leased() == 30); // what is out comes home in its time
  CHECK(core.free() == 0);
}

TEST_CASE("a queue that has emptied after it stood is in its order again [B18]", "[bulkhead]") {
  busy all{{.queue_size = 100,
            .shed = queue_delay_policy{.target = 5ms, .interval = 50ms, .newest_first = true}}};
  instant now{};
  for (ticket_id ticket = 1; ticket <= 100; ++ticket) {
    now += 1ms;
    all.core.advance(now);
    all.core.ask(1, ticket);
    if (ticket % 2 == 0)
      all.core.give_back(1, 1);
  }
  REQUIRE(all.core.shed() > 0);
  all.served_one_by_one();
  all.said.refused.clear();
  for (ticket_id ticket = 101; ticket <= 103; ++ticket)
    all.core.ask(1, ticket);
  all.said.why = errc::shutting_down;
  all.core.shut_down(false);
  CHECK(all.said.refused == tickets{101, 102, 103});
}

TEST_CASE("calls that wait when shedding is switched on wait from then on [B18]", "[bulkhead]") {
  bulkhead_policy policy{.max_workers = 1, .queue_size = 100};
  busy all{policy};
  all.core.advance(instant{1h});
  for (ticket_id ticket = 1; ticket <= 3; ++ticket)
    all.core.ask(1, ticket);
  policy.shed = queue_delay_policy{.target = 1s, .interval = 1ms};
  all.core.advance(instant{2h});
  all.core.change_policy(policy);
  all.core.give_back(1, 1);
  all.core.advance(instant{2h + 500ms});
  all.core.give_back(1, 1);
  CHECK(all.core.shed() == 0);
  CHECK(all.said.granted == tickets{1, 2});
}

TEST_CASE("a limit was felt by whoever waits for it whenever it is asked for [B13]", "[bulkhead]") {
  recorder said;
  bulkhead core{
      {.max_workers = 30,
       .queue_size = 2,
       .adaptive =
           adaptive_limit_policy{.algorithm = limit_algorithm::aimd, .floor = 1, .initial = 2}},
      said};
  instant now{};
  const auto round = [&] {
    now += 1s;
    core.advance(now);
    core.on_samples({.first = now, .count = 20, .total = 20ms});
    return core.limit();
  };
  SECTION("who waited at the last samples, but no longer at these") {
    core.lease_extras(false);
    for (ticket_id ticket = 1; ticket <= 4; ++ticket)
      core.ask(1, ticket);
    CHECK(round() == 3); // serves the one, and the other waits on
    core.withdraw(1, 4);
    CHECK(round() == 4);
  }
  SECTION("who is refused because the last recall needs no answer") {
    core.ask(1, 1); // and has another permit
    core.ask(2, 1);
    core.ask(2, 2);
    core.ask(2, 3);
    CHECK(said.refused.empty());
    core.on_samples({}); // asks what has been felt until now
    core.lose(1);
    CHECK(said.refused.empty()); // two permits have come home
    CHECK(core.queued() == 1);
    core.withdraw(2, 3);
    CHECK(round() == 3);
  }
}

TEST_CASE("what is out of range in a bulkhead's parts is named [B13] [B18]", "[bulkhead]") {
  const auto mistakes =
      find_mistakes(bulkhead_policy{.adaptive = adaptive_limit_policy{.floor = 0},
                                    .shed = queue_delay_policy{.target = 0ns, .interval = 0ns}});
  REQUIRE(mistakes.size() == 3);
  CHECK(mistakes[0].field == "adaptive_limit.floor");
  CHECK(mistakes[1].field == "bulkhead.shed.target");
  CHECK(mistakes[2].field == "bulkhead.shed.interval");
}
