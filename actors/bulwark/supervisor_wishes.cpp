// What the core wishes, as messages. Longer than 200 lines: one short function a wish, and what an
// attempt takes along.
#include "bulwark/supervisor_actor.hpp"

#include "bulwark/attempt_request.hpp"
#include "bulwark/fault_injection.hpp"
#include "bulwark/tenant_key.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace bulwark {

namespace {

bool understands_cancel(const caf::strong_actor_ptr& target, cancel_signal wish) {
  if (wish != cancel_signal::automatic)
    return wish == cancel_signal::on;
  if (is_guard(target))
    return true;
  const auto types = target->get()->message_types();
  return std::any_of(types.begin(), types.end(), [](const std::string& signature) {
    return signature.find("bulwark::cancel_atom") != std::string::npos;
  });
}

// A function that asks whether it shall stop.
bool can_be_stopped(const caf::message& content) {
  return content.match_elements<work>() && content.get_as<work>(0).stop.stop_possible();
}

bool ask(const error_predicate& predicate, const caf::error& reason, bool where_it_throws) {
  try {
    return predicate(reason);
  } catch (...) {
    return where_it_throws;
  }
}

} // namespace

void supervisor_actor::ask_probe(attempt_id attempt, instant hold_until) {
  const auto hold_for = hold_until == end_of_time ? unbounded : hold_until - now();
  send_to(self_.breaker,
          caf::make_message(probe_request{.attempt = attempt, .hold_for = hold_for}));
}

void supervisor_actor::tell_breaker(const permit& held, const attempt_outcome& how) {
  send_to(
      self_.breaker,
      caf::make_message(outcome_report{
          .held = held, .failed = how.failed, .slow = how.slow, .retry_after = how.retry_after}));
}

/// Without our name, for it may be the last thing that we say: see send_to().
void supervisor_actor::tell_successes(const success_batch& batch) {
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(self_.breaker), batch);
}

void supervisor_actor::ask_permit(attempt_id attempt) {
  permit_request wish{.attempt = attempt};
  if (const auto& said = records_[attempt.slot].context) {
    wish.importance = said->importance;
    wish.tenant = tenant_key(*said);
  }
  send_to(self_.bulkhead, caf::make_message(wish));
}

void supervisor_actor::withdraw(attempt_id attempt) {
  send_to(self_.bulkhead, caf::make_message(permit_withdrawal{.attempt = attempt}));
}

void supervisor_actor::return_permits(std::uint32_t count) {
  send_to(self_.bulkhead, caf::make_message(permit_return{.count = count}));
}

void supervisor_actor::tell_samples(const latency_samples& samples) {
  send_to(self_.bulkhead,
          caf::make_message(samples_report{.first = samples.first.time_since_epoch(),
                                           .count = samples.count,
                                           .total = samples.total,
                                           .squares = samples.squares,
                                           .dropped = samples.dropped}));
}

void supervisor_actor::start_attempt(attempt_id attempt) {
  if (!self_.chaos || records_[attempt.slot].names_target)
    return send_attempt(attempt, fault::none);
  const auto* context = records_[attempt.slot].context.get();
  const auto hit =
      self_.chaos->decide(context != nullptr ? context->importance : criticality::normal);
  if (hit.latency == timespan{0})
    return send_attempt(attempt, hit.what);
  const auto due = home_system().clock().now() + hit.latency;
  compat::schedule(this, due, [this, attempt, what = hit.what] {
    set_marks();
    if (core_.awaits_reply(attempt))
      send_attempt(attempt, what);
  });
}

/// Off where no rate is above 0: then nothing of it is left.
caf::result<void> supervisor_actor::change_chaos(const chaos_policy& policy) {
  if (const auto mistakes = find_mistakes(policy, self_.remote != nullptr); !mistakes.empty())
    return make_failure(errc::invalid_policy,
                        {.guard = self_.name, .last_error = to_string(mistakes)});
  self_.chaos = is_off(policy) ? nullptr : std::make_unique<chaos>(policy);
  return caf::unit;
}

