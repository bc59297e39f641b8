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
  const auto add = [&](const policy_mistakes& more) {
    result.insert(result.end(), more.begin(), more.end());
  };
  if (policy.adaptive) {
    add(find_mistakes(*policy.adaptive));
    check_range(result, "adaptive_limit.floor", std::uint64_t{policy.adaptive->floor}, 0,
                policy.max_workers);
  }
  if (policy.shed)
    add(find_mistakes(*policy.shed));
  return result;
}

policy_mistakes find_sharing_mistakes(const bulkhead_policy& policy) {
  auto result = find_mistakes(policy);
  const auto must_be_off = [&](const char* field, bool on) {
    if (on)
      result.push_back({field, "on", "off, where nodes share it"});
  };
  must_be_off("bulkhead.adaptive", policy.adaptive.has_value());
  must_be_off("bulkhead.shed", policy.shed.has_value());
  must_be_off("bulkhead.fair_by_tenant", policy.fair_by_tenant);
  return result;
}

bulkhead::bulkhead(const bulkhead_policy& policy, bulkhead_effects& effects, std::uint64_t seed)
    : policy_(policy), effects_(effects), seed_(seed) {
  adapt_to_policy();
}

/// Where the policy is new, or another.
void bulkhead::adapt_to_policy() {
  if (!policy_.adaptive)
    adaptive_.reset();
  else if (adaptive_)
    adaptive_->change_policy(*policy_.adaptive, policy_.max_workers);
  else
    adaptive_.emplace(*policy_.adaptive, policy_.max_workers, now_, seed_);
  limit_ = adaptive_ ? adaptive_->limit() : policy_.max_workers;
  if (!policy_.shed)
    delay_.on_empty();
  queue_.newest_first(policy_.shed && policy_.shed->newest_first && delay_.standing());
}

std::uint32_t bulkhead::leased(holder_id holder) const noexcept {
  auto i = leases_.find(holder);
  return i == leases_.end() ? 0 : i->second.permits;
}

std::uint32_t bulkhead::free() const noexcept {
  return leased_ < limit_ ? limit_ - leased_ : 0;
}

void bulkhead::ask(holder_id holder, ticket_id ticket, const call_class& as) {
  if (shutting_down_) {
    effects_.refuse(holder, ticket, errc::shutting_down);
    return;
  }
  if (queue_.empty()) {
    delay_.on_empty();
    queue_.newest_first(false);
  }
  if (free() > 0 && hands_on_) {
    hand_out({holder, ticket}); // the queue is empty: else nothing were free
    return;
  }
  queue_.push({holder, ticket},
              {.importance = as.importance, .tenant = policy_.fair_by_tenant ? as.tenant : 0},
              now_);
  recall_all();
  refuse_overflow();
}

/// Somebody waits though nobody keeps a permit that lies unused.
void bulkhead::feel() {
  felt_ = felt_ || (settled() && !queue_.empty());
}

void bulkhead::on_samples(const latency_samples& samples) {
  if (!adaptive_)
    return;
  if (adaptive_->on_samples(samples, std::exchange(felt_, false), now_))
    set_limit(adaptive_->limit());
  feel(); // whoever waits now waits in the next time, too
}

void bulkhead::withdraw(holder_id holder, ticket_id ticket) {
  queue_.erase({holder, ticket});
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
  queue_.erase_all_of(holder);
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
  queue_.drain([this](const waiter& waiting) {
    effects_.refuse(waiting.holder, waiting.ticket, errc::shutting_down);
  });
}

void bulkhead::change_policy(const bulkhead_policy& policy) {
  const auto knew_time = needs_time();
  policy_ = policy;
  if (!knew_time)
    queue_.restart_waits(now_); // nobody has said when they came
  adapt_to_policy();
  set_limit(limit_);
}

void bulkhead::set_limit(std::uint32_t limit) {
  limit_ = limit;
  if (leased_ > limit_)
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
    if (policy_.shed) {
      shed_stale();
      if (queue_.empty())
        return;
    }
    const auto next = queue_.next();
    leases_[next.holder]; // what may be refused memory comes before all else
    queue_.pop();
    hand_out(next);
  }
}

/// Those of whoever's turn it is that have waited for too long, in a queue that doesn't empty.
void bulkhead::shed_stale() {
  const auto& policy = *policy_.shed;
  delay_.on_turn(policy, now_ - queue_.oldest_since(), now_);
  queue_.newest_first(policy.newest_first && delay_.standing());
  while (delay_.standing() && !queue_.empty() && now_ - queue_.oldest_since() > policy.target) {
    const auto stale = queue_.oldest();
    queue_.erase(stale);
    ++shed_;
    effects_.refuse(stale.holder, stale.ticket, errc::bulkhead_full);
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
    const auto last = queue_.last();
    queue_.erase(last);
    effects_.refuse(last.holder, last.ticket, why);
  }
}

void bulkhead::refuse_overflow() {
  feel();
  if (settled() && queue_.size() > policy_.queue_size)
    refuse_newest(queued() - policy_.queue_size, errc::bulkhead_full);
}

} // namespace bulwark
