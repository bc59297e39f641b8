#pragma once

#include "bulwark/bulkhead.hpp"

#include "models/plain_queue.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

/// @file What a bulkhead does, as a plain waiting line, and who asks it for permits. Written without
/// regard to cost: what random and what concurrent histories of the bulkhead are compared with.

namespace bulwark_tests::waiting {

using namespace bulwark;

// -- messages ---------------------------------------------------------------------

struct ask {
  ticket_id ticket;
  call_class as = {};
};
struct withdrawal {
  ticket_id ticket;
};
struct return_home {
  std::uint32_t permits;
};
struct answer {
  std::uint64_t round;
  std::uint32_t returned;
};
using to_owner = std::variant<ask, withdrawal, return_home, answer>;

struct grant {
  ticket_id ticket;
  std::uint32_t extra;
  bool keep;

  friend bool operator==(const grant&, const grant&) = default;
};
struct refusal {
  ticket_id ticket;
  errc why;

  friend bool operator==(const refusal&, const refusal&) = default;
};
struct recall {
  std::uint64_t round;
};
using to_holder = std::variant<grant, refusal, recall>;

// -- a waiting line, as plain as can be -------------------------------------------

struct decision {
  holder_id holder;
  std::variant<grant, refusal> what;

  friend bool operator==(const decision&, const decision&) = default;
};

struct waiting_line {
  bulkhead_policy policy;
  bool closed = false;
  plain_queue line = {};
  std::map<holder_id, std::uint32_t> out = {};
  std::map<holder_id, int> unanswered = {}; // recalls
  std::set<holder_id> keepers = {};
  std::vector<decision> decided = {};
  std::set<holder_id> called_back = {};

  // Where the policy goes by time.
  instant now{};
  std::optional<adaptive_limit> adaptive = {}; // by the class that has a model of its own
  bool felt = false;                           // since the last samples somebody had to wait for it
  struct turn {
    instant at;
    bool too_long; // the oldest has waited
    timespan interval;
  };
  std::vector<turn> turns = {}; // at which somebody could be served, since the line was empty
  std::uint64_t shed = 0;
  // What was decided in truth: of several who may have to go that one is right.
  const std::vector<decision>* real = nullptr;

  std::uint32_t limit() const { return adaptive ? adaptive->limit() : policy.max_workers; }

  std::uint32_t leased() const {
    return std::accumulate(out.begin(), out.end(), 0U,
                           [](auto sum, const auto& each) { return sum + each.second; });
  }

  std::uint32_t free() const { return leased() < limit() ? limit() - leased() : 0; }

  bool settled() const {
    return std::all_of(unanswered.begin(), unanswered.end(),
                       [](const auto& each) { return each.second == 0; });
  }

  std::uint32_t holders_with(holder_id newest) const {
    std::set<holder_id> result{newest};
    for (auto [holder, permits] : out)
      if (permits > 0)
        result.insert(holder);
    for (auto [holder, recalls] : unanswered)
      if (recalls > 0)
        result.insert(holder);
    return static_cast<std::uint32_t>(result.size());
  }

  // The line has not been empty since, and for an interval each turn came too late.
  bool stands() const {
    for (std::size_t first = 0; first < turns.size(); ++first)
      for (auto i = first; i < turns.size() && turns[i].too_long; ++i)
        if (turns[i].at - turns[first].at >= turns[i].interval)
          return true;
    return false;
  }

  void order_line() {
    if (line.empty() || !policy.shed)
      turns.clear();
    line.newest_first = policy.shed && policy.shed->newest_first && stands();
  }

  void refuse(std::size_t place, errc why) {
    const auto who = line.all[place].who;
    decided.push_back({who.holder, refusal{who.ticket, why}});
    line.remove(place);
  }

  void refuse_last(errc why) {
    const auto may_go = line.last();
    auto goes = may_go.front();
    if (real != nullptr && decided.size() < real->size()) {
      const auto& [holder, what] = (*real)[decided.size()];
      if (const auto* refused = std::get_if<refusal>(&what))
        if (const auto place = line.find({holder, refused->ticket});
            std::find(may_go.begin(), may_go.end(), place) != may_go.end())
          goes = place;
    }
    refuse(goes, why);
  }

  void call_back() {
    for (auto holder : std::exchange(keepers, {})) {
      called_back.insert(holder);
      ++unanswered[holder];
    }
  }

  bool waits_too_long(std::size_t place) const {
    return now - line.all[place].since > policy.shed->target;
  }

  // Before a turn: whoever has it and has waited too long in a line that stands goes instead.
  void refuse_stale() {
    if (!policy.shed)
      return;
    turns.push_back({now, waits_too_long(line.turn().front()), policy.shed->interval});
    while (stands() && !line.empty() && waits_too_long(line.turn().front())) {
      refuse(line.turn().front(), errc::bulkhead_full);
      ++shed;
    }
    order_line();
  }

