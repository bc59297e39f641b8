#include "bulwark/bulkhead_share.hpp"

#include <algorithm>

namespace bulwark {

namespace {

/// Where somebody else bounds what may wait, or what may run.
constexpr std::uint32_t unlimited = 10'000'000;

/// From another node anything may come. `returned`: what has gone back of all that was granted.
bool makes_no_sense(const share_grant& grant, std::uint64_t returned) {
  return (grant.granted > returned && grant.granted - returned > unlimited)
         || !find_mistakes(grant.policy).empty()
         || !find_mistakes(sharing_policy{.lease_time = grant.lease_time}).empty();
}

} // namespace

bulkhead_share::bulkhead_share(bulkhead& local, lease_view& view, bulkhead_share_effects& effects,
                               owner_lost when_lost, instant now)
    : local_(local),
      view_(view),
      effects_(effects),
      when_lost_(when_lost),
      join_by_(saturating_add(now, default_lease_time)) {
  local_.lease_extras(false);
  resize(0, unlimited);
  begin();
}

// -- the line and the lease -------------------------------------------------------------

void bulkhead_share::on_line(bool up, instant now) {
  line_up_ = up;
  if (mode_ == mode::leased)
    lose(now); // also where there is a new line at once: whoever is there may know nothing of us
  if (up)
    report(now);
}

/// A new session: the owner takes what we hold now for what it has given.
void bulkhead_share::begin() {
  lease_.begin();
  heard_ = {};
  last_ = {};
  carried_ = 0;
  returned_ = 0;
  carried_told_ = 0;
  recalled_ = 0;
  may_keep_ = false;
}

void bulkhead_share::lose(instant now) {
  mode_ = mode::lost;
  begin();
  local_.lease_extras(false);
  if (refuses_all())
    local_.refuse_newest(local_.queued(), errc::owner_lost);
  const auto queue_size = refuses_all() ? unlimited : policy_.queue_size; // then nobody waits long
  if (when_lost_ == owner_lost::fail_open) {
    settling_ = false;
    view_.publish(end_of_time, view_.token());
    resize(unlimited, queue_size);
  } else {
    // What supervisors hold unused isn't good any more, and is called home before our own share is
    // handed out.
    view_.publish(now, view_.token());
    settling_ = true;
    resize(0, queue_size);
  }
  // Not before: what came home just now is the owner's.
  local_.hand_on(true);
  local_.recall_all(); // or the owner, once it is back, would count what lies unused as ours
}

void bulkhead_share::on_change(instant now) {
  if ((mode_ == mode::leased && lease_.until() <= now)
      || (mode_ == mode::joining && join_by_ <= now))
    lose(now);
  if (mode_ == mode::leased)
    give_back();
  else if (mode_ == mode::lost)
    serve_alone();
  const auto things = state_of_things();
  const auto news = mode_ == mode::leased
                    && (things.waiting != last_.waiting || things.returned != last_.returned
                        || things.carried != last_.carried || things.recalled != last_.recalled);
  if (line_up_ && (news || lease_.report_due() <= now))
    report(now);
}

instant bulkhead_share::due() const noexcept {
  const auto ends = mode_ == mode::leased    ? lease_.until()
                    : mode_ == mode::joining ? join_by_
                                             : end_of_time;
  return line_up_ ? std::min(ends, lease_.report_due()) : ends;
}

// -- with the owner -----------------------------------------------------------------------

void bulkhead_share::on_grant(const share_grant& grant, instant now) {
  if (makes_no_sense(grant, returned_))
    return;
  // A word that was long on its way, while our timer is late: the owner may have taken back all that
  // we had, and this is no word about it.
  if (mode_ == mode::leased && lease_.until() <= now)
    on_change(now);
  if (!lease_.renew(grant.answers, grant.lease_time) || lease_.until() <= now)
    return;
  if (grant.closed) {
    if (mode_ == mode::leased)
      lose(now);
    return;
  }
  if (grant.token.number <= heard_.token.number)
    return; // overtaken by a later one, before which the owner may have taken back what this one gave
  take(grant);
  on_change(now);
}

void bulkhead_share::take(const share_grant& grant) {
  if (mode_ != mode::leased && local_.leased() < capacity())
    count_what_runs(); // before what comes now: that is for other calls
  mode_ = mode::leased;
  settling_ = false;
  const auto refused = grant.refused > heard_.refused ? grant.refused - heard_.refused : 0;
  const auto served = grant.served > heard_.served ? grant.served - heard_.served : 0;
  heard_.granted = std::max(heard_.granted, grant.granted);
  heard_.served = std::max(heard_.served, grant.served);
  heard_.refused = std::max(heard_.refused, grant.refused);
  heard_.token = grant.token;
  heard_.recall = std::max(heard_.recall, grant.recall);
  nodes_ = std::max(grant.nodes, std::uint32_t{1});
  if (grant.policy != policy_) {
    policy_ = grant.policy;
    effects_.policy_changed(policy_);
  }
  if (local_.leased() > capacity())
    count_what_runs(); // more than the owner knows of: there is nothing for other calls
  // The owner may not have heard yet with how many calls we come: they would be above the limit, and
  // no others may follow on their permits.
  may_keep_ = grant.keep && carried_ == last_.carried && grant.answers.serial >= carried_told_;
  view_.publish(lease_.until(), heard_.token);
  local_.lease_extras(may_keep_);
  local_.hand_on(false); // what is beyond `served` may be others' in turn
  resize(capacity(), unlimited);
  local_.serve(served);
  local_.hand_on(may_keep_);
  local_.refuse_newest(static_cast<std::uint32_t>(std::min<std::uint64_t>(refused, unlimited)),
                       errc::bulkhead_full);
  if (heard_.recall > recalled_)
    local_.recall_all();
}

/// What nobody here needs, unless it may stay.
void bulkhead_share::give_back() {
  if (!may_keep_ && local_.free() > 0) {
    returned_ += local_.free();
    resize(capacity(), unlimited);
  }
  if (local_.settled())
    recalled_ = heard_.recall;
}

/// Without a lease, what runs here is what the owner is to count as ours.
void bulkhead_share::count_what_runs() noexcept {
  const auto runs = std::uint64_t{local_.leased()};
  if (runs > capacity())
    carried_ += runs - capacity();
  else
    returned_ += capacity() - runs;
}

std::uint64_t bulkhead_share::capacity() const noexcept {
  return heard_.granted + carried_ - returned_;
}

// -- without the owner ------------------------------------------------------------------------

bool bulkhead_share::refuses_all() const noexcept {
  const auto knows_the_limit = policy_.max_workers > 0;
  return when_lost_ == owner_lost::fail_closed
         || (when_lost_ == owner_lost::local && !knows_the_limit);
}

void bulkhead_share::serve_alone() {
  if (refuses_all()) {
    local_.refuse_newest(local_.queued(), errc::owner_lost);
  } else if (settling_ && local_.settled()) {
    settling_ = false;
    view_.publish(end_of_time, view_.token());
    resize(std::max(policy_.max_workers / nodes_, std::uint32_t{1}), policy_.queue_size);
  }
}

// -- what both need -----------------------------------------------------------------------------

void bulkhead_share::resize(std::uint64_t max_workers, std::uint32_t queue_size) {
  auto numbers = local_.policy();
  numbers.max_workers = static_cast<std::uint32_t>(std::min<std::uint64_t>(max_workers, unlimited));
  numbers.queue_size = queue_size;
  local_.change_policy(numbers);
}

share_report bulkhead_share::state_of_things() noexcept {
  if (mode_ != mode::leased)
    count_what_runs();
  return {.stamp = {},
          .carried = carried_,
          .returned = returned_,
          .waiting = local_.queued(),
          .served_seen = heard_.served,
          .refused_seen = heard_.refused,
          .recalled = recalled_,
          .token_seen = heard_.token.number};
}

void bulkhead_share::report(instant now) {
  auto things = state_of_things();
  things.stamp = lease_.stamp(now);
  if (things.carried != last_.carried)
    carried_told_ = things.stamp.serial;
  last_ = things;
  effects_.report(things);
}

} // namespace bulwark
