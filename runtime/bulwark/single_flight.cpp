#include "bulwark/single_flight.hpp"

#include <utility>

namespace bulwark {

single_flight::entrance single_flight::enter(std::string_view key, instant deadline) {
  const auto number = open();
  auto& who = seats_[number];
  try {
    who.deadline = deadline;
    if (const auto known = shares_ ? index_.find(key) : index_.end(); known != index_.end()) {
      follow(who, known->second);
      return {.number = number, .leads = false};
    }
    flights_.push_back({.key = std::string{key}, .leader = number});
    who.in = std::prev(flights_.end());
    try {
      if (shares_)
        index_.emplace(who.in->key, who.in);
      who.in->known = shares_;
    } catch (...) {
      flights_.pop_back();
      throw;
    }
  } catch (...) {
    close(who);
    throw;
  }
  return {.number = number, .leads = true};
}

std::optional<single_flight::member> single_flight::take_follower(member leader) noexcept {
  const auto first = seats_[leader].in->first;
  if (first == nobody)
    return std::nullopt;
  leave(first);
  return first;
}

std::optional<single_flight::member> single_flight::hand_over(member leader) noexcept {
  const auto where = seats_[leader].in;
  const auto next = where->first;
  if (next == nobody) {
    leave(leader);
    return std::nullopt;
  }
  unfollow(seats_[next]);
  where->leader = next;
  close(seats_[leader]);
  return next;
}

void single_flight::leave(member which) noexcept {
  auto& who = seats_[which];
  if (!leads(which)) {
    unfollow(who);
  } else {
    if (who.in->known)
      index_.erase(who.in->key);
    flights_.erase(who.in);
  }
  close(who);
}

single_flight::member single_flight::open() {
  if (free_.empty()) {
    const auto first = seats_.capacity();
    // First, so that neither closing one nor what follows here needs memory. At twice the size, or
    // each page would move all.
    if (free_.capacity() < first + decltype(seats_)::page_size)
      free_.reserve(2 * (first + decltype(seats_)::page_size));
    seats_.reserve_for(first);
    for (auto i = seats_.capacity(); i-- > first;) {
      seats_[i].number = static_cast<member>(i);
      free_.push_back(static_cast<member>(i));
    }
  }
  const auto result = free_.back();
  free_.pop_back();
  return result;
}

void single_flight::follow(seat& who, place where) {
  if (who.deadline != end_of_time)
    static_cast<void>(wheel_.insert(who, who.deadline));
  who.in = where;
  who.previous = where->last;
  (where->last == nobody ? where->first : seats_[where->last].next) = who.number;
  where->last = who.number;
  ++followers_;
}

/// Who doesn't follow any more isn't in yet another way: that is the caller's to say.
void single_flight::unfollow(seat& who) noexcept {
  wheel_.cancel(who);
  (who.previous == nobody ? who.in->first : seats_[who.previous].next) = who.next;
  (who.next == nobody ? who.in->last : seats_[who.next].previous) = who.previous;
  who.next = nobody;
  who.previous = nobody;
  --followers_;
}

void single_flight::close(seat& who) noexcept {
  who.in = {};
  who.deadline = end_of_time;
  free_.push_back(who.number);
}

} // namespace bulwark