void supervisor_actor::send_attempt(attempt_id attempt, fault what) {
  auto& r = records_[attempt.slot];
  if (self_.targets && !r.names_target)
    r.target = self_.targets->choose(attempt.slot, now());
  const auto& target = target_of(r);
  if (!target) { // an invalid handle: lost like a request to one who has ended
    const auto over = self_.targets ? self_.targets->gave_up() : std::string_view{};
    auto why = over.empty() ? caf::make_error(errc::target_lost)
                            : make_failure(errc::target_lost,
                                           {.guard = self_.name, .last_error = std::string{over}});
    compat::deliver(ctrl(), over.empty() ? nullptr : caf::strong_actor_ptr{ctrl()},
                    request_id(attempt).response_id(), caf::make_message(std::move(why)),
                    context());
    return;
  }
  // The content is shared, not copied: a target that changes it gets its own, and we keep ours.
  const auto needed = core_.repeatable(attempt) || (self_.fallback && self_.fallback->hands_on())
                      || (r.names_target && can_be_stopped(r.content));
  r.is_spent = !needed;
  auto content = needed ? r.content : std::move(r.content);
  if (!r.names_target)
    content = wrapped(attempt, std::move(content));
  auto reply_to =
      self_.remote && !r.names_target ? self_.remote->replies_to : caf::strong_actor_ptr{ctrl()};
  deliver_with(what, self_.chaos && self_.chaos->policy().transient_errors,
               {.target = target,
                .reply_to = std::move(reply_to),
                .id = request_id(attempt),
                .content = std::move(content)},
               ctrl(), context());
}

/// What the target is to be told beside the content: a front door the guard's name and the context,
/// a guard the context where it says something, and another what its policy says.
caf::message supervisor_actor::wrapped(attempt_id attempt, caf::message content) const {
  if (to_guard_) {
    if (self_.shows_permit) // for the target behind it
      content = caf::make_message(self_.lease->token(), std::move(content));
    auto context = context_of(attempt);
    if (self_.remote)
      return caf::make_message(call_atom_v, self_.remote->guard, std::move(context),
                               std::move(content));
    if (context == call_context{})
      return content;
    return caf::make_message(call_atom_v, std::move(context), std::move(content));
  }
  if (self_.shows_permit && self_.shows_context)
    return caf::make_message(self_.lease->token(), context_of(attempt), std::move(content));
  if (self_.shows_permit)
    return caf::make_message(self_.lease->token(), std::move(content));
  if (self_.shows_context)
    return caf::make_message(context_of(attempt), std::move(content));
  return content;
}

/// Whether the caller is a guard, which takes our word for it. To all others the error goes alone.
bool supervisor_actor::is_told_no_more(const record& call) {
  if (!call.caller || call.by_guard)
    return call.by_guard;
  const auto* guard = dynamic_cast<const supervisor_actor*>(call.caller->get());
  return guard != nullptr && guard->to_guard_;
}

/// For the next hop: each takes what it has used.
call_context supervisor_actor::context_of(attempt_id attempt) const {
  auto result = next_hop(records_[attempt.slot].context.get(), core_.time_left(attempt, now()),
                         core_.attempts_of(attempt));
  result.by_guard = self_.remote != nullptr;
  return result;
}

const caf::strong_actor_ptr& supervisor_actor::target_of(const record& call) const noexcept {
  return call.names_target || self_.targets ? call.target : self_.target;
}

/// What is known of all of them from one.
const caf::strong_actor_ptr& supervisor_actor::any_target() const noexcept {
  return self_.targets ? self_.targets->targets().front() : self_.target;
}

/// What became of an attempt says who gets the next one.
void supervisor_actor::note_end(attempt_id attempt, replica_outcome outcome) {
  if (self_.targets && core_.awaits_reply(attempt))
    self_.targets->on_end(attempt.slot, outcome, now());
}

