#include "models/plain_queue.hpp"
#include "support/catch.hpp"

#include <fmt/format.h>
#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ostream>
#include <vector>

// The fair queue on random histories, beside a plain list.

using namespace bulwark;
using namespace bulwark_tests;

namespace {

enum class action { push, pop, refuse_last, erase, lose, turn_around };

struct command {
  action what;
  int importance;
  int tenant;
  int choice;
};

std::ostream& operator<<(std::ostream& out, const command& x) {
  constexpr std::array names{"push", "pop", "refuse_last", "erase", "lose", "turn_around"};
  return out << fmt::format("\n  {}({}, {}, {})", names.at(static_cast<std::size_t>(x.what)),
                            x.importance, x.tenant, x.choice);
}

rc::Gen<command> any_command() {
  return rc::gen::construct<command>(rc::gen::weightedElement<action>({{50, action::push},
                                                                       {30, action::pop},
                                                                       {8, action::refuse_last},
                                                                       {8, action::erase},
                                                                       {1, action::lose},
                                                                       {1, action::turn_around}}),
                                     rc::gen::inRange(0, 3), rc::gen::inRange(0, 6),
                                     rc::gen::inRange(0, 1'000));
}

} // namespace

TEST_CASE("in every history the fair queue serves the important first and tenants in turn [B16] "
          "[B17]",
          "[fair_queue]") {
  std::uint64_t pops = 0;
  std::uint64_t deepest = 0;
  CHECK(rc::check("queue and list agree", [&] {
    for (auto history = 0; history < 10; ++history) {
      fair_queue queue;
      plain_queue plain;
      ticket_id last_ticket = 0;
      instant now{};
      // Also with only one tenant, and with all equally important.
      const auto tenants = *rc::gen::element(1, 2, 6);
      const auto importances = *rc::gen::element(1, 3);
      for (const auto& each :
           *rc::gen::scale(5.0, rc::gen::container<std::vector<command>>(any_command()))) {
        now += std::chrono::milliseconds{1};
        if (each.what == action::push) {
          const waiting_call one{.who = {.holder = 1 + static_cast<holder_id>(each.choice % 3),
                                         .ticket = ++last_ticket},
                                 .importance =
                                     static_cast<criticality>(each.importance % importances),
                                 .tenant = static_cast<std::uint64_t>(each.tenant % tenants),
                                 .since = now};
          queue.push(one.who, {.importance = one.importance, .tenant = one.tenant}, now);
          plain.push(one);
        } else if (each.what == action::turn_around) {
          plain.newest_first = each.choice % 2 == 0;
          queue.newest_first(plain.newest_first);
        } else if (each.what == action::lose) {
          const auto holder = 1 + static_cast<holder_id>(each.choice % 3);
          queue.erase_all_of(holder);
          plain.remove_all_of(holder);
        } else if (plain.all.empty()) {
          continue;
        } else if (each.what == action::pop) {
          queue.pop();
          plain.pop();
          ++pops;
        } else if (each.what == action::erase) {
          const auto at = static_cast<std::size_t>(each.choice) % plain.all.size();
          RC_ASSERT(queue.erase(plain.all[at].who));
          RC_ASSERT(!queue.erase(plain.all[at].who));
          plain.remove(at);
        } else {
          const auto gone = queue.last();
          const auto at = plain.find(gone);
          const auto may_go = plain.last();
          RC_ASSERT(std::find(may_go.begin(), may_go.end(), at) != may_go.end());
          RC_ASSERT(queue.erase(gone));
          plain.remove(at);
        }
        RC_ASSERT(queue.size() == plain.all.size());
        RC_ASSERT(queue.empty() == plain.all.empty());
        deepest = std::max<std::uint64_t>(deepest, queue.size());
        if (!queue.empty()) {
          RC_ASSERT(queue.next() == plain.all[plain.next()].who);
          RC_ASSERT(queue.oldest() == plain.all[plain.turn().front()].who);
          RC_ASSERT(queue.oldest_since() == plain.all[plain.turn().front()].since);
        }
      }
      // What is left comes in its turn.
      queue.drain([&](const waiter& who) {
        RC_ASSERT(who == plain.all[plain.next()].who);
        plain.pop();
      });
      RC_ASSERT(plain.all.empty());
    }
  }));
  if (std::getenv("RC_PARAMS") == nullptr) {
    CHECK(pops >= 5'000);
    CHECK(deepest >= 30);
  }
}
