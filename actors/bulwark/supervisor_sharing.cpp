// The part of a guard that stands in front of its core: calls that are served from kept replies or by
// equal calls in progress. What decides is in reply_cache.hpp and single_flight.hpp.
#include "bulwark/supervisor_actor.hpp"

#include <algorithm>
#include <memory>
#include <new>
#include <utility>

namespace bulwark {

instant supervisor_actor::deadline_of(const supervisor::call_options& options) const {
  auto left = options.deadline ? *options.deadline : self_.limits.deadline.value_or(unbounded);
  left = std::min(left, options.remaining.value_or(unbounded));
  return saturating_add(now(), std::max(left, timespan{0}));
}

/// Whether the call needs nothing more: it has its answer, or waits for that of an equal one. Where
/// memory is refused it is a call like others.
bool supervisor_actor::share(const caf::message& content, instant deadline,
                             const caf::strong_actor_ptr& door, const call_context* context) {
  auto& element = *current_mailbox_element();
  if (core_.shutting_down() || !element.mid.is_request())
    return false;
  try {
    const auto key = sharing_->key_of(content, context);
    if (!key)
      return false;
    if (const auto* kept = sharing_->fresh(*key, now())) {
      compat::deliver(element.sender, door ? door : caf::strong_actor_ptr{ctrl()},
                      element.mid.response_id(), *kept, this->context());
      element.mid.mark_as_answered();
      sharing_->count_fresh();
      return true;
    }
    if (sharing_->enter(*key, deadline))
      return false;
    if (door)
      in_trouble().door = door;
    record follower{.caller = element.sender,
                    .id = element.mid,
                    .through_door = door != nullptr,
                    .by_guard = context != nullptr && context->by_guard,
                    .content = content,
                    .deadline = deadline};
    if (context != nullptr && (context->attempt > 1 || says_more(*context)))
      follower.context = std::make_unique<call_context>(*context);
    if (self_.watches_callers)
      watch_caller(element.sender);
    sharing_->follow(std::move(follower), now());
  } catch (const std::bad_alloc&) {
    sharing_->abandon();
    return false;
  }
  element.mid.mark_as_answered();
  if (const auto due = sharing_->wake_earlier())
    ask_wake(*due);
  return true;
}

/// By message: the core must not be called while it is at work.
void supervisor_actor::ask_to_lead(std::optional<std::uint32_t> member) {
  if (member && !said_farewell_)
    compat::deliver(ctrl(), nullptr, caf::make_message_id(),
                    caf::make_message(flight_request{.member = *member}), context());
}

void supervisor_actor::lead(std::uint32_t member) {
  auto next = sharing_ ? sharing_->start(member) : std::nullopt;
  if (!next)
    return;
  forget_caller(*next); // it will be remembered again
  // From here on it is a call that comes.
  auto& element = *current_mailbox_element();
  element.sender = std::move(next->caller);
  element.mid = next->id;
  auto said = next->context ? std::move(*next->context) : call_context{};
  said.by_guard = next->by_guard;
  auto options = supervisor::call_options{.idempotent = said.idempotent, .attempt = said.attempt};
  if (next->deadline != end_of_time)
    options.remaining = next->deadline - now();
  begin(std::nullopt, std::move(next->content), options,
        next->through_door ? in_trouble().door : nullptr, &said, next->deadline);
}

/// What a call's end means for those that wait for it, and what they mean for its answer.
void supervisor_actor::settle(std::uint32_t flight, caf::message& content, bool is_success,
                              bool no_more) {
  const auto ended = sharing_->end(flight, content, is_success, now());
  ask_to_lead(ended.next);
  if (ended.is_own)
    return;
  while (const auto follower = sharing_->take_follower(flight, ended)) {
    auto& call = sharing_->waiting_call(*follower);
    give(call, content, no_more);
    forget_caller(call);
    sharing_->answered(*follower, ended.how, now());
  }
}

void supervisor_actor::expire_followers() {
  sharing_->expire(now(), [this](record& call, const caf::message* kept) {
    forget_caller(call);
    give(call, kept != nullptr ? *kept : follower_failure(errc::timed_out), false);
  });
  if (const auto due = sharing_->wake_earlier())
    ask_wake(*due);
}

void supervisor_actor::take_back(const reply_sharing::removal& taken) {
  if (!taken.call)
    return;
  auto& call = sharing_->waiting_call(*taken.call);
  give(call, follower_failure(errc::cancelled), false);
  forget_caller(call);
  sharing_->answered(*taken.call, &counters::cancelled, now());
  ask_to_lead(taken.next);
}

caf::message supervisor_actor::follower_failure(errc why) const {
  return caf::make_message(make_failure(why, {.guard = self_.name}));
}

} // namespace bulwark
