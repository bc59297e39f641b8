// What a node's share of a bulkhead does with the owner's words; the whole protocol is checked on
// random histories, see tests/models/shared_bulkhead_model.test.cpp.
#include "bulwark/bulkhead_share.hpp"

#include "support/catch.hpp"

#include <algorithm>
#include <limits>
#include <vector>

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

struct shared_part : bulkhead_effects, bulkhead_share_effects {
  lease_view view;
  bulkhead local{{}, *this};
  bulkhead_share share;
  std::vector<share_report> reports;
  int granted = 0;
  int recalls = 0;

  explicit shared_part(owner_lost when_lost = owner_lost::local)
      : share(local, view, *this, when_lost, instant{}) {}

  void grant(holder_id, ticket_id, std::uint32_t, bool) override { ++granted; }
  void refuse(holder_id, ticket_id, errc) override {}
  void recall(holder_id, std::uint64_t) override { ++recalls; }
  void report(const share_report& said) override { reports.push_back(said); }
  void policy_changed(const bulkhead_policy&) override {}

  void answer(std::uint64_t permits, std::uint64_t token, instant now, bool keep = false) {
    share.on_grant({.answers = reports.back().stamp,
                    .granted = permits,
                    .served = std::min(permits, std::uint64_t{1}),
                    .keep = keep,
                    .token = {.number = token},
                    .policy = {.max_workers = 5},
                    .lease_time = 1s},
                   now);
  }
};

} // namespace

TEST_CASE("a word that comes after the lease has run out prolongs nothing, though it answers a "
          "report of that lease and the timer hasn't rung yet [D13]",
          "[bulkhead_share]") {
  shared_part node;
  auto now = instant{};
  node.share.on_line(true, now);
  node.answer(0, 1, now);
  node.local.ask(1, 1);
  node.share.on_change(now);
  node.answer(1, 2, now);
  REQUIRE(node.granted == 1);
  now += 300ms;
  node.share.on_change(now); // a heartbeat, which is slow to arrive
  const auto session = node.reports.back().stamp.session;
  // The owner has heard nothing for a second, has taken the permit back, and only then heard it.
  now += 900ms;
  node.answer(0, 3, now);
  CHECK(node.share.state() == bulkhead_share::mode::lost);
  // It begins anew, and with the call that is in progress.
  CHECK(node.reports.back().stamp.session > session);
  CHECK(node.reports.back().carried - node.reports.back().returned == 1);
}

TEST_CASE(
    "a word that a later one has overtaken gives nothing since the owner may have taken it back "
    "before it said the later one [D13]",
    "[bulkhead_share]") {
  shared_part node;
  const auto now = instant{};
  node.local.ask(1, 1);
  node.share.on_line(true, now);
  node.answer(0, 7, now);
  node.answer(2, 6, now);
  CHECK(node.granted == 0);
  CHECK(node.local.policy().max_workers == 0);
}

TEST_CASE(
    "a permit that comes home as the lease runs out goes to nobody beyond the node's own share "
    "[D14]",
    "[bulkhead_share]") {
  shared_part node;
  const auto now = instant{};
  for (ticket_id call = 1; call <= 4; ++call)
    node.local.ask(1, call);
  node.share.on_line(true, now);
  node.share.on_grant({.answers = node.reports.back().stamp,
                       .granted = 3,
                       .served = 3,
                       .nodes = 5, // so that of 5 workers 1 is its own
                       .token = {.number = 1},
                       .policy = {.max_workers = 5},
                       .lease_time = 1s},
                      now);
  REQUIRE(node.granted == 3);
  node.local.give_back(1, 1);
  node.share.on_change(now + 1s);
  REQUIRE(node.share.state() == bulkhead_share::mode::lost);
  CHECK(node.granted == 3);
  CHECK(node.local.queued() == 1);
  node.local.give_back(1, 2);
  CHECK(node.granted == 4);
}