  void serve_next() {
    const auto [holder, ticket] = line.pop().who;
    const auto keep = line.empty() && !closed;
    const auto extra = keep ? (free() - 1) / holders_with(holder) : 0;
    out[holder] += 1 + extra;
    if (keep)
      keepers.insert(holder);
    decided.push_back({holder, grant{ticket, extra, keep}});
  }

  // What follows from what is, whatever happened.
  void follow() {
    std::erase_if(keepers, [&](holder_id each) { return out[each] == 0 && unanswered[each] == 0; });
    order_line();
    while (!line.empty() && free() > 0) {
      refuse_stale();
      if (!line.empty())
        serve_next();
    }
    if (!line.empty() || leased() > limit())
      call_back();
    felt = felt || (settled() && !line.empty());
    while (settled() && line.size() > policy.queue_size)
      refuse_last(errc::bulkhead_full);
    order_line();
  }

  void on(holder_id from, const to_owner& what) {
    if (const auto* asked = std::get_if<ask>(&what)) {
      line.push({.who = {from, asked->ticket},
                 .importance = asked->as.importance,
                 .tenant = policy.fair_by_tenant ? asked->as.tenant : 0,
                 .since = now});
      if (closed)
        refuse(line.size() - 1, errc::shutting_down);
    } else if (const auto* gone = std::get_if<withdrawal>(&what)) {
      if (const auto place = line.find({from, gone->ticket}); place < line.size())
        line.remove(place);
    } else if (const auto* home = std::get_if<return_home>(&what)) {
      out[from] -= home->permits;
    } else if (const auto* answered = std::get_if<answer>(&what)) {
      --unanswered[from];
      out[from] -= answered->returned;
    }
    follow();
  }

  void on_samples(const latency_samples& samples) {
    if (!adaptive)
      return;
    adaptive->on_samples(samples, std::exchange(felt, false), now);
    follow();
  }

  void lose(holder_id holder) {
    line.remove_all_of(holder);
    out.erase(holder);
    unanswered.erase(holder);
    keepers.erase(holder);
    follow();
  }

  void take_policy(const bulkhead_policy& next) {
    if (!policy.shed && !policy.adaptive) // time was nobody's business
      for (auto& each : line.all)
        each.since = now;
    policy = next;
    if (!policy.adaptive)
      adaptive.reset();
    else if (adaptive)
      adaptive->change_policy(*policy.adaptive, policy.max_workers);
    else
      adaptive.emplace(*policy.adaptive, policy.max_workers, now, 0);
    follow();
  }

  void shut_down(bool finish_queue) {
    closed = true;
    call_back();
    while (!finish_queue && !line.empty()) {
      const auto [holder, ticket] = line.pop().who;
      decided.push_back({holder, refusal{ticket, errc::shutting_down}});
    }
  }
};

// -- a holder, and the messages between it and the bulkhead -----------------------

struct holder {
  holder_id id;
  ticket_id last_ticket = 0;
  std::uint32_t in_use = 0;
  std::uint32_t unused = 0;
  bool keeps = false;
  std::vector<ticket_id> waiting = {};
  std::deque<to_owner> sent = {};
  std::deque<to_holder> coming = {};

  void begin_call(const call_class& as = {}) {
    if (unused > 0 && waiting.empty()) {
      --unused;
      ++in_use;
    } else {
      waiting.push_back(++last_ticket);
      sent.push_back(ask{last_ticket, as});
    }
  }

  void free_permit() {
    if (keeps)
      ++unused;
    else
      sent.push_back(return_home{1});
  }

  void end_call() {
    if (in_use == 0)
      return;
    --in_use;
    free_permit();
  }

  void give_up(int choice) {
    if (waiting.empty())
      return;
    const auto which = waiting.begin() + choice % static_cast<int>(waiting.size());
    sent.push_back(withdrawal{*which});
    waiting.erase(which);
  }

  void go_idle() {
    if (unused > 0)
      sent.push_back(return_home{std::exchange(unused, 0)});
  }

  // Whether a withdrawal and a grant crossed.
  bool on(const to_holder& what) {
    if (const auto* granted = std::get_if<grant>(&what)) {
      keeps = granted->keep;
      unused += granted->extra;
      if (std::erase(waiting, granted->ticket) == 0) {
        free_permit();
        return true;
      }
      ++in_use;
    } else if (const auto* refused = std::get_if<refusal>(&what)) {
      std::erase(waiting, refused->ticket);
    } else if (const auto* called = std::get_if<recall>(&what)) {
      keeps = false;
      sent.push_back(answer{called->round, std::exchange(unused, 0)});
    }
    return false;
  }

  std::uint32_t under_way() const {
    auto result = 0U;
    for (const auto& each : sent) {
      if (const auto* home = std::get_if<return_home>(&each))
        result += home->permits;
      else if (const auto* answered = std::get_if<answer>(&each))
        result += answered->returned;
    }
    for (const auto& each : coming) {
      if (const auto* granted = std::get_if<grant>(&each))
        result += 1 + granted->extra;
    }
    return result;
  }
};

} // namespace bulwark_tests::waiting