/// Rare: so whether the target understands it is found out only now, and holds for targets that
/// calls name too. But where it happens it happens in floods, to one target: asked once.
void supervisor_actor::cut_attempt(attempt_id attempt, errc why) {
  if (why == errc::timed_out)
    note_timeout();
  if (self_.targets)
    self_.targets->on_end(
        attempt.slot, why == errc::timed_out ? replica_outcome::failed : replica_outcome::nothing,
        now());
  const auto& r = records_[attempt.slot];
  const auto& target = target_of(r);
  if (!target)
    return;
  if (r.names_target && can_be_stopped(r.content))
    r.content.get_as<work>(0).stop.request_stop();
  if (self_.remote && !r.names_target) { // the door keeps no table of calls, but the guard does
    if (self_.cancel != cancel_signal::off)
      compat::deliver(target, self_.remote->replies_to, caf::make_message_id(),
                      caf::make_message(cancel_atom_v, self_.remote->guard,
                                        request_id(attempt).integer_value()),
                      context());
    return;
  }
  auto& known = in_trouble();
  if (known.cut_target != target) {
    known.cut_target = caf::actor_cast<caf::actor_addr>(target);
    known.understands_cancel = understands_cancel(target, self_.cancel);
  }
  if (known.understands_cancel)
    compat::deliver(target, ctrl(), caf::make_message_id(),
                    caf::make_message(cancel_atom_v, request_id(attempt).integer_value()),
                    context());
}

/// An urgent request stays one.
caf::message_id supervisor_actor::request_id(attempt_id attempt) const noexcept {
  const auto urgent =
      records_[attempt.slot].id.category() == caf::message_id::urgent_message_category;
  return urgent ? id_of(attempt).with_high_priority() : id_of(attempt);
}

/// Both have the caller: whichever is answered is the call.
void supervisor_actor::copy_call(std::uint32_t from, std::uint32_t to) {
  records_.reserve_for(to);
  const auto& r = records_[from];
  auto context = r.context ? std::make_unique<call_context>(*r.context) : nullptr;
  if (self_.targets)
    self_.targets->copy(from, to);
  records_[to] = {.caller = r.caller,
                  .id = r.id,
                  .target = r.target,
                  .names_target = r.names_target,
                  .through_door = r.through_door,
                  .by_guard = r.by_guard,
                  .context = std::move(context),
                  .content = r.content,
                  .last_error = {},
                  .deadline = r.deadline,
                  .flight = r.flight};
}

void supervisor_actor::forget_copy(std::uint32_t slot, std::uint32_t heir) {
  if (trouble_)
    trouble_->requests.insert(records_[heir].caller, records_[heir].id, heir);
  records_[slot] = record{};
}

void supervisor_actor::answer(std::uint32_t slot, const call_end& end) {
  auto& r = records_[slot];
  if (end.error && tells_rejections_ && is_rejection(*end.error))
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(self_.registry),
                 rejection_event{.guard = self_.name,
                                 .part = *end.error == errc::bulkhead_full  ? self_.bulkhead_name
                                         : *end.error == errc::rate_limited ? self_.name
                                                                            : self_.breaker_name,
                                 .why = *end.error,
                                 .when = now().time_since_epoch()});
  if (r.id.is_request() || (self_.fallback && self_.fallback->hands_on())) {
    auto content = end.error ? failure(slot, end) : std::move(reply_);
    const auto no_more = end.no_more || no_more_;
    // Once: where memory for it is refused the call is answered again, and alone.
    if (const auto flight = std::exchange(r.flight, record::alone); flight != record::alone)
      settle(flight, content, !end.error && !class_of_result(content), no_more);
    give(r, std::move(content), no_more);
  }
  if (trouble_)
    trouble_->requests.erase(r.caller, r.id);
  forget_caller(r);
  r = record{};
}

/// The last word on a call: the fallback's, where there is one.
void supervisor_actor::give(record& call, caf::message content, bool no_more) {
  if (self_.fallback && !call.names_target
      && self_.fallback->take(call, call.through_door ? in_trouble().door : nullptr, content, now(),
                              context()))
    return;
  if (!call.id.is_request())
    return;
  if (no_more && content.match_elements<caf::error>() && is_told_no_more(call))
    content = caf::make_message(retry_after{timespan{-1}}, content.get_as<caf::error>(0));
  compat::deliver(call.caller, sender_for(call), call.id.response_id(), std::move(content),
                  context());
}