TEST_CASE(
    "what a node was to keep, and hears of only when it may no longer, goes back and not to who "
    "waits there: others may be next [D12]",
    "[bulkhead_share]") {
  shared_part node;
  const auto now = instant{};
  node.share.on_line(true, now);
  node.answer(0, 1, now, true);
  for (ticket_id call = 1; call <= 3; ++call)
    node.local.ask(1, call);
  node.share.on_change(now);
  // One for the first call and two to keep; then others waited: but that word was lost.
  node.answer(3, 3, now);
  CHECK(node.granted == 1);
  CHECK(node.local.queued() == 2);
  CHECK(node.reports.back().returned == 2);
}

TEST_CASE(
    "when the owner is lost what supervisors keep unused is called home, whatever the node does "
    "meanwhile: when it is back the owner would count it, and could never have it [D14]",
    "[bulkhead_share]") {
  const auto policy = GENERATE(owner_lost::local, owner_lost::fail_open, owner_lost::fail_closed);
  CAPTURE(to_string(policy));
  shared_part node{policy};
  const auto now = instant{};
  node.share.on_line(true, now);
  node.answer(0, 1, now);
  node.local.ask(1, 1);
  node.share.on_change(now);
  node.answer(3, 2, now, true); // one for the call, two that may be kept
  REQUIRE(node.local.leased(1) == 3);
  REQUIRE(node.recalls == 0);
  node.share.on_line(false, now);
  CHECK(node.recalls == 1);
}

TEST_CASE(
    "a recall is answered as soon as nothing lies unused for until then the owner refuses nobody "
    "[D12]",
    "[bulkhead_share]") {
  shared_part node;
  const auto now = instant{};
  node.share.on_line(true, now);
  node.share.on_grant({.answers = node.reports.back().stamp,
                       .recall = 5,
                       .token = {.number = 1},
                       .policy = {.max_workers = 5}},
                      now);
  CHECK(node.reports.back().recalled == 5);
}

TEST_CASE(
    "an owner's word that makes no sense gives nothing, prolongs nothing, and the node doesn't "
    "send back for ever what nobody can have given [Z1]",
    "[bulkhead_share]") {
  shared_part node;
  const auto now = instant{};
  node.share.on_line(true, now);
  share_grant word{.answers = node.reports.back().stamp,
                   .granted = 1,
                   .token = {.number = 1},
                   .policy = {.max_workers = 5},
                   .lease_time = 1s};
  SECTION("more permits than there can be") {
    word.granted = GENERATE(10'000'001U, std::numeric_limits<std::uint64_t>::max());
  }
  SECTION("a policy out of range") {
    word.policy.max_workers = GENERATE(0U, 10'000'001U);
  }
  SECTION("a lease time out of range") {
    word.lease_time = GENERATE(as<timespan>{}, 0s, -1s, 2h, timespan::min(), timespan::max());
  }
  node.share.on_grant(word, now);
  CHECK(node.share.state() == bulkhead_share::mode::joining);
  CHECK(node.local.policy().max_workers == 0);
  CHECK(node.reports.size() == 1);
  node.answer(0, 2, now); // the next one counts
  CHECK(node.share.state() == bulkhead_share::mode::leased);
}

TEST_CASE("a node whose owner says that it ends goes on alone at once [D14]", "[bulkhead_share]") {
  shared_part node;
  const auto now = instant{};
  node.local.ask(1, 1);
  node.share.on_line(true, now);
  const share_grant end{.answers = node.reports.back().stamp,
                        .closed = true,
                        .token = {},
                        .policy = {.max_workers = 5},
                        .lease_time = 1s};
  node.share.on_grant(end, now); // it had none yet: nothing is lost
  CHECK(node.share.state() == bulkhead_share::mode::joining);
  node.answer(0, 1, now);
  REQUIRE(node.share.state() == bulkhead_share::mode::leased);
  node.share.on_grant(end, now);
  CHECK(node.share.state() == bulkhead_share::mode::lost);
  node.share.on_change(now);
  CHECK(node.granted == 1);
}
