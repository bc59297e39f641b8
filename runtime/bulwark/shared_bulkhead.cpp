#include "bulwark/shared_bulkhead.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace bulwark {

namespace {

/// From another node anything may come.
bool makes_no_sense(const share_report& report) noexcept {
  constexpr std::uint64_t most = 10'000'000;
  return report.stamp.session == 0
         || (report.carried > report.returned && report.carried - report.returned > most);
}

} // namespace

shared_bulkhead::shared_bulkhead(const bulkhead_policy& policy, timespan lease_time,
                                 std::uint64_t first_token, shared_bulkhead_effects& effects)
    : policy_(policy), lease_time_(lease_time), effects_(effects), last_token_(first_token) {}

std::uint64_t shared_bulkhead::leased(node_key node) const noexcept {
  auto i = leases_.find(node);
  return i == leases_.end() ? 0 : i->second.held();
}

// -- what nodes say -------------------------------------------------------------------------

void shared_bulkhead::on_report(node_key node, const share_report& report, instant now) {
  on_tick(now);
  if (makes_no_sense(report))
    return;
  auto& of = leases_[node];
  if (report.stamp <= of.heard.stamp)
    return; // overtaken by a later one
  hear(node, of, report);
  of.until = saturating_add(now, lease_time_);
  check_at_ = std::min(check_at_, of.until);
  mark(node, of); // an answer is due, whatever it says
  const auto served = of.given.served;
  serve();
  if (leased_ > policy_.max_workers)
    recall_all(); // nodes have come back with calls of their own
  else if (queue_.empty() && of.given.served != served)
    spare(node, of);
  refuse_overflow();
  tell_news();
}

void shared_bulkhead::hear(node_key node, holding& of, const share_report& report) {
  if (report.stamp.session != of.heard.stamp.session)
    forget(node, of); // what it holds now is what it carries over
  const auto before = of.held();
  of.heard = report;
  if (report.token_seen != 0 && report.token_seen <= last_token_)
    note_token(of, report.token_seen); // else it has heard nothing yet, or of an owner before us
  of.heard.returned = std::min(report.returned, of.given.granted + report.carried);
  leased_ = leased_ - before + of.held();
  if (of.recalling && report.recalled >= of.given.recall) {
    of.recalling = false;
    --recalling_;
  }
  // What was given or refused since it last heard of us waits no more.
  const auto done = of.given.served - report.served_seen + of.given.refused - report.refused_seen;
  const auto waits = report.waiting > done ? report.waiting - done : 0;
  if (waits > of.queued)
    queue_up(node, of, waits - of.queued);
  else
    leave_queue(of, of.queued - waits);
}

void shared_bulkhead::queue_up(node_key node, holding& of, std::uint64_t calls) {
  if (!queue_.empty() && queue_.back().node == node) {
    queue_.back().calls += calls;
  } else {
    queue_.push_back({.node = node, .calls = calls});
    of.places.push_back(std::prev(queue_.end()));
  }
  of.queued += calls;
  queued_ += calls;
}

/// The newest: who has waited longest keeps the place that its node has longest.
void shared_bulkhead::leave_queue(holding& of, std::uint64_t calls) {
  of.queued -= calls;
  queued_ -= calls;
  while (calls > 0) {
    auto last = of.places.back();
    const auto gone = std::min(calls, last->calls);
    last->calls -= gone;
    calls -= gone;
    if (last->calls == 0) {
      of.places.pop_back();
      queue_.erase(last);
    }
  }
}

// -- what nodes get -----------------------------------------------------------------------------

void shared_bulkhead::serve() {
  while (!queue_.empty() && free() > 0) {
    auto& first = queue_.front();
    auto& of = leases_.at(first.node);
    const auto calls = std::min(first.calls, free());
    of.given.granted += calls;
    of.given.served += calls;
    leased_ += calls;
    of.queued -= calls;
    queued_ -= calls;
    mark(first.node, of);
    first.calls -= calls;
    if (first.calls == 0) {
      of.places.pop_front();
      queue_.pop_front();
    }
  }
  if (!queue_.empty())
    recall_all();
}

