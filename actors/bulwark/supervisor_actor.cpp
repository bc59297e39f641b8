// Longer than 200 lines: all that a guard sends and receives, for each of the parts that it leans on.
#include "bulwark/supervisor_actor.hpp"

#include <utility>

namespace bulwark {

namespace {

// A request's id names the attempt: 28 bits for the slot, 32 for the serial.
constexpr std::uint64_t slot_bits = 28;
constexpr std::uint64_t slot_mask = (std::uint64_t{1} << slot_bits) - 1;

caf::message_id request_id(attempt_id attempt) noexcept {
  return caf::make_message_id((std::uint64_t{attempt.serial} << slot_bits) | attempt.slot
                              | caf::message_id::default_async_value);
}

attempt_id attempt_of(caf::message_id id) noexcept {
  const auto value = id.request_id().integer_value();
  return {.slot = static_cast<std::uint32_t>(value & slot_mask),
          .serial = static_cast<std::uint32_t>(value >> slot_bits)};
}

// What CAF's behavior would not hand to us: it has handlers of its own for these.
bool is_for_caf(const caf::message& content) noexcept {
  return content.size() == 1
         && (content.match_element<caf::exit_msg>(0) || content.match_element<caf::down_msg>(0)
             || content.match_element<caf::error>(0));
}

} // namespace

supervisor_actor::supervisor_actor(caf::actor_config& config, settings init)
    : caf::event_based_actor(config),
      self_(std::move(init)),
      core_(self_.limits, self_.view.get(), *this, now(), id() * 0x9e3779b97f4a7c15U) {}

const char* supervisor_actor::name() const {
  return "bulwark.supervisor";
}

std::set<std::string> supervisor_actor::message_types() const {
  return self_.target ? self_.target->get()->message_types() : std::set<std::string>{};
}

instant supervisor_actor::now() const {
  return instant{home_system().clock().now().time_since_epoch()};
}

// -- what comes in ----------------------------------------------------------------------

bool supervisor_actor::enqueue(caf::mailbox_element_ptr element, compat::enqueue_context* context) {
  if (element->mid.is_response()) {
    // A request from nobody: no such thing comes from outside, so it marks a reply.
    const auto by_caf = element->sender == nullptr;
    element->mid = request_id(attempt_of(element->mid));
    element->sender = nullptr;
    if (element->payload.match_elements<caf::error>())
      element->payload = caf::make_message(
          failed_reply{.reason = element->payload.get_as<caf::error>(0), .lost = by_caf});
    else if (is_for_caf(element->payload))
      element->payload = caf::make_message(std::move(element->payload));
  }
  return caf::event_based_actor::enqueue(std::move(element), context);
}

// Longer than 40 lines: the table of all that it answers.
caf::behavior supervisor_actor::make_behavior() {
  compat::set_down_handler(this, [this](const caf::down_msg& down) { on_down(down); });
  compat::set_fallback(this, [this](caf::message& content) -> caf::skippable_result {
    const auto& element = *current_mailbox_element();
    if (!element.sender && element.mid.is_request())
      take_reply(element.mid, content);
    else
      static_cast<void>(accept(self_.target, std::move(content), {}));
    return caf::delegated<caf::message>{};
  });
  if (self_.target)
    compat::watch(this, self_.target);
  for (const auto* part : {&self_.breaker, &self_.bulkhead, &self_.owner}) {
    if (auto strong = caf::actor_cast<caf::strong_actor_ptr>(*part)) {
      compat::watch(this, strong);
      send_to(*part, caf::make_message(attach_atom_v));
    }
  }
  return {
      [this](failed_reply& reply) { take_failure(reply); },
      [this](call_atom, const caf::actor& target, caf::message& content) {
        return accept(caf::actor_cast<caf::strong_actor_ptr>(target), std::move(content), {});
      },
      [this](run_atom, const caf::actor& target, timespan timeout, caf::message& content) {
        return accept(caf::actor_cast<caf::strong_actor_ptr>(target), std::move(content),
                      {.deadline = timeout, .keeps_worker = false});
      },
      [this](execute_atom, const caf::actor& pool, timespan timeout, const work& job) {
        return accept(caf::actor_cast<caf::strong_actor_ptr>(pool), caf::make_message(job),
                      {.deadline = timeout == unbounded ? std::nullopt : std::optional{timeout},
                       .keeps_worker = true});
      },
      [this](const probe_decision& answer) {
        core_.on_probe(answer.attempt,
                       answer.granted ? admission{answer.given} : admission{answer.refused}, now());
        after_event();
      },
      [this](const permit_grant& grant) {
        core_.on_permit(grant.attempt, grant.extra, grant.keep, now());
        after_event();
      },
      [this](const permit_refusal& refusal) {
        core_.on_refused(refusal.attempt, refusal.why, now());
        after_event();
      },
      [this](const lease_recall& recall) {
        send_to(self_.bulkhead, caf::make_message(lease_answer{.round = recall.round,
                                                               .returned = core_.on_recall()}));
      },
      [this](const books_request& request) { report_books(request.round, current_sender()); },
      [this](wake_up_atom) {
        core_.on_tick(now());
        after_event();
      },
      [this](cancel_atom, std::uint64_t request) { cancel(request); },
      [this](watch_rejections_atom, bool wanted) { tells_rejections_ = wanted; },
      [this](const stats_request& request) {
        compat::deliver(current_sender(), ctrl(), caf::make_message_id(),
                        caf::make_message(request, address(), stats()), context());
      },
      [this](change_policy_atom, const circuit_breaker_policy& policy) {
        self_.failure_on = policy.failure_on;
      },
      [this](change_policy_atom, const bulkhead_policy& policy) {
        self_.limits.queue_timeout = policy.queue_timeout;
        core_.change_limits(self_.limits);
      },
      [this](get_stats_atom) { return stats(); },
      [this](shutdown_atom) { return shut_down(false); },
      [this](shutdown_atom, bool wait) { return shut_down(wait); },
  };
}

caf::delegated<caf::message> supervisor_actor::accept(caf::strong_actor_ptr target,
                                                      caf::message content,
                                                      const supervisor::call_options& options) {
  const auto& element = *current_mailbox_element();
  const auto slot = core_.open();
  records_.reserve_for(slot);
  auto& r = records_[slot];
  r.caller = element.sender;
  r.id = element.mid;
  r.target = std::move(target);
  r.content = std::move(content);
  if (slots_ && r.id.is_request())
    slots_->insert_or_assign(key_of(r), slot);
  core_.start(slot, options, now());
  after_event();
  return {};
}

void supervisor_actor::take_reply(caf::message_id id, caf::message& content) {
  reply_ = std::move(content);
  core_.on_reply(attempt_of(id), std::nullopt, now());
  reply_ = caf::message{};
  after_event();
}

void supervisor_actor::take_failure(failed_reply& reply) {
  const auto attempt = attempt_of(current_mailbox_element()->mid);
  if (reply.lost) {
    core_.on_lost(attempt, now());
  } else {
    const auto kind = error_class{.counts = self_.failure_on(reply.reason),
                                  .retryable = self_.retry_on(reply.reason)};
    if (core_.awaits_reply(attempt))
      records_[attempt.slot].last_error = reply.reason;
    reply_ = caf::make_message(std::move(reply.reason));
    core_.on_reply(attempt, kind, now());
    reply_ = caf::message{};
  }
  after_event();
}

/// A hash would do for finding, but a collision would cancel somebody else's call: so cancel()
/// looks at the record too.
std::uint64_t supervisor_actor::key_of(const record& r) const noexcept {
  const auto caller = r.caller ? r.caller->id() : 0;
  return (caller * 0x9e3779b97f4a7c15U) ^ r.id.request_id().integer_value();
}

void supervisor_actor::cancel(std::uint64_t request) {
  if (!slots_) {
    slots_.emplace();
    for (std::uint32_t slot = 0; slot < records_.capacity(); ++slot) {
      if (records_[slot].caller && records_[slot].id.is_request())
        slots_->insert_or_assign(key_of(records_[slot]), slot);
    }
  }
  record wanted;
  wanted.caller = current_sender();
  wanted.id = caf::make_message_id(request);
  auto i = slots_->find(key_of(wanted));
  if (i == slots_->end())
    return; // answered already
  const auto& found = records_[i->second];
  if (found.caller == wanted.caller && found.id.request_id() == wanted.id.request_id())
    core_.cancel(i->second, now());
  after_event();
}

void supervisor_actor::on_down(const caf::down_msg& down) {
  if (self_.target && down.source == self_.target)
    core_.on_target_lost(now());
  else
    core_.on_part_lost(now());
  after_event();
}

// -- a guard's own life -------------------------------------------------------------------

void supervisor_actor::after_event() {
  const auto busy = core_.live() > 0 || core_.abandoned_running() > 0;
  if (busy != (hold_ != nullptr))
    hold_ = busy ? caf::strong_actor_ptr{ctrl()} : nullptr;
  if (core_.shutting_down() && core_.live() == 0) {
    for (auto& promise : std::exchange(shutdowns_, {}))
      promise.deliver(caf::unit);
    quit(caf::exit_reason::user_shutdown);
  }
}

caf::response_promise supervisor_actor::shut_down(bool wait) {
  auto promise = make_response_promise();
  shutdowns_.push_back(promise);
  core_.shut_down(wait, now());
  after_event();
  return promise;
}

void supervisor_actor::on_exit() {
  core_.shut_down(false, now());
  // Permits need no word: the bulkhead watches us, and takes back what we held.
  for (const auto* part : {&self_.breaker, &self_.bulkhead, &self_.owner})
    report_books(0, caf::actor_cast<caf::strong_actor_ptr>(*part));
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(self_.registry), stats_request{}, address(),
               stats());
  hold_ = nullptr;
  self_.keeps_alive.clear();
}

