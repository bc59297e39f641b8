// What the owner of a shared bulkhead tells its nodes; the whole protocol is checked on random
// histories, see tests/models/shared_bulkhead_model.test.cpp.
#include "bulwark/shared_bulkhead.hpp"
#include "bulwark/fence.hpp"

#include "support/catch.hpp"

#include <map>

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

struct owning_part : shared_bulkhead_effects {
  std::map<node_key, share_grant> said; // last, to each node
  std::map<node_key, std::uint64_t> serials;
  shared_bulkhead all{{.max_workers = 5}, 1s, 1'000, *this};

  void grant(node_key node, const share_grant& what) override { said[node] = what; }

  /// A report of one that has heard all, and waits for permits for so many calls.
  void hear(node_key node, std::uint32_t waiting) {
    all.on_report(node,
                  {.stamp = {.session = 1, .serial = ++serials[node]},
                   .waiting = waiting,
                   .served_seen = said[node].served,
                   .token_seen = said[node].token.number},
                  instant{});
  }
};

} // namespace

TEST_CASE("a target takes a node's first permit, however long that is on its way while others are "
          "told of newer ones [D15]",
          "[shared_bulkhead]") {
  owning_part owner;
  fence target;
  constexpr node_key fast = 1;
  constexpr node_key slow = 2;
  owner.hear(slow, 1);
  const auto on_its_way = owner.said[slow].token;
  REQUIRE(owner.all.leased(slow) >= 1);
  for (int i = 0; i < 3; ++i)
    owner.hear(fast, 0);
  CHECK(owner.said[fast].token.number > on_its_way.number);
  CHECK(target.admit(owner.said[fast].token));
  CHECK(target.admit(on_its_way));
  // Once it has been taken back the target refuses it.
  owner.all.lose(slow);
  owner.hear(fast, 0);
  CHECK(target.admit(owner.said[fast].token));
  CHECK_FALSE(target.admit(on_its_way));
}

TEST_CASE("an owner that ends tells each node that has a lease [D14]", "[shared_bulkhead]") {
  owning_part owner;
  owner.hear(1, 0);
  owner.hear(2, 3);
  owner.all.lose(1);
  owner.said.clear();
  owner.all.close();
  CHECK(owner.said.count(1) == 0);
  CHECK(owner.said[2].closed);
}

TEST_CASE("a node's report that makes no sense is none [Z1]", "[shared_bulkhead]") {
  owning_part owner;
  owner.all.on_report(1, {.stamp = {.session = 0, .serial = 1}}, instant{});
  owner.all.on_report(1, {.stamp = {.session = 1, .serial = 1}, .carried = 10'000'001}, instant{});
  CHECK_FALSE(owner.all.knows(1));
  CHECK(owner.all.leased() == 0);
  CHECK(owner.said.empty());
  // Nor can it give back more than it has.
  owner.all.on_report(1, {.stamp = {.session = 1, .serial = 2}, .carried = 2, .returned = 100},
                      instant{});
  CHECK(owner.all.leased() == 0);
  CHECK(owner.all.leased(1) == 0);
  CHECK(owner.all.leased(7) == 0);
}
