// Longer than 200 lines: keys, kept replies and waiting calls are one decision, and one order of events.
#include "bulwark/reply_sharing.hpp"

#include "bulwark/fallback.hpp"
#include "bulwark/protocol.hpp"

#include <caf/all.hpp>

#include <algorithm>
#include <new>

namespace bulwark {

namespace {

std::optional<errc> code_of(const caf::error& reason) noexcept {
  auto result = errc{};
  if (!reason || reason.category() != caf::type_id_v<errc> || !from_integer(reason.code(), result))
    return std::nullopt;
  return result;
}

reply_sharing::heading heading_of(const std::optional<errc>& code) noexcept {
  if (code == errc::timed_out)
    return &counters::timed_out;
  return code == errc::cancelled ? &counters::cancelled : &counters::failed;
}

} // namespace

reply_sharing_limits limits_of(const reply_sharing_policy& policy) {
  return {.fresh_for = policy.fresh_for,
          .stale_for = policy.stale_for,
          .max_entries = policy.max_entries,
          .max_key_size = policy.max_key_size,
          .single_flight = policy.single_flight};
}

reply_sharing::reply_sharing(reply_sharing_policy policy, const hash_secret& secret, instant now)
    : policy_(std::move(policy)), flights_(policy_.single_flight, secret, now) {
  if (const auto limits = limits_of(policy_); limits.keeps())
    cache_ = std::make_unique<reply_cache<caf::message>>(limits, secret);
}

void reply_sharing::change_policy(std::optional<reply_sharing_policy> policy,
                                  const hash_secret& secret) {
  if (!policy)
    policy = {.single_flight = false, .calls = [](const caf::message&) { return false; }};
  policy_ = std::move(*policy);
  flights_.share(policy_.single_flight);
  const auto limits = limits_of(policy_);
  if (!limits.keeps())
    cache_ = nullptr;
  else if (cache_)
    cache_->change_limits(limits);
  else
    cache_ = std::make_unique<reply_cache<caf::message>>(limits, secret);
}

// -- a call comes ------------------------------------------------------------------------

std::optional<std::string> reply_sharing::key_of(const caf::message& content,
                                                 const call_context* said) const {
  if (said != nullptr && said->idempotent == false)
    return std::nullopt;
  try {
    if (policy_.calls && !policy_.calls(content))
      return std::nullopt;
  } catch (...) {
    return std::nullopt;
  }
  caf::byte_buffer bytes;
  if (!compat::append_bytes(content, bytes) || bytes.size() > policy_.max_key_size)
    return std::nullopt;
  // What a target says to one tenant is nothing for another.
  const auto tenant = said != nullptr ? std::string_view{said->tenant} : std::string_view{};
  auto result = std::string(1, static_cast<char>(tenant.size()));
  result += tenant;
  for (const auto each : bytes)
    result.push_back(static_cast<char>(each));
  return result;
}

const caf::message* reply_sharing::fresh(const std::string& key, instant now) {
  return cache_ ? cache_->fresh(key, now) : nullptr;
}

void reply_sharing::count_fresh() noexcept {
  ++served_fresh_;
  ++books_.calls;
  ++books_.succeeded;
  record(timespan{0});
}

bool reply_sharing::enter(const std::string& key, instant deadline) {
  const auto in = flights_.enter(key, deadline);
  arriving_ = in.number;
  return in.leads;
}

void reply_sharing::follow(guarded_call call, instant now) {
  requests_.insert(call.caller, call.id, arriving_);
  waiting_.emplace(arriving_, waiter{.call = std::move(call), .since = now});
  arriving_ = guarded_call::alone;
  ++books_.calls;
  ++books_.in_flight;
}

void reply_sharing::abandon() noexcept {
  if (arriving_ != guarded_call::alone)
    flights_.leave(arriving());
}

// -- a call ends -------------------------------------------------------------------------

reply_sharing::ending reply_sharing::end(member leader, caf::message& answer, bool is_success,
                                         instant now) {
  const auto failed = answer.match_elements<caf::error>();
  if (!failed) {
    try {
      if (is_success && cache_)
        cache_->put(flights_.key_of(leader), answer, now);
    } catch (const std::bad_alloc&) { // then it isn't kept
    }
    return {.how = is_success ? &counters::succeeded : &counters::failed};
  }
  const auto reason = answer.get_as<caf::error>(0);
  const auto code = code_of(reason);
  if (deserves_fallback(reason)) {
    if (const auto* kept = stale(flights_.key_of(leader), now))
      answer = *kept;
  }
  if (code && is_leaders_own(*code, flights_.deadline_of(leader), now))
    return {.is_own = true, .next = flights_.hand_over(leader)};
  return {.is_stale = !answer.match_elements<caf::error>(), .how = heading_of(code)};
}

std::optional<reply_sharing::member> reply_sharing::take_follower(member leader,
                                                                  const ending& ended) noexcept {
  const auto result = flights_.take_follower(leader);
  if (result) {
    ++followed_;
    served_stale_ += ended.is_stale ? 1 : 0;
  } else {
    flights_.leave(leader);
  }
  return result;
}

std::optional<guarded_call> reply_sharing::start(member which) {
  const auto found = waiting_.find(which);
  if (found == waiting_.end() || !flights_.leads(which))
    return std::nullopt;
  auto result = std::move(found->second.call);
  waiting_.erase(found);
  requests_.erase(result.caller, result.id);
  arriving_ = which;
  // From now on it is in the core's books.
  --books_.calls;
  --books_.in_flight;
  return result;
}

void reply_sharing::answered(member which, heading how, instant now) noexcept {
  const auto found = waiting_.find(which);
  const auto elapsed = now - found->second.since;
  requests_.erase(found->second.call.caller, found->second.call.id);
  waiting_.erase(found);
  --books_.in_flight;
  ++(books_.*how);
  if (how != &counters::rejected)
    record(elapsed);
}

// -- a call is taken back ----------------------------------------------------------------

reply_sharing::removal reply_sharing::cancel(const caf::strong_actor_ptr& caller,
                                             caf::message_id request) {
  if (!requests_.in_use()) {
    requests_.begin();
    for (const auto& [number, each] : waiting_)
      requests_.insert(each.call.caller, each.call.id, number);
  }
  const auto number = requests_.find(caller, request);
  const auto found = number ? waiting_.find(*number) : waiting_.end();
  if (found == waiting_.end() || found->second.call.caller != caller
      || found->second.call.id.request_id() != request.request_id())
    return {};
  return remove(*number);
}

reply_sharing::removal reply_sharing::lose_caller(const caf::actor_addr& caller) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& each) {
    return each.second.call.caller && caller == each.second.call.caller;
  });
  return found == waiting_.end() ? removal{} : remove(found->first);
}

reply_sharing::removal reply_sharing::remove(member which) noexcept {
  if (flights_.leads(which))
    return {.call = which, .next = flights_.hand_over(which)};
  flights_.leave(which);
  return {.call = which};
}

std::optional<reply_sharing::member> reply_sharing::any() const noexcept {
  return waiting_.empty() ? std::nullopt : std::optional{waiting_.begin()->first};
}

// -- time ----------------------------------------------------------------------------------

instant reply_sharing::wake_at(instant due) noexcept {
  cores_wish_ = due;
  return asked_ = std::min(due, flights_.next());
}

std::optional<instant> reply_sharing::wake_earlier() noexcept {
  const auto due = std::min(cores_wish_, flights_.next());
  if (due >= asked_)
    return std::nullopt;
  return asked_ = due;
}

// -- books ---------------------------------------------------------------------------------

const caf::message* reply_sharing::stale(const std::string& key, instant now) {
  const auto* result = cache_ ? cache_->stale(key, now) : nullptr;
  served_stale_ += result != nullptr ? 1 : 0;
  return result;
}

void reply_sharing::record(timespan elapsed) noexcept {
  try {
    latency_.record(elapsed);
  } catch (const std::bad_alloc&) { // then it isn't known
  }
}

} // namespace bulwark