guard_stats supervisor_actor::stats() const {
  const auto& books = core_.books();
  return {.name = self_.name,
          .calls = books.calls,
          .attempts = books.attempts,
          .retries = books.retries,
          .late_replies = books.late_replies,
          .latency = books.latency};
}

void supervisor_actor::report_books(std::uint64_t round, const caf::strong_actor_ptr& to) {
  const auto& books = core_.books();
  compat::tell(to, books_report{.round = round,
                                .holder = address(),
                                .calls = books.calls,
                                .breaker = books.breaker,
                                .bulkhead = books.bulkhead,
                                .abandoned = books.abandoned});
}

void supervisor_actor::send_to(const caf::weak_actor_ptr& part, caf::message content) {
  // No sender where we are about to be destroyed: a strong pointer would revive the dead.
  if (auto strong = caf::actor_cast<caf::strong_actor_ptr>(part))
    compat::deliver(strong, ctrl(), caf::make_message_id(), std::move(content), context());
}

// -- what the core wishes -----------------------------------------------------------------

void supervisor_actor::ask_probe(attempt_id attempt, instant hold_until) {
  const auto hold_for = hold_until == end_of_time ? unbounded : hold_until - now();
  send_to(self_.breaker,
          caf::make_message(probe_request{.attempt = attempt, .hold_for = hold_for}));
}

