#pragma once

#include "models/must.hpp"
#include "models/waiting_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <ostream>
#include <set>
#include <utility>
#include <variant>
#include <vector>

/// @file The bulkhead among many holders, on random histories.
///
/// Holders begin and end calls, give up waiting, and are lost, while messages between them and the
/// bulkhead are under way in both directions for as long as chance wants. Two things are checked
/// after each step. What the bulkhead does is what a plain waiting line does, written without
/// regard to cost. And every permit is somewhere: free, in use, unused with a holder, or in a
/// message that is under way.

namespace bulwark_tests::bulkhead_model {

using namespace bulwark;
using namespace bulwark_tests::waiting;

// -- what can happen --------------------------------------------------------------

enum class action {
  begin_call,
  end_call,
  give_up,
  go_idle,
  reach_owner,
  reach_holder,
  reach_all,
  lose,
  recall_all,
  change_policy,
  shut_down
};

inline const char* name_of(action what) {
  switch (what) {
  case action::begin_call:
    return "begin_call";
  case action::end_call:
    return "end_call";
  case action::give_up:
    return "give_up";
  case action::go_idle:
    return "go_idle";
  case action::reach_owner:
    return "reach_owner";
  case action::reach_holder:
    return "reach_holder";
  case action::reach_all:
    return "reach_all";
  case action::lose:
    return "lose";
  case action::recall_all:
    return "recall_all";
  case action::change_policy:
    return "change_policy";
  case action::shut_down:
    return "shut_down";
  }
  return "?";
}

struct command {
  action what;
  int who;
  int choice;
};

inline std::ostream& operator<<(std::ostream& out, const command& each) {
  return out << fmt::format("{}({}, {})", name_of(each.what), each.who, each.choice);
}

inline bulkhead_policy policy_of(int choice) {
  return {.max_workers = 1 + static_cast<std::uint32_t>(choice % 7),
          .queue_size = static_cast<std::uint32_t>(choice / 7 % 5)};
}

struct history {
  int holders;
  int policy;
  std::vector<command> commands;
};

inline std::ostream& operator<<(std::ostream& out, const history& all) {
  const auto policy = policy_of(all.policy);
  out << fmt::format("\n{} holders, max_workers {}, queue_size {}:", all.holders,
                     policy.max_workers, policy.queue_size);
  for (const auto& each : all.commands)
    out << "\n  " << each;
  return out;
}

// -- all together, step by step ---------------------------------------------------

// What the histories of one run met.
struct coverage {
  std::uint64_t steps = 0;
  std::uint64_t granted = 0;
  std::uint64_t full = 0;
  std::uint64_t closing = 0; // refused because of shutting down
  std::uint64_t crossed = 0; // a withdrawal and a grant
  std::uint64_t recalls = 0;
  std::uint64_t overdrawn = 0; // steps with more waiting than queue_size, a recall being under way
  std::uint64_t shrunk = 0;    // steps with more out than a lowered max_workers
  std::uint64_t queued_at_rest = 0;
};

class comparison final : bulkhead_effects {
public:
  comparison(const history& all, coverage& met)
      : bulkhead_(policy_of(all.policy), *this),
        line_{policy_of(all.policy), {}, {}, {}, {}, {}, {}, {}},
        met_(met) {
    for (auto i = 0; i < all.holders; ++i)
      holders_.push_back({.id = ++last_id_});
  }

  void step(const command& next) {
    ++met_.steps;
    perform(next);
    check();
  }

  // All messages arrive and all calls end, again and again: then nothing may be left.
  void finish() {
    do {
      reach_all();
      for (auto& each : holders_)
        while (each.in_use > 0)
          each.end_call();
      check();
    } while (std::any_of(holders_.begin(), holders_.end(),
                         [](const holder& each) { return !each.sent.empty(); }));
    MUST(bulkhead_.queued() == 0U);
    MUST(bulkhead_.settled());
    for (const auto& each : holders_) {
      MUST(each.waiting.empty());
      MUST(bulkhead_.leased(each.id) == each.unused);
      MUST((each.unused == 0 || !bulkhead_.shutting_down()));
    }
  }

private:
  bulkhead bulkhead_;
  waiting_line line_;
  std::vector<holder> holders_;
  holder_id last_id_ = 0;
  std::vector<decision> decided_;
  std::set<holder_id> called_back_;
  coverage& met_;

  void grant(holder_id to, ticket_id ticket, std::uint32_t extra, bool keep) override {
    ++met_.granted;
    decided_.push_back({to, waiting::grant{ticket, extra, keep}});
    find(to).coming.push_back(waiting::grant{ticket, extra, keep});
  }

  void refuse(holder_id to, ticket_id ticket, errc why) override {
    met_.full += why == errc::bulkhead_full ? 1 : 0;
    met_.closing += why == errc::shutting_down ? 1 : 0;
    decided_.push_back({to, refusal{ticket, why}});
    find(to).coming.push_back(refusal{ticket, why});
    if (why == errc::bulkhead_full)
      check_nothing_unused();
  }

  void recall(holder_id from, std::uint64_t round) override {
    ++met_.recalls;
    MUST(called_back_.insert(from).second); // once is enough
    find(from).coming.push_back(waiting::recall{round});
  }

  holder& find(holder_id id) {
    const auto i = std::find_if(holders_.begin(), holders_.end(),
                                [id](const holder& each) { return each.id == id; });
    MUST((i != holders_.end()));
    return *i;
  }

