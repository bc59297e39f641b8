#include "bulwark/fair_queue.hpp"

#include <algorithm>
#include <new>

namespace bulwark {

namespace {

template <class T>
void make_room(std::vector<T>& where, std::size_t index) {
  if (where.size() <= index)
    where.resize(std::max(index + 1, 2 * where.size()));
}

} // namespace

void fair_queue::push(const waiter& who, const call_class& as, instant now) {
  auto& home = line_of(as);
  try {
    if (home.tenant != 0)
      make_room(tiers_[home.rank].by_length, home.length + 1);
    auto& added = places_.try_emplace(who).first->second;
    added.who = who;
    added.since = now;
    added.home = &home;
    added.previous = home.last;
    (home.last ? home.last->next : home.first) = &added;
    home.last = &added;
  } catch (const std::bad_alloc&) {
    if (home.length == 0 && home.tenant != 0)
      tiers_[home.rank].lines.erase(home.tenant);
    throw;
  }
  if (home.length == 0)
    begin_turns(home);
  change_length(home, home.length + 1);
}

fair_queue::line& fair_queue::line_of(const call_class& as) {
  const auto rank = static_cast<std::uint8_t>(as.importance);
  auto& among = tiers_[rank];
  auto& result = as.tenant == 0 ? among.without_tenant : among.lines[as.tenant];
  result.tenant = as.tenant;
  result.rank = rank;
  return result;
}

/// Whose turn it is.
fair_queue::line& fair_queue::turn() const noexcept {
  auto i = tiers_.begin();
  while (i->turn == nullptr)
    ++i;
  return *i->turn;
}

const fair_queue::place& fair_queue::of_next() const noexcept {
  return newest_first_ ? *turn().last : *turn().first;
}

void fair_queue::pop() noexcept {
  auto& served = turn();
  auto& gone = newest_first_ ? *served.last : *served.first;
  tiers_[served.rank].turn = served.next_turn;
  take_out(gone);
  places_.erase(waiter{gone.who});
}

const waiter& fair_queue::last() const noexcept {
  auto i = tiers_.rbegin();
  while (i->turn == nullptr)
    ++i;
  const auto& longest =
      i->without_tenant.length >= i->longest ? i->without_tenant : *i->by_length[i->longest];
  return longest.last->who;
}

bool fair_queue::erase(const waiter& who) noexcept {
  const auto i = places_.find(who);
  if (i == places_.end())
    return false;
  take_out(i->second);
  places_.erase(i);
  return true;
}

void fair_queue::erase_all_of(holder_id holder) noexcept {
  for (auto i = places_.begin(); i != places_.end();) {
    if (i->first.holder == holder) {
      take_out(i->second);
      i = places_.erase(i);
    } else {
      ++i;
    }
  }
}

void fair_queue::restart_waits(instant now) noexcept {
  for (auto& [who, waiting] : places_)
    waiting.since = now;
}

/// Out of its line, and the line out of the turns if it was the last there.
void fair_queue::take_out(place& gone) noexcept {
  auto& home = *gone.home;
  (gone.previous ? gone.previous->next : home.first) = gone.next;
  (gone.next ? gone.next->previous : home.last) = gone.previous;
  change_length(home, home.length - 1);
  if (home.length == 0)
    end_turns(home);
}

/// Keeps up which lines of tenants are how long; there is room for it.
void fair_queue::change_length(line& of, std::uint32_t length) noexcept {
  if (of.tenant == 0) {
    of.length = length;
    return;
  }
  auto& among = tiers_[of.rank];
  if (of.length > 0) {
    (of.previous_as_long ? of.previous_as_long->next_as_long : among.by_length[of.length]) =
        of.next_as_long;
    if (of.next_as_long)
      of.next_as_long->previous_as_long = of.previous_as_long;
  }
  of.length = length;
  if (length > 0) {
    auto& first = among.by_length[length];
    of.previous_as_long = nullptr;
    of.next_as_long = first;
    if (first)
      first->previous_as_long = &of;
    first = &of;
  }
  // By one at a time: the longest is no further off than that.
  among.longest = std::max(among.longest, length);
  if (among.longest > 0 && among.by_length[among.longest] == nullptr)
    --among.longest;
}

/// A tenant that comes has its turn after all the others.
void fair_queue::begin_turns(line& of) noexcept {
  auto& now = tiers_[of.rank].turn;
  if (now == nullptr) {
    now = of.next_turn = of.previous_turn = &of;
    return;
  }
  of.next_turn = now;
  of.previous_turn = now->previous_turn;
  of.previous_turn->next_turn = &of;
  now->previous_turn = &of;
}

void fair_queue::end_turns(line& of) noexcept {
  auto& among = tiers_[of.rank];
  of.previous_turn->next_turn = of.next_turn;
  of.next_turn->previous_turn = of.previous_turn;
  if (among.turn == &of)
    among.turn = of.next_turn == &of ? nullptr : of.next_turn;
  if (of.tenant != 0)
    among.lines.erase(of.tenant);
}

} // namespace bulwark