void supervisor_actor::forget_caller(const record& call) {
  if (!trouble_ || trouble_->callers.empty() || !call.caller || !call.id.is_request())
    return;
  if (const auto i = trouble_->callers.find(call.caller->address());
      i != trouble_->callers.end() && i->second > 0)
    --i->second;
}

caf::message supervisor_actor::failure(std::uint32_t slot, call_end end) {
  if (out_of_memory_)
    return no_memory();
  if (records_[slot].last_error)
    return make_answer(slot, end);
  // Refusals and timeouts come in floods, and in one millisecond they are the same message.
  using std::chrono::milliseconds;
  end.retry_after = std::chrono::ceil<milliseconds>(end.retry_after);
  if (end.elapsed >= milliseconds{100})
    end.elapsed = std::chrono::floor<milliseconds>(end.elapsed);
  auto& last = in_trouble().last_answer;
  if (!last || last->first != end)
    last.emplace(end, make_answer(slot, end));
  return last->second;
}

caf::message supervisor_actor::make_answer(std::uint32_t slot, const call_end& end) {
  // A part that is used alone has no guard.
  const auto alone = !self_.target && !self_.remote && !self_.targets;
  failure_report report{.guard = alone ? std::string{} : self_.name,
                        .part = alone ? self_.name : std::string{},
                        .attempts = end.attempts,
                        .elapsed = end.elapsed,
                        .retry_after = end.retry_after};
  if (*end.error == errc::circuit_open)
    report.part = self_.breaker_name;
  else if (*end.error == errc::bulkhead_full)
    report.part = self_.bulkhead_name;
  auto last = std::move(records_[slot].last_error);
  if (end.last_error && *end.last_error != *end.error)
    last = caf::make_error(*end.last_error);
  return caf::make_message(make_failure(*end.error, std::move(report), std::move(last)));
}

void supervisor_actor::wake_at(instant due) {
  ask_wake(sharing_ ? sharing_->wake_at(due) : due);
}

void supervisor_actor::ask_wake(instant due) {
  compat::deliver(self_.timeout_manager, ctrl(), caf::make_message_id(),
                  caf::make_message(wake_request{.at = due.time_since_epoch()}), context());
}

/// A predicate says the same of the same code: it is asked once.
error_class supervisor_actor::classify(errc code) const {
  auto& known = in_trouble().classes.at(static_cast<std::uint8_t>(code));
  if (!known)
    known = class_of(caf::make_error(code));
  return *known;
}

error_class supervisor_actor::class_of(const caf::error& reason) const {
  const auto delay =
      std::find_if(self_.delays.begin(), self_.delays.end(),
                   [&](const error_delay& each) { return ask(each.on, reason, false); });
  return {.counts = ask(self_.failure_on, reason, true),
          .retryable = ask(self_.retry_on, reason, false),
          .begun = !to_guard_ || !shows_not_begun(reason),
          .forbids_retry = forbids_retry(reason),
          .retry_after = retry_after_of(reason).value_or(timespan{0}),
          .base_delay =
              delay == self_.delays.end() ? std::nullopt : std::optional{delay->base_delay}};
}

/// Mostly a success.
reply_class supervisor_actor::class_of_result(const caf::message& reply) const {
  if (!self_.failure_on_result)
    return std::nullopt;
  try {
    return (*self_.failure_on_result)(reply) ? reply_class{{.is_result = true}} : std::nullopt;
  } catch (...) {
    return error_class{.retryable = false, .is_result = true};
  }
}

void supervisor_actor::send_to(const caf::weak_actor_ptr& part, caf::message content) {
  // No sender where we are about to be destroyed: a strong pointer would revive the dead.
  if (auto strong = caf::actor_cast<caf::strong_actor_ptr>(part))
    compat::deliver(strong, ctrl(), caf::make_message_id(), std::move(content), context());
}

} // namespace bulwark