  void perform(const command& next);
  void reach_owner(holder& from);
  void reach_holder(holder& to);
  void reach_all();
  void lose(holder& gone);
  void compare();
  void check();
  void check_nothing_unused();
  void check_at_rest();
};

inline void comparison::perform(const command& next) {
  auto& one = holders_[static_cast<std::size_t>(next.who) % holders_.size()];
  switch (next.what) {
  case action::begin_call:
    return one.begin_call();
  case action::end_call:
    return one.end_call();
  case action::give_up:
    return one.give_up(next.choice);
  case action::go_idle:
    return one.go_idle();
  case action::reach_owner:
    return reach_owner(one);
  case action::reach_holder:
    return reach_holder(one);
  case action::reach_all:
    reach_all();
    return check_at_rest();
  case action::lose:
    return lose(one);
  case action::recall_all:
    bulkhead_.recall_all();
    return line_.call_back();
  case action::change_policy:
    bulkhead_.change_policy(policy_of(next.choice));
    line_.policy = policy_of(next.choice);
    return line_.follow();
  case action::shut_down:
    bulkhead_.shut_down(next.choice % 2 == 0);
    return line_.shut_down(next.choice % 2 == 0);
  }
}

inline void comparison::reach_owner(holder& from) {
  if (from.sent.empty())
    return;
  const auto next = from.sent.front();
  from.sent.pop_front();
  if (const auto* asked = std::get_if<ask>(&next))
    bulkhead_.ask(from.id, asked->ticket);
  else if (const auto* gone = std::get_if<withdrawal>(&next))
    bulkhead_.withdraw(from.id, gone->ticket);
  else if (const auto* home = std::get_if<return_home>(&next))
    bulkhead_.give_back(from.id, home->permits);
  else if (const auto* answered = std::get_if<answer>(&next))
    bulkhead_.on_recalled(from.id, answered->round, answered->returned);
  line_.on(from.id, next);
  compare();
}

inline void comparison::reach_holder(holder& to) {
  if (to.coming.empty())
    return;
  const auto next = to.coming.front();
  to.coming.pop_front();
  met_.crossed += to.on(next) ? 1 : 0;
}

inline void comparison::reach_all() {
  for (auto under_way = true; under_way;) {
    under_way = false;
    for (auto& each : holders_) {
      under_way = under_way || !each.sent.empty() || !each.coming.empty();
      reach_owner(each);
      reach_holder(each);
    }
  }
}

// Another takes its place; what was under way from and to it is lost with it.
inline void comparison::lose(holder& gone) {
  const auto id = std::exchange(gone, {.id = ++last_id_}).id;
  bulkhead_.lose(id);
  line_.lose(id);
}

// What was decided is what the line says, in its order.
inline void comparison::compare() {
  MUST(decided_.size() == line_.decided.size());
  MUST((std::exchange(decided_, {}) == std::exchange(line_.decided, {})));
  MUST(std::exchange(called_back_, {}) == std::exchange(line_.called_back, {}));
}

inline void comparison::check() {
  compare();
  const auto& policy = bulkhead_.policy();
  MUST(bulkhead_.queued() == line_.line.size());
  MUST(bulkhead_.settled() == line_.settled());
  MUST(bulkhead_.leased() == line_.leased());
  MUST(bulkhead_.free() == line_.free());
  // Every permit is somewhere.
  auto all = 0U;
  auto in_use = 0U;
  for (const auto& each : holders_) {
    const auto here = each.in_use + each.unused + each.under_way();
    MUST(bulkhead_.leased(each.id) == here);
    all += here;
    in_use += each.in_use;
  }
  MUST(bulkhead_.leased() == all);
  const auto excess = all > policy.max_workers ? all - policy.max_workers : 0;
  MUST(all + bulkhead_.free() == policy.max_workers + excess);
  MUST(in_use <= policy.max_workers + excess);
  MUST((bulkhead_.queued() == 0 || bulkhead_.free() == 0));
  MUST((bulkhead_.queued() <= policy.queue_size || !bulkhead_.settled()));
  met_.overdrawn += bulkhead_.queued() > policy.queue_size ? 1 : 0;
  met_.shrunk += excess > 0 ? 1 : 0;
}

// Who is refused because all is full is right.
inline void comparison::check_nothing_unused() {
  MUST(bulkhead_.free() == 0U);
  for (const auto& each : holders_) {
    MUST(each.unused == 0U);
    for (const auto& message : each.coming)
      if (const auto* granted = std::get_if<waiting::grant>(&message))
        MUST(granted->extra == 0U);
  }
}

// No message is under way: who waits, waits for calls that run.
inline void comparison::check_at_rest() {
  auto in_use = 0U;
  auto waiting = std::size_t{0};
  for (const auto& each : holders_) {
    in_use += each.in_use;
    waiting += each.waiting.size();
  }
  MUST(bulkhead_.settled());
  MUST(bulkhead_.queued() == waiting);
  MUST(bulkhead_.queued() <= bulkhead_.policy().queue_size);
  MUST((waiting == 0 || in_use >= bulkhead_.policy().max_workers));
  met_.queued_at_rest += waiting > 0 ? 1 : 0;
}

/// One history from its beginning to its end. Throws broken_promise.
inline void run(const history& all, coverage& met) {
  comparison both{all, met};
  for (const auto& next : all.commands)
    both.step(next);
  both.finish();
}

} // namespace bulwark_tests::bulkhead_model
