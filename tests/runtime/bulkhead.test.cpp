#include "bulwark/bulkhead.hpp"

#include "support/catch.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

struct granted {
  holder_id holder;
  ticket_id ticket;
  std::uint32_t extra = 0;
  bool keep = false;

  friend bool operator==(const granted&, const granted&) = default;
};

struct refused {
  holder_id holder;
  ticket_id ticket;
  errc why;

  friend bool operator==(const refused&, const refused&) = default;
};

struct recalled {
  holder_id holder;
  std::uint64_t round;
};

// What the bulkhead wished for since it was last looked at.
struct recorder final : bulkhead_effects {
  std::vector<granted> grants;
  std::vector<refused> refusals;
  std::vector<recalled> recalls;

  void grant(holder_id holder, ticket_id ticket, std::uint32_t extra, bool keep) override {
    grants.push_back({holder, ticket, extra, keep});
  }
  void refuse(holder_id holder, ticket_id ticket, errc why) override {
    refusals.push_back({holder, ticket, why});
  }
  void recall(holder_id holder, std::uint64_t round) override {
    recalls.push_back({holder, round});
  }
};

using grants = std::vector<granted>;
using refusals = std::vector<refused>;

constexpr holder_id ann = 1;
constexpr holder_id bob = 2;
constexpr holder_id cid = 3;

struct fixture {
  recorder told;
  bulkhead parts;

  explicit fixture(std::uint32_t max_workers, std::uint32_t queue_size = 100)
      : parts({.max_workers = max_workers, .queue_size = queue_size}, told) {}

  // Since the last look.
  grants given() { return std::exchange(told.grants, {}); }
  refusals denied() { return std::exchange(told.refusals, {}); }
  std::vector<recalled> called_back() { return std::exchange(told.recalls, {}); }

  // The books of the header.
  void check_books(std::uint32_t in_excess = 0) {
    CHECK(parts.leased() + parts.free() == parts.policy().max_workers + in_excess);
    CHECK((parts.queued() == 0 || parts.free() == 0));
    CHECK((parts.queued() <= parts.policy().queue_size || !parts.settled()));
  }

  // A holder that asks for its first call takes all that is free.
  void take_all(holder_id holder) {
    parts.ask(holder, 0);
    CHECK(given().size() == 1);
    CHECK(parts.free() == 0);
  }

  // Every permit is in use, each asked for by itself, and nothing is called back any more.
  void fill(holder_id holder) {
    take_all(holder);
    parts.ask(bob, 99);
    parts.withdraw(bob, 99);
    parts.on_recalled(holder, called_back().at(0).round, 0);
    CHECK(parts.settled());
    check_books();
  }
};

} // namespace

// -- leases -----------------------------------------------------------------------

TEST_CASE("a lone holder gets all that is free and then makes its calls without asking",
          "[bulkhead]") {
  fixture f{10};
  f.parts.ask(ann, 7);
  CHECK(f.given() == grants{{ann, 7, 9, true}});
  CHECK(f.parts.leased() == 10);
  CHECK(f.parts.leased(ann) == 10);
  CHECK(f.parts.free() == 0);
  CHECK(f.parts.settled());
  CHECK(f.called_back().empty());
  f.check_books();
}

TEST_CASE("holders share what is free", "[bulkhead]") {
  fixture f{10};
  f.take_all(ann);
  f.parts.give_back(ann, 9);
  f.parts.ask(bob, 1);
  CHECK(f.given() == grants{{bob, 1, 4, true}}); // of eight more, its share of a half
  f.parts.ask(cid, 1);
  CHECK(f.given() == grants{{cid, 1, 1, true}}); // of three more, its third
  CHECK(f.parts.leased(ann) == 1);
  CHECK(f.parts.leased(bob) == 5);
  CHECK(f.parts.leased(cid) == 2);
  CHECK(f.parts.free() == 2);
  f.check_books();
}

TEST_CASE("as soon as somebody has to wait leases are called back [B1]", "[bulkhead]") {
  fixture f{3};
  f.take_all(ann);
  f.parts.ask(bob, 1);
  CHECK(f.given().empty());
  CHECK(f.parts.queued() == 1);
  CHECK_FALSE(f.parts.settled());
  auto recalls = f.called_back();
  REQUIRE(recalls.size() == 1);
  CHECK(recalls[0].holder == ann);
  f.check_books();

  // Two of three were unused: the waiting one gets one, and one more while nobody else waits.
  f.parts.on_recalled(ann, recalls[0].round, 2);
  CHECK(f.given() == grants{{bob, 1, 0, true}});
  CHECK(f.parts.free() == 1);
  CHECK(f.parts.settled());
  f.check_books();
}

