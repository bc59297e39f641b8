#pragma once

#include "models/must.hpp"
#include "models/waiting_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <ostream>
#include <set>
#include <utility>
#include <variant>
#include <vector>

/// @file The bulkhead among many holders, on random histories.
///
/// Holders begin and end calls, give up waiting, and are lost, while messages between them and the
/// bulkhead are under way in both directions for as long as chance wants. Policies change, time goes
/// by, and calls have an importance and a tenant; the limit may find itself, and a queue that stands
/// may shed. Two things are checked after each step. What the bulkhead does is what a plain waiting line does, written without
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
  let_time_pass,
  tell_samples,
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
  case action::let_time_pass:
    return "let_time_pass";
  case action::tell_samples:
    return "tell_samples";
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

// Each history has some of them.
struct feature {
  static constexpr int shedding = 1;
  static constexpr int adaptive = 2;
  static constexpr int tenants = 4;
  static constexpr int importance = 8;
  static constexpr int all = 16;
};

inline constexpr int policy_choices = 7 * 5 * 6;

// Where a policy changes it may also lose what the history has, and have it again.
inline bulkhead_policy policy_of(int features, int choice) {
  using std::chrono::milliseconds;
  bulkhead_policy result{.max_workers = 1 + static_cast<std::uint32_t>(choice % 7),
                         .queue_size = static_cast<std::uint32_t>(choice / 7 % 5)};
  const auto rest = choice / 35;
  if ((features & feature::shedding) != 0 && rest % 6 != 5)
    result.shed = queue_delay_policy{.target = milliseconds{rest % 2 == 0 ? 1 : 8},
                                     .interval = milliseconds{rest % 3 == 0 ? 1 : 4},
                                     .newest_first = choice % 2 == 0};
  if ((features & feature::adaptive) != 0 && rest % 6 != 4)
    result.adaptive = adaptive_limit_policy{
        .algorithm = rest % 2 == 0 ? limit_algorithm::aimd : limit_algorithm::gradient,
        .floor = std::min(1 + static_cast<std::uint32_t>(rest), result.max_workers),
        .initial = 1 + static_cast<std::uint32_t>(choice % 5),
        .decrease = 0.5,
        .latency_limit = milliseconds{10},
        .window = milliseconds{1}};
  result.fair_by_tenant = (features & feature::tenants) != 0 && rest % 6 != 3;
  return result;
}

inline call_class class_of(int features, int choice) {
  call_class result;
  if ((features & feature::importance) != 0)
    result.importance = static_cast<criticality>(choice % static_cast<int>(criticality_count));
  if ((features & feature::tenants) != 0)
    result.tenant = static_cast<std::uint64_t>(choice / 3 % 4);
  return result;
}

inline latency_samples samples_of(instant now, int choice) {
  const auto count = static_cast<std::uint32_t>(choice % 23);
  const auto each = std::chrono::milliseconds{1 + choice % 17};
  return {.first = now - std::chrono::milliseconds{choice % 3},
          .count = count,
          .total = count * each,
          .squares = count * std::pow(double(timespan{each}.count()), 2),
          .dropped = choice % 13 == 0 ? 5U : 0U};
}

struct history {
  int holders;
  int features;
  int policy;
  std::vector<command> commands;
};

inline std::ostream& operator<<(std::ostream& out, const history& all) {
  const auto policy = policy_of(all.features, all.policy);
  out << fmt::format("\n{} holders, features {}, max_workers {}, queue_size {}{}{}{}:", all.holders,
                     all.features, policy.max_workers, policy.queue_size,
                     policy.shed ? ", shed" : "", policy.adaptive ? ", adaptive" : "",
                     policy.fair_by_tenant ? ", fair_by_tenant" : "");
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
  std::uint64_t shrunk = 0;    // steps with more out than a lowered limit
  std::uint64_t queued_at_rest = 0;
  std::uint64_t shed = 0;
  std::uint64_t newest_first = 0;   // steps with a line in that order
  std::uint64_t tenants = 0;        // steps with several waiting
  std::uint64_t importances = 0;    // the same
  std::uint64_t limits_changed = 0; // by themselves
};

class comparison final : bulkhead_effects {
public:
  comparison(const history& all, coverage& met)
      : features_(all.features),
        bulkhead_(policy_of(all.features, all.policy), *this),
        line_{.policy = policy_of(all.features, all.policy)},
        met_(met) {
    line_.take_policy(line_.policy);
    line_.real = &decided_;
    for (auto i = 0; i < all.holders; ++i)
      holders_.push_back({.id = ++last_id_});
  }