/// Where nobody waits, a node that asks may have some more: an even share of what is left.
void shared_bulkhead::spare(node_key node, holding& of) {
  const auto extra = free() / leases_.size();
  of.given.granted += extra;
  of.given.keep = true;
  keepers_.insert(node);
  leased_ += extra;
  mark(node, of);
}

/// Of those who may keep what they don't need.
void shared_bulkhead::recall_all() {
  for (auto node : std::exchange(keepers_, {})) {
    auto& of = leases_.at(node);
    of.given.keep = false;
    of.given.recall = ++last_recall_;
    if (!std::exchange(of.recalling, true))
      ++recalling_;
    mark(node, of);
  }
}

/// Nobody is refused because of a permit that lies unused with somebody.
void shared_bulkhead::refuse_overflow() {
  while (recalling_ == 0 && queued_ > policy_.queue_size) {
    const auto node = queue_.back().node;
    auto& of = leases_.at(node);
    const auto calls = std::min(queue_.back().calls, queued_ - policy_.queue_size);
    of.given.refused += calls;
    leave_queue(of, calls);
    mark(node, of);
  }
}

// -- nodes that are lost --------------------------------------------------------------------------

void shared_bulkhead::lose(node_key node) {
  auto i = leases_.find(node);
  if (i == leases_.end())
    return;
  forget(node, i->second);
  leases_.erase(i);
  serve();
  refuse_overflow();
  tell_news();
}

void shared_bulkhead::on_tick(instant now) {
  if (now < check_at_)
    return;
  check_at_ = end_of_time;
  std::vector<node_key> silent;
  for (const auto& [node, of] : leases_) {
    if (of.until <= now)
      silent.push_back(node);
    else
      check_at_ = std::min(check_at_, of.until);
  }
  for (auto node : silent)
    lose(node);
}

/// Takes back all that it held.
void shared_bulkhead::forget(node_key node, holding& of) {
  keepers_.erase(node);
  leased_ -= of.held();
  leave_queue(of, of.queued);
  if (of.recalling)
    --recalling_;
  note_token(of, 0);
  const auto has_news = of.has_news;
  const auto until = of.until;
  of = holding{};
  of.has_news = has_news;
  of.until = until;
}

// -- the bulkhead's own life ------------------------------------------------------------------------

void shared_bulkhead::change_policy(const bulkhead_policy& policy) {
  policy_ = policy;
  for (auto& [node, of] : leases_)
    mark(node, of);
  if (leased_ > policy_.max_workers)
    recall_all();
  serve();
  refuse_overflow();
  tell_news();
}

void shared_bulkhead::close() {
  for (auto& [node, of] : leases_) {
    of.given.closed = true;
    mark(node, of);
  }
  tell_news();
}

// -- what is told -----------------------------------------------------------------------------------

void shared_bulkhead::mark(node_key node, holding& of) {
  if (!std::exchange(of.has_news, true))
    news_.push_back(node);
}

void shared_bulkhead::tell_news() {
  for (auto node : std::exchange(news_, {})) {
    auto i = leases_.find(node);
    if (i == leases_.end())
      continue;
    auto& of = i->second;
    of.has_news = false;
    of.given.answers = of.heard.stamp;
    of.given.nodes = nodes();
    of.given.policy = policy_;
    of.given.lease_time = lease_time_;
    ++last_token_;
    if (of.token == 0) // what it will show is no older than the first that we say
      note_token(of, last_token_);
    fence_ = std::max(fence_, tokens_.begin()->first);
    of.given.token = {.number = last_token_, .fence = fence_};
    effects_.grant(node, of.given);
  }
}

void shared_bulkhead::note_token(holding& of, std::uint64_t token) {
  if (auto i = tokens_.find(of.token); i != tokens_.end() && --i->second == 0)
    tokens_.erase(i);
  of.token = token;
  if (token != 0)
    ++tokens_[token];
}

} // namespace bulwark