TEST_CASE("permits come home one by one while somebody waits", "[bulkhead]") {
  fixture f{2};
  f.take_all(ann);
  f.parts.ask(bob, 1);
  f.parts.ask(cid, 2);
  f.parts.on_recalled(ann, f.called_back().at(0).round, 0);
  CHECK(f.given().empty());
  f.parts.give_back(ann, 1);
  CHECK(f.given() == grants{{bob, 1, 0, false}}); // another waits: nothing to keep
  f.check_books();
  f.parts.give_back(bob, 1);
  CHECK(f.given() == grants{{cid, 2, 0, true}});
  f.check_books();
  f.parts.give_back(ann, 1);
  f.parts.give_back(cid, 1);
  CHECK(f.parts.leased() == 0);
  CHECK(f.parts.free() == 2);
}

TEST_CASE("a recall is sent once to each who holds permits to keep", "[bulkhead]") {
  fixture f{4};
  f.take_all(ann);
  f.parts.give_back(ann, 3);
  f.parts.ask(bob, 1);
  f.parts.ask(cid, 1);
  REQUIRE(f.parts.free() == 0);
  f.parts.ask(cid, 2);
  f.parts.ask(cid, 3);
  f.parts.ask(bob, 2);
  auto recalls = f.called_back();
  REQUIRE(recalls.size() == 3);
  std::vector<holder_id> holders;
  for (const auto& each : recalls)
    holders.push_back(each.holder);
  std::sort(holders.begin(), holders.end());
  CHECK(holders == std::vector<holder_id>{ann, bob, cid});
}

TEST_CASE("who was granted something to keep after a recall is called back again", "[bulkhead]") {
  fixture f{1};
  f.take_all(ann);
  f.parts.ask(bob, 1);
  const auto first = f.called_back().at(0);
  f.parts.on_recalled(ann, first.round, 1);
  CHECK(f.given() == grants{{bob, 1, 0, true}});
  f.parts.ask(ann, 1);
  const auto second = f.called_back();
  REQUIRE(second.size() == 1);
  CHECK(second[0].holder == bob);
  CHECK(second[0].round != first.round);
}

TEST_CASE("trap 5: an answer to an earlier recall says nothing about what was leased since",
          "[bulkhead]") {
  fixture f{2, 0};
  f.take_all(ann);
  f.parts.ask(bob, 1); // a recall goes out
  f.parts.withdraw(bob, 1);
  f.parts.give_back(ann, 2);
  f.parts.ask(ann, 1); // and before its answer all is leased to her again
  CHECK(f.given() == grants{{ann, 1, 1, true}});
  f.parts.ask(bob, 2);
  const auto rounds = f.called_back();
  REQUIRE(rounds.size() == 2);

  f.parts.on_recalled(ann, rounds[0].round, 0);
  CHECK_FALSE(f.parts.settled());
  CHECK(f.denied().empty()); // one of hers is unused, as she is about to say
  f.parts.on_recalled(ann, rounds[1].round, 1);
  CHECK(f.parts.settled());
  CHECK(f.given() == grants{{bob, 2, 0, true}});
  CHECK(f.denied().empty());
  f.check_books();
}

// -- limits -----------------------------------------------------------------------