  void step(const command& next) {
    ++met_.steps;
    perform(next);
    check();
  }

  // Who comes after the line has emptied waits in its order, whatever the last line's was: those who
  // are refused at the end tell it.
  void close_a_new_line() {
    drain();
    for (auto& each : holders_)
      for (auto i = 0; i < 3; ++i)
        each.begin_call({});
    for (auto& each : holders_)
      while (!each.sent.empty())
        reach_owner(each);
    bulkhead_.shut_down(false);
    line_.shut_down(false);
    check();
  }

  // Then nothing may be left.
  void finish() {
    drain();
    MUST(bulkhead_.queued() == 0U);
    MUST(bulkhead_.settled());
    for (const auto& each : holders_) {
      MUST(each.waiting.empty());
      MUST(bulkhead_.leased(each.id) == each.unused);
      MUST((each.unused == 0 || !bulkhead_.shutting_down()));
    }
  }

private:
  // All messages arrive and all calls end, again and again.
  void drain() {
    do {
      reach_all();
      for (auto& each : holders_)
        while (each.in_use > 0)
          each.end_call();
      check();
    } while (std::any_of(holders_.begin(), holders_.end(),
                         [](const holder& each) { return !each.sent.empty(); }));
  }

  int features_;
  bulkhead bulkhead_;
  waiting_line line_;
  instant now_{};
  std::uint64_t shed_ = 0;
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
    if (std::exchange(shed_, bulkhead_.shed()) != shed_)
      ++met_.shed;
    else if (why == errc::bulkhead_full)
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
  // As whoever owns a bulkhead has to.
  void tell_time() {
    line_.now = now_;
    if (bulkhead_.needs_time())
      bulkhead_.advance(now_);
  }
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
  tell_time();
  switch (next.what) {
  case action::begin_call:
    return one.begin_call(class_of(features_, next.choice));
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
    bulkhead_.advance(now_);
    bulkhead_.change_policy(policy_of(features_, next.choice));
    return line_.take_policy(policy_of(features_, next.choice));
  case action::let_time_pass:
    now_ += std::chrono::microseconds{500} * (next.choice % 20);
    return;
  case action::tell_samples:
    bulkhead_.on_samples(samples_of(now_, next.choice));
    met_.limits_changed += bulkhead_.limit() == line_.limit() ? 0 : 1;
    return line_.on_samples(samples_of(now_, next.choice));
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
    bulkhead_.ask(from.id, asked->ticket, asked->as);
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
  MUST(bulkhead_.limit() == line_.limit());
  MUST(bulkhead_.limit() <= policy.max_workers);
  MUST((!policy.adaptive || bulkhead_.limit() >= policy.adaptive->floor));
  MUST(bulkhead_.shed() == line_.shed);
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
  const auto excess = all > bulkhead_.limit() ? all - bulkhead_.limit() : 0;
  MUST(all + bulkhead_.free() == bulkhead_.limit() + excess);
  MUST(in_use <= bulkhead_.limit() + excess);
  MUST((bulkhead_.queued() == 0 || bulkhead_.free() == 0));
  MUST((bulkhead_.queued() <= policy.queue_size || !bulkhead_.settled()));
  met_.overdrawn += bulkhead_.queued() > policy.queue_size ? 1 : 0;
  met_.shrunk += excess > 0 ? 1 : 0;
  met_.newest_first += line_.line.newest_first ? 1 : 0;
  std::size_t importances = 0;
  auto tenants = false;
  for (const auto& [importance, turns] : line_.line.turns) {
    importances += turns.empty() ? 0 : 1;
    tenants = tenants || turns.size() > 1;
  }
  met_.importances += importances > 1 ? 1 : 0;
  met_.tenants += tenants ? 1 : 0;
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
  MUST((waiting == 0 || in_use >= bulkhead_.limit()));
  met_.queued_at_rest += waiting > 0 ? 1 : 0;
}

/// One history from its beginning to its end. Throws broken_promise.
inline void run(const history& all, coverage& met) {
  comparison both{all, met};
  for (const auto& next : all.commands)
    both.step(next);
  if ((all.features & feature::shedding) != 0)
    both.close_a_new_line();
  both.finish();
}

} // namespace bulwark_tests::bulkhead_model