void supervisor_actor::tell_breaker(const permit& held, std::optional<bool> failed) {
  send_to(self_.breaker, caf::make_message(outcome_report{.held = held, .failed = failed}));
}

void supervisor_actor::ask_permit(attempt_id attempt) {
  send_to(self_.bulkhead, caf::make_message(permit_request{.attempt = attempt}));
}

void supervisor_actor::withdraw(attempt_id attempt) {
  send_to(self_.bulkhead, caf::make_message(permit_withdrawal{.attempt = attempt}));
}

void supervisor_actor::return_permits(std::uint32_t count) {
  send_to(self_.bulkhead, caf::make_message(permit_return{.count = count}));
}

void supervisor_actor::start_attempt(attempt_id attempt) {
  auto& r = records_[attempt.slot];
  // The content is shared, not copied: a target that changes it gets its own, and we keep ours.
  auto content = self_.limits.retry ? r.content : std::move(r.content);
  compat::deliver(r.target, ctrl(), request_id(attempt), std::move(content), context());
}

void supervisor_actor::cut_attempt(attempt_id attempt, errc) {
  if (self_.cancels)
    compat::deliver(records_[attempt.slot].target, ctrl(), caf::make_message_id(),
                    caf::make_message(cancel_atom_v, request_id(attempt).integer_value()),
                    context());
}

void supervisor_actor::answer(std::uint32_t slot, const call_end& end) {
  auto& r = records_[slot];
  if (slots_ && r.id.is_request())
    slots_->erase(key_of(r));
  if (end.error && tells_rejections_ && is_rejection(*end.error))
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(self_.registry),
                 rejection_event{.guard = self_.name,
                                 .part = *end.error == errc::bulkhead_full ? self_.bulkhead_name
                                                                           : self_.breaker_name,
                                 .why = *end.error,
                                 .when = now().time_since_epoch()});
  if (r.id.is_request()) {
    auto content = end.error ? failure(slot, end) : std::move(reply_);
    compat::deliver(r.caller, ctrl(), r.id.response_id(), std::move(content), context());
  }
  r = record{};
}

caf::message supervisor_actor::failure(std::uint32_t slot, const call_end& end) {
  failure_report report{.guard = self_.name,
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
  compat::deliver(self_.timeout_manager, ctrl(), caf::make_message_id(),
                  caf::make_message(wake_request{.at = due.time_since_epoch()}), context());
}

error_class supervisor_actor::classify(errc code) const {
  const auto reason = caf::make_error(code);
  return {.counts = self_.failure_on(reason), .retryable = self_.retry_on(reason)};
}

} // namespace bulwark