TEST_CASE("more than max_workers are never out [B1] [K2]", "[bulkhead]") {
  fixture f{3, 1'000};
  for (holder_id holder = 1; holder <= 50; ++holder) {
    f.parts.ask(holder, 1);
    f.parts.ask(holder, 2);
    CHECK(f.parts.leased() <= 3);
    f.check_books();
  }
  CHECK(f.given().size() == 1); // all three are with the first
  CHECK(f.parts.queued() == 99);
}

TEST_CASE("at most queue_size wait and the next is refused [B2] [K3]", "[bulkhead]") {
  fixture f{1, 2};
  f.fill(ann);
  f.parts.ask(bob, 1);
  f.parts.ask(cid, 2);
  CHECK(f.denied().empty());
  f.parts.ask(bob, 3);
  CHECK(f.denied() == refusals{{bob, 3, errc::bulkhead_full}});
  CHECK(f.parts.queued() == 2);
  f.parts.withdraw(bob, 1);
  f.parts.ask(bob, 4);
  CHECK(f.denied().empty());
  f.check_books();
}

TEST_CASE("without a queue who can't run at once is refused [B2]", "[bulkhead]") {
  fixture f{1, 0};
  f.fill(ann);
  f.parts.ask(bob, 1);
  CHECK(f.denied() == refusals{{bob, 1, errc::bulkhead_full}});
  CHECK(f.parts.queued() == 0);
  f.parts.give_back(ann, 1);
  f.parts.ask(bob, 2);
  CHECK(f.given() == grants{{bob, 2, 0, true}});
}

TEST_CASE("nobody is refused on the ground of a permit that lies unused [B2]", "[bulkhead]") {
  fixture f{3, 1};
  f.take_all(ann);
  f.parts.ask(bob, 1);
  f.parts.ask(bob, 2);
  f.parts.ask(bob, 3);
  f.parts.ask(bob, 4);
  // More than queue_size, but nobody knows yet how much of it runs.
  CHECK(f.parts.queued() == 4);
  CHECK(f.denied().empty());
  f.parts.on_recalled(ann, f.called_back().at(0).round, 2);
  CHECK(f.given() == grants{{bob, 1, 0, false}, {bob, 2, 0, false}});
  CHECK(f.denied() == refusals{{bob, 4, errc::bulkhead_full}});
  CHECK(f.parts.queued() == 1);
  f.check_books();
}

TEST_CASE("when the last holder has answered the newest beyond the queue are refused [B2]",
          "[bulkhead]") {
  fixture f{2, 1};
  f.take_all(ann);
  f.parts.give_back(ann, 1);
  f.parts.ask(bob, 1);
  f.given();
  f.parts.ask(cid, 1);
  f.parts.ask(cid, 2);
  f.parts.ask(cid, 3);
  const auto recalls = f.called_back();
  REQUIRE(recalls.size() == 2);
  f.parts.on_recalled(recalls[0].holder, recalls[0].round, 0);
  CHECK(f.denied().empty());
  SECTION("all have answered") {
    f.parts.on_recalled(recalls[1].holder, recalls[1].round, 0);
    CHECK(f.denied() == refusals{{cid, 3, errc::bulkhead_full}, {cid, 2, errc::bulkhead_full}});
    CHECK(f.parts.queued() == 1);
  }
  SECTION("or the last one was lost") {
    f.parts.lose(recalls[1].holder);
    CHECK(f.given() == grants{{cid, 1, 0, false}});
    CHECK(f.denied() == refusals{{cid, 3, errc::bulkhead_full}});
  }
  f.check_books();
}

TEST_CASE("asking for the true numbers again and again doesn't keep the queue from being bounded",
          "[bulkhead]") {
  fixture f{1, 0};
  f.take_all(ann);
  f.parts.ask(bob, 1);
  const auto recall = f.called_back().at(0);
  f.parts.recall_all(); // while the first is under way
  CHECK(f.called_back().empty());
  f.parts.on_recalled(ann, recall.round, 0);
  CHECK(f.parts.settled());
  CHECK(f.denied() == refusals{{bob, 1, errc::bulkhead_full}});
  f.parts.recall_all(); // nobody keeps anything
  CHECK(f.called_back().empty());
  CHECK(f.parts.settled());
}

// -- the queue --------------------------------------------------------------------

TEST_CASE("the queue is one for all holders and first come is first served [B8]", "[bulkhead]") {
  fixture f{1};
  f.fill(ann);
  f.parts.ask(bob, 1);
  f.parts.ask(ann, 2);
  f.parts.ask(cid, 3);
  f.parts.ask(bob, 4);
  auto running = ann;
  for (auto [holder, ticket] : {std::pair{bob, 1}, {ann, 2}, {cid, 3}, {bob, 4}}) {
    f.parts.give_back(running, 1);
    const auto served = f.given();
    REQUIRE(served.size() == 1);
    CHECK(served[0].holder == holder);
    CHECK(served[0].ticket == static_cast<ticket_id>(ticket));
    running = holder;
    f.check_books();
  }
}

TEST_CASE("who withdraws is served no more and the others keep their order [B8] [B9]",
          "[bulkhead]") {
  fixture f{1};
  f.fill(ann);
  f.parts.ask(bob, 1);
  f.parts.ask(bob, 2);
  f.parts.ask(cid, 2);
  f.parts.ask(cid, 3);
  f.parts.withdraw(bob, 2);
  CHECK(f.parts.queued() == 3);
  f.parts.withdraw(bob, 2);
  f.parts.withdraw(bob, 3); // cid's
  CHECK(f.parts.queued() == 3);
  f.parts.give_back(ann, 1);
  f.parts.give_back(bob, 1);
  f.parts.give_back(cid, 1);
  CHECK(f.given() == grants{{bob, 1, 0, false}, {cid, 2, 0, false}, {cid, 3, 0, true}});
}

TEST_CASE("who asks again under a ticket that it withdrew stands at the end [B8]", "[bulkhead]") {
  fixture f{1};
  f.fill(ann);
  f.parts.ask(bob, 1);
  f.parts.ask(cid, 1);
  f.parts.withdraw(bob, 1);
  f.parts.ask(bob, 1);
  f.parts.give_back(ann, 1);
  CHECK(f.given() == grants{{cid, 1, 0, false}});
}

TEST_CASE("trap 9: a waiter that gives up as it is served destroys no permit [B10]", "[bulkhead]") {
  fixture f{1};
  f.fill(ann);
  f.parts.ask(bob, 1);
  f.parts.ask(cid, 2);
  SECTION("the withdrawal comes first") {
    f.parts.withdraw(bob, 1);
    f.parts.give_back(ann, 1);
    CHECK(f.given() == grants{{cid, 2, 0, true}});
  }
  SECTION("they cross and the holder gives the permit back") {
    f.parts.give_back(ann, 1);
    CHECK(f.given() == grants{{bob, 1, 0, false}});
    f.parts.withdraw(bob, 1);
    CHECK(f.parts.leased(bob) == 1);
    f.parts.give_back(bob, 1);
    CHECK(f.given() == grants{{cid, 2, 0, true}});
  }
  f.parts.give_back(cid, 1);
  CHECK(f.parts.free() == 1);
  CHECK(f.parts.leased() == 0);
  f.check_books();
}

// -- permits on their way home ----------------------------------------------------

TEST_CASE("more than a holder has doesn't come back from it [B10]", "[bulkhead]") {
  fixture f{4};
  f.take_all(ann);
  f.parts.give_back(ann, 3);
  f.parts.ask(bob, 1);
  CHECK(f.parts.leased(bob) == 2);
  f.parts.give_back(bob, 100);
  CHECK(f.parts.leased(bob) == 0);
  CHECK(f.parts.leased(ann) == 1);
  CHECK(f.parts.free() == 3);
  f.parts.give_back(bob, 1);
  f.parts.give_back(cid, 1); // never had any
  CHECK(f.parts.free() == 3);
  f.check_books();
}

TEST_CASE("answers that nobody asked for change nothing [B10]", "[bulkhead]") {
  fixture f{2};
  f.parts.on_recalled(ann, 1, 5);
  f.parts.on_recalled(ann, 0, 0);
  CHECK(f.parts.settled());
  CHECK(f.parts.free() == 2);
  f.take_all(ann);
  f.parts.ask(bob, 1);
  const auto round = f.called_back().at(0).round;
  f.parts.on_recalled(bob, round, 0); // not the one that was asked
  CHECK_FALSE(f.parts.settled());
  f.parts.on_recalled(ann, round, 0);
  f.parts.on_recalled(ann, round, 0); // twice
  CHECK(f.parts.settled());
  f.check_books();
}

TEST_CASE("what a lost holder held is free and its calls wait no longer [B10]", "[bulkhead]") {
  fixture f{2};
  f.take_all(ann);
  f.parts.ask(bob, 1);
  f.parts.ask(ann, 2);
  f.parts.ask(bob, 3);
  f.parts.lose(ann);
  CHECK(f.given() == grants{{bob, 1, 0, false}, {bob, 3, 0, true}});
  CHECK(f.parts.leased(ann) == 0);
  CHECK(f.parts.queued() == 0);
  CHECK(f.parts.settled());
  CHECK(f.denied().empty());
  f.check_books();
  f.parts.lose(ann);
  f.parts.lose(cid); // never seen
  f.parts.lose(bob);
  CHECK(f.parts.free() == 2);
}

TEST_CASE("a holder that is lost while it only waits leaves the queue", "[bulkhead]") {
  fixture f{1};
  f.fill(ann);
  f.parts.ask(bob, 1);
  f.parts.ask(cid, 2);
  f.parts.lose(bob);
  CHECK(f.parts.queued() == 1);
  f.parts.give_back(ann, 1);
  CHECK(f.given() == grants{{cid, 2, 0, true}});
}

TEST_CASE("trap 20: of holders that come and go nothing stays [B10]", "[bulkhead]") {
  fixture f{10};
  for (holder_id holder = 10; holder < 1'000; ++holder) {
    f.parts.ask(holder, 1);
    if (holder % 2 == 0)
      f.parts.lose(holder);
    else
      f.parts.give_back(holder, 10);
    CHECK(f.parts.free() == 10);
  }
  f.given();
  // A share of all for one holder: nobody else is thought to be there. And nobody is called back.
  f.parts.ask(ann, 1);
  CHECK(f.given() == grants{{ann, 1, 9, true}});
  f.parts.ask(bob, 1);
  const auto recalls = f.called_back();
  REQUIRE(recalls.size() == 1);
  CHECK(recalls[0].holder == ann);
}

TEST_CASE("once settled after a recall of all what is leased is in use [B5]", "[bulkhead]") {
  fixture f{10};
  f.take_all(ann);
  CHECK(f.parts.settled());
  f.parts.recall_all();
  CHECK_FALSE(f.parts.settled());
  f.parts.on_recalled(ann, f.called_back().at(0).round, 7);
  CHECK(f.parts.settled());
  CHECK(f.parts.leased() == 3);
  CHECK(f.parts.free() == 7);
  f.parts.recall_all(); // she holds nothing to keep
  CHECK(f.called_back().empty());
  CHECK(f.parts.settled());
}

// -- shutting down ----------------------------------------------------------------

TEST_CASE("after shutting down every ask is refused [B6] [B7]", "[bulkhead]") {
  auto finish_queue = GENERATE(true, false);
  fixture f{2};
  CHECK_FALSE(f.parts.shutting_down());
  f.parts.shut_down(finish_queue);
  CHECK(f.parts.shutting_down());
  f.parts.ask(ann, 1);
  CHECK(f.denied() == refusals{{ann, 1, errc::shutting_down}});
  CHECK(f.given().empty());
  CHECK(f.parts.leased() == 0);
}

TEST_CASE("shutting down may finish what is queued [B6]", "[bulkhead]") {
  fixture f{2};
  f.take_all(ann);
  f.parts.ask(bob, 1);
  f.parts.ask(cid, 2);
  f.called_back();
  f.parts.shut_down(true);
  CHECK(f.denied().empty());
  CHECK(f.parts.queued() == 2);
  f.parts.give_back(ann, 2);
  CHECK(f.given() == grants{{bob, 1, 0, false}, {cid, 2, 0, false}}); // nothing more to keep
  f.parts.give_back(bob, 1);
  f.parts.give_back(cid, 1);
  CHECK(f.parts.leased() == 0);
  f.check_books();
}

TEST_CASE("shutting down may refuse what is queued in its order [B7]", "[bulkhead]") {
  fixture f{1};
  f.fill(ann);
  f.parts.ask(bob, 1);
  f.parts.ask(cid, 2);
  SECTION("at once") {
    f.parts.shut_down(false);
  }
  SECTION("or after all") {
    f.parts.shut_down(true);
    CHECK(f.denied().empty());
    f.parts.shut_down(false);
  }
  CHECK(f.denied() == refusals{{bob, 1, errc::shutting_down}, {cid, 2, errc::shutting_down}});
  CHECK(f.parts.queued() == 0);
  f.parts.withdraw(bob, 1);
  f.parts.give_back(ann, 1);
  CHECK(f.given().empty());
  CHECK(f.parts.free() == 1);
}

TEST_CASE("shutting down calls unused permits home", "[bulkhead]") {
  fixture f{5};
  f.take_all(ann);
  f.parts.shut_down(true);
  const auto recalls = f.called_back();
  REQUIRE(recalls.size() == 1);
  f.parts.on_recalled(ann, recalls[0].round, 4);
  CHECK(f.parts.leased() == 1);
  f.parts.give_back(ann, 1);
  CHECK(f.parts.leased() == 0);
}

// -- policies ---------------------------------------------------------------------

TEST_CASE("a greater max_workers serves who waits", "[bulkhead]") {
  fixture f{1};
  f.fill(ann);
  f.parts.ask(bob, 1);
  f.parts.ask(cid, 2);
  f.parts.change_policy({.max_workers = 4, .queue_size = 100});
  CHECK(f.given() == grants{{bob, 1, 0, false}, {cid, 2, 0, true}});
  CHECK(f.parts.free() == 1);
  CHECK(f.parts.policy().max_workers == 4);
  f.check_books();
}

TEST_CASE("where max_workers shrinks what is out stays out until it comes home [B1] [K2]",
          "[bulkhead]") {
  fixture f{5};
  f.take_all(ann);
  f.parts.change_policy({.max_workers = 2, .queue_size = 100});
  CHECK(f.parts.leased() == 5);
  CHECK(f.parts.free() == 0);
  const auto recalls = f.called_back();
  REQUIRE(recalls.size() == 1); // without anybody waiting: it is too much
  f.parts.ask(bob, 1);
  f.parts.on_recalled(ann, recalls[0].round, 1);
  CHECK(f.parts.leased() == 4);
  f.parts.give_back(ann, 2);
  CHECK(f.given().empty()); // still two out
  CHECK(f.parts.leased() == 2);
  f.parts.give_back(ann, 1);
  CHECK(f.given() == grants{{bob, 1, 0, true}});
  f.check_books();
}

TEST_CASE("who waits beyond a smaller queue_size is refused with the newest first", "[bulkhead]") {
  fixture f{1};
  f.fill(ann);
  for (ticket_id ticket = 1; ticket <= 4; ++ticket)
    f.parts.ask(bob, ticket);
  f.parts.change_policy({.max_workers = 1, .queue_size = 2});
  CHECK(f.denied() == refusals{{bob, 4, errc::bulkhead_full}, {bob, 3, errc::bulkhead_full}});
  CHECK(f.parts.queued() == 2);
  f.check_books();
}

TEST_CASE("a bulkhead policy has these defaults [N3]", "[bulkhead]") {
  const bulkhead_policy policy;
  CHECK(policy.max_workers == 10);
  CHECK(policy.queue_size == 100);
  CHECK_FALSE(policy.queue_timeout.has_value());
  CHECK(find_mistakes(policy).empty());
}

TEST_CASE("each field of a bulkhead policy is checked against its range [P4]", "[bulkhead]") {
  const auto mistakes = [](const bulkhead_policy& policy) {
    return to_string(find_mistakes(policy));
  };
  CHECK(mistakes({.max_workers = 0}) == "bulkhead.max_workers is 0, permitted: 1 .. 10000000");
  CHECK(mistakes({.max_workers = 10'000'001})
        == "bulkhead.max_workers is 10000001, permitted: 1 .. 10000000");
  CHECK(mistakes({.queue_size = 10'000'001})
        == "bulkhead.queue_size is 10000001, permitted: 0 .. 10000000");
  CHECK(mistakes({.queue_timeout = 999us})
        == "bulkhead.queue_timeout is 999us, permitted: 1ms .. 36500d");
  CHECK(mistakes({.queue_timeout = timespan::min()}) != "");
  CHECK(mistakes({.queue_timeout = longest_timespan + 1ns}) != "");
  CHECK(mistakes({.max_workers = 1, .queue_size = 0, .queue_timeout = 1ms}) == "");
  CHECK(
      mistakes(
          {.max_workers = 10'000'000, .queue_size = 10'000'000, .queue_timeout = longest_timespan})
      == "");
  CHECK(find_mistakes({.max_workers = 0, .queue_size = 10'000'001, .queue_timeout = 0ms}).size()
        == 3);
}

TEST_CASE("while free permits are not to be handed on whoever comes waits for word of it [D12]",
          "[bulkhead]") {
  fixture f{2};
  f.parts.hand_on(false);
  f.parts.ask(ann, 1);
  CHECK(f.given().empty());
  CHECK(f.parts.queued() == 1);
  f.parts.hand_on(true);
  CHECK(f.given().size() == 1);
}
