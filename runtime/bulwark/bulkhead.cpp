#include "bulwark/bulkhead.hpp"

#include <algorithm>
#include <new>
#include <utility>

namespace bulwark {

policy_mistakes find_mistakes(const bulkhead_policy& policy) {
  policy_mistakes result;
  check_range(result, "bulkhead.max_workers", std::uint64_t{policy.max_workers}, 1, 10'000'000);
  check_range(result, "bulkhead.queue_size", std::uint64_t{policy.queue_size}, 0, 10'000'000);
  if (policy.queue_timeout)
    check_range(result, "bulkhead.queue_timeout", *policy.queue_timeout,
                std::chrono::milliseconds{1}, longest_timespan);
  return result;
}

bulkhead::bulkhead(const bulkhead_policy& policy, bulkhead_effects& effects)
    : policy_(policy), effects_(effects) {}

std::uint32_t bulkhead::leased(holder_id holder) const noexcept {
  auto i = leases_.find(holder);
  return i == leases_.end() ? 0 : i->second.permits;
}

std::uint32_t bulkhead::free() const noexcept {
  return leased_ < policy_.max_workers ? policy_.max_workers - leased_ : 0;
}

void bulkhead::ask(holder_id holder, ticket_id ticket) {
  if (shutting_down_) {
    effects_.refuse(holder, ticket, errc::shutting_down);
    return;
  }
  if (free() > 0 && hands_on_) {
    hand_out({holder, ticket}); // the queue is empty: else nothing were free
    return;
  }
  std::list<waiter> last{{holder, ticket}}; // so that nothing has changed where memory is refused
  places_.emplace(last.back(), last.begin());
  queue_.splice(queue_.end(), last);
  recall_all();
  refuse_overflow();
}

void bulkhead::withdraw(holder_id holder, ticket_id ticket) {
  auto place = places_.find({holder, ticket});
  if (place == places_.end())
    return;
  queue_.erase(place->second);
  places_.erase(place);
}

void bulkhead::give_back(holder_id holder, std::uint32_t permits) {
  auto i = leases_.find(holder);
  if (i == leases_.end())
    return;
  permits = std::min(permits, i->second.permits);
  i->second.permits -= permits;
  leased_ -= permits;
  erase_if_empty(holder);
  serve_if_handed_on();
}

void bulkhead::on_recalled(holder_id holder, std::uint64_t round, std::uint32_t returned) {
  // An answer to an earlier round says nothing about permits that were leased since.
  if (auto i = leases_.find(holder); i != leases_.end() && i->second.unanswered == round)
    answered(i->second);
  give_back(holder, returned);
  erase_if_empty(holder);
  refuse_overflow();
}

void bulkhead::lose(holder_id holder) {
  for (auto i = queue_.begin(); i != queue_.end();) {
    if (i->holder == holder) {
      places_.erase(*i);
      i = queue_.erase(i);
    } else {
      ++i;
    }
  }
  if (auto i = leases_.find(holder); i != leases_.end()) {
    answered(i->second);
    give_back(holder, i->second.permits);
    erase_if_empty(holder);
  }
  refuse_overflow();
}

// Only those who keep something: the others give back each permit as it is no longer needed, or
// were called back already. Called back again by each who asks, they would never have answered the
// last recall.
void bulkhead::recall_all() {
  for (auto holder : std::exchange(keepers_, {})) {
    auto& held = leases_.find(holder)->second;
    if (held.unanswered == 0)
      ++unanswered_;
    held.unanswered = ++last_round_;
    effects_.recall(holder, held.unanswered);
  }
}

void bulkhead::shut_down(bool finish_queue) {
  shutting_down_ = true;
  recall_all();
  if (finish_queue)
    return;
  places_.clear();
  for (const auto& waiting : std::exchange(queue_, {}))
    effects_.refuse(waiting.holder, waiting.ticket, errc::shutting_down);
}

void bulkhead::change_policy(const bulkhead_policy& policy) {
  policy_ = policy;
  if (leased_ > policy_.max_workers)
    recall_all();
  serve_if_handed_on();
  refuse_overflow();
}

void bulkhead::hand_out(const waiter& to) {
  auto& held = leases_[to.holder];
  const auto unclaimed = free() - 1;
  auto keep = lease_extras_ && queue_.empty() && !shutting_down_;
  try {
    if (keep)
      keepers_.insert(to.holder);
  } catch (const std::bad_alloc&) {
    keep = false; // it need not; what it asked for it gets
  }
  // An even share of what is left: all of it for a lone holder, nothing where holders are many.
  const auto extra = keep ? unclaimed / static_cast<std::uint32_t>(leases_.size()) : 0;
  held.permits += 1 + extra;
  leased_ += 1 + extra;
  effects_.grant(to.holder, to.ticket, extra, keep);
}

void bulkhead::hand_on(bool on) {
  hands_on_ = on;
  serve_if_handed_on();
}

void bulkhead::serve_if_handed_on() {
  if (hands_on_)
    serve(queue_.size());
}

void bulkhead::serve(std::uint64_t count) {
  for (; count > 0 && !queue_.empty() && free() > 0; --count) {
    auto next = queue_.front();
    leases_[next.holder]; // what may be refused memory comes before all else
    queue_.pop_front();
    places_.erase(next);
    hand_out(next);
  }
}

void bulkhead::answered(lease& held) noexcept {
  if (held.unanswered != 0)
    --unanswered_;
  held.unanswered = 0;
}

void bulkhead::erase_if_empty(holder_id holder) {
  auto i = leases_.find(holder);
  if (i != leases_.end() && i->second.permits == 0 && i->second.unanswered == 0) {
    leases_.erase(i);
    keepers_.erase(holder);
  }
}

void bulkhead::refuse_newest(std::uint32_t count, errc why) {
  for (; count > 0 && !queue_.empty(); --count) {
    auto newest = queue_.back();
    queue_.pop_back();
    places_.erase(newest);
    effects_.refuse(newest.holder, newest.ticket, why);
  }
}

void bulkhead::refuse_overflow() {
  if (settled() && queue_.size() > policy_.queue_size)
    refuse_newest(queued() - policy_.queue_size, errc::bulkhead_full);
}

} // namespace bulwark
