// What comes in. How a guard ends is in supervisor_life.cpp, what its core wishes in
// supervisor_wishes.cpp, what stands in front of the core in supervisor_sharing.cpp, and what is answered
// where there is no memory in supervisor_memory.cpp.
// Longer than 200 lines: all that a guard receives, from each of the parts that it leans on.
#include "bulwark/supervisor_actor.hpp"

#include "bulwark/attempt_request.hpp"
#include "bulwark/envelope.hpp"
#include "bulwark/reply_port_actor.hpp"
#include "bulwark/tenant_key.hpp"

#include <algorithm>
#include <exception>
#include <new>
#include <string_view>
#include <utility>

namespace bulwark {

namespace {

// Whether CAF's word is that the request reached nobody. It says so too of what waits in the mailbox
// of an actor that ends, and never of what that has taken from there.
bool was_not_delivered(const caf::error& reason) noexcept {
  return reason == caf::sec::request_receiver_down || reason == errc::target_lost;
}

// CAF's own word that nobody will reply: the request reached nobody, or the promise of a reply was
// dropped, as it is when an actor ends that has one.
bool is_lost(const caf::error& reason, bool from_nobody) noexcept {
  return from_nobody || reason == caf::sec::broken_promise;
}

// Of a guard further in: its target has not had the call.
bool is_refusal(const caf::error& reason) {
  return reason.category()
             == caf::type_id_v<errc> && is_rejection(static_cast<errc>(reason.code()));
}

// An error without a code says that there is none: a reply like any other.
bool tells_error(const caf::message& reply) {
  return reply.match_elements<caf::error>() && reply.get_as<caf::error>(0);
}

bool tells_no_more(const caf::message& reply) {
  return reply.match_elements<retry_after, caf::error>() && reply.get_as<caf::error>(1);
}

// Null: none to tell, as of a target that isn't typed.
std::unique_ptr<const std::set<std::string>> types_of(const caf::strong_actor_ptr& target) {
  auto types = target ? target->get()->message_types() : std::set<std::string>{};
  return types.empty() ? nullptr : std::make_unique<const std::set<std::string>>(std::move(types));
}

} // namespace

bool is_guard(const caf::strong_actor_ptr& target) {
  return target && dynamic_cast<const supervisor_actor*>(target->get()) != nullptr;
}

supervisor_actor::supervisor_actor(caf::actor_config& config, settings init)
    : marked_actor(config),
      self_(std::move(init)),
      message_types_(types_of(any_target())),
      to_guard_(self_.remote != nullptr || is_guard(self_.target)
                || (self_.targets
                    && std::all_of(self_.targets->targets().begin(), self_.targets->targets().end(),
                                   is_guard))),
      is_remote_(self_.remote != nullptr),
      core_(self_.limits, self_.view.get(), *this, now(), id() * 0x9e3779b97f4a7c15U,
            self_.lease.get()) {
  ready_for_no_memory(); // while there is some
  if (const auto policy = std::exchange(self_.reply_sharing, nullptr))
    sharing_ = std::make_unique<reply_sharing>(std::move(*policy), process_secret(), now());
}

const char* supervisor_actor::name() const {
  return "bulwark.supervisor";
}

std::set<std::string> supervisor_actor::message_types() const {
  return message_types_ ? *message_types_ : std::set<std::string>{};
}

instant supervisor_actor::now() const {
  return instant{home_system().clock().now().time_since_epoch()};
}

supervisor_actor::trouble& supervisor_actor::in_trouble() const {
  if (!trouble_)
    trouble_ = std::make_unique<trouble>();
  return *trouble_;
}

/// Where memory for it is refused it is as if it had not been.
void supervisor_actor::note_error(const caf::error& reason) noexcept {
  try {
    in_trouble().errors.note(reason, now());
  } catch (const std::bad_alloc&) {
  }
}

void supervisor_actor::note_timeout() noexcept {
  try {
    note_error(caf::make_error(errc::timed_out));
  } catch (const std::bad_alloc&) {
  }
}

// -- what comes in ----------------------------------------------------------------------

bool supervisor_actor::enqueue(caf::mailbox_element_ptr element, compat::enqueue_context* context) {
  if (element->mid.is_response()) {
    // A request from nobody: no such thing comes from outside, so it marks a reply.
    const auto from_nobody = element->sender == nullptr;
    element->mid = id_of(attempt_of(element->mid));
    element->sender = nullptr;
    if (tells_error(element->payload)) {
      auto reason = readable(element->payload.get_as<caf::error>(0));
      const auto lost = is_lost(reason, from_nobody);
      element->payload = caf::make_message(failed_reply{.reason = std::move(reason), .lost = lost});
    } else if (to_guard_ && tells_no_more(element->payload)) {
      auto reason = readable(element->payload.get_as<caf::error>(1));
      element->payload =
          caf::make_message(failed_reply{.reason = std::move(reason), .no_more = true});
    } else if (must_seal_reply(element->payload)) {
      element->payload = seal(std::move(element->payload));
    }
  } else if (must_seal_question(element->payload, element->mid.is_request())) {
    element->payload = seal(std::move(element->payload));
  }
  return marked_actor::enqueue(std::move(element), context);
}

void supervisor_actor::set_marks() noexcept {
  marked_actor::set_marks();
  for (const auto& part : self_.marks) {
    if (part)
      part->set();
  }
}

caf::behavior supervisor_actor::make_behavior() {
  compat::set_down_handler(this, [this](const caf::down_msg& down) { on_down(down); });
  set_exception_handler([this](std::exception_ptr& thrown) {
    say_farewell();
    return default_exception_handler(this, thrown);
  });
  if (self_.target)
    compat::watch(this, self_.target);
  if (self_.targets)
    for (const auto& each : self_.targets->targets())
      compat::watch(this, each);
  // Without it no deadline would ever come: see on_down().
  if (self_.timeout_manager)
    compat::watch(this, self_.timeout_manager);
  for (const auto* part : {&self_.breaker, &self_.bulkhead}) {
    if (auto strong = caf::actor_cast<caf::strong_actor_ptr>(*part)) {
      compat::watch(this, strong);
      send_to(*part, caf::make_message(attach_atom_v));
    }
  }
  if (self_.remote) {
    self_.remote->replies_to = caf::actor_cast<caf::strong_actor_ptr>(
        home_system().spawn<reply_port_actor>(caf::weak_actor_ptr{ctrl()}));
    compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(self_.remote->connector), ctrl(),
                    caf::make_message_id(), caf::make_message(attach_atom_v), context());
  }
  return compat::make_behavior(
      [this, own = own_messages()](compat::result_visitor& visitor, caf::message& content) mutable {
        if (is_for_caf(content))
          return false;
        set_marks_for(content);
        const auto ours = begins_with_our_type(content);
        // Too rare for a place in every guard's table.
        if (ours && content.match_elements<change_policy_atom, guard_change>())
          change_policy(content.get_as<guard_change>(1));
        else if (!ours || !own(visitor, content))
          carry(content);
        return true;
      });
}

// Longer than 40 lines: the table of all that it answers.
caf::behavior supervisor_actor::own_messages() {
  return {
      [this](failed_reply& reply) { take_failure(reply); },
      [this](call_atom, const caf::actor& target, caf::message& content) {
        return accept(caf::actor_cast<caf::strong_actor_ptr>(target), std::move(content), {});
      },
      [this](call_atom, const call_context& context, const caf::actor& door,
             caf::message& content) {
        return accept_with(context, std::move(content),
                           caf::actor_cast<caf::strong_actor_ptr>(door));
      },
      [this](call_atom, const call_context& context, caf::message& content) {
        return accept_with(context, std::move(content), nullptr);
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
        make_targets();
        if (sharing_)
          sharing_->woken();
        core_.on_tick(now());
        if (sharing_)
          expire_followers();
        after_event();
      },
      [this](const door_change& change) { change_door(change.door); },
      [this](const flight_request& next) { lead(next.member); },
      [this](cancel_atom, std::uint64_t request) { cancel(request); },
      [this](watch_rejections_atom, bool wanted) { tells_rejections_ = wanted; },
      [this](const stats_request& request) {
        compat::deliver(current_sender(), ctrl(), caf::make_message_id(),
                        caf::make_message(request, address(), stats()), context());
      },
      [this](change_policy_atom, const circuit_breaker_policy& policy) {
        self_.failure_on = policy.failure_on;
        take_limits(self_.limits, limits_of(policy));
        if (trouble_)
          trouble_->classes = {};
      },
      [this](change_policy_atom, const bulkhead_policy& policy) {
        self_.limits.queue_timeout = policy.queue_timeout;
        self_.limits.tells_samples = policy.adaptive.has_value();
      },
      [this](change_policy_atom, const chaos_policy& policy) { return change_chaos(policy); },
      [this](get_stats_atom) { return stats(); },
      [this](shutdown_atom) { return shut_down(false); },
      [this](shutdown_atom, bool wait) { return shut_down(wait); },
  };
}

/// A call, a reply, or what CAF sends to end us: see enqueue().
void supervisor_actor::carry(caf::message& content) {
  const auto& element = *current_mailbox_element();
  auto opened = unseal(std::move(content));
  if (!element.sender && element.mid.is_request())
    take_reply(element.mid, opened);
  else if (!element.mid.is_request() && opened.match_elements<caf::exit_msg>())
    end(std::move(opened.get_mutable_as<caf::exit_msg>(0).reason));
  else
    accept(std::nullopt, std::move(opened), {});
}

caf::delegated<caf::message> supervisor_actor::accept(std::optional<caf::strong_actor_ptr> target,
                                                      caf::message content,
                                                      const supervisor::call_options& options,
                                                      caf::strong_actor_ptr door,
                                                      const call_context* context) {
  const auto deadline = sharing_ || self_.fallback ? deadline_of(options) : end_of_time;
  if (sharing_ && !target && share(content, deadline, door, context))
    after_event();
  else
    begin(std::move(target), std::move(content), options, door, context, deadline);
  return {};
}

void supervisor_actor::begin(std::optional<caf::strong_actor_ptr> target, caf::message content,
                             const supervisor::call_options& options,
                             const caf::strong_actor_ptr& door, const call_context* context,
                             instant deadline) {
  const auto flight = sharing_ ? sharing_->arriving() : record::alone;
  std::uint32_t slot = 0;
  try {
    slot = take_slot(std::move(target), std::move(content), door, context);
  } catch (const std::bad_alloc&) {
    refuse_for_memory(door);
    if (flight != record::alone)
      ask_to_lead(sharing_->hand_over(flight));
    return;
  }
  records_[slot].deadline = deadline;
  records_[slot].flight = flight;
  // From here on the answer is ours: where an exception ends us, CAF would give one more.
  current_mailbox_element()->mid.mark_as_answered();
  try {
    core_.start(slot, options, now());
  } catch (const std::bad_alloc&) {
    out_of_memory_ = true;
    core_.give_up(slot, errc::bulkhead_full, now());
    out_of_memory_ = false;
  }
  after_event();
}

/// A call whose caller has something to say, or a guard that carries it for one.
caf::result<caf::message> supervisor_actor::accept_with(const call_context& context,
                                                        caf::message content,
                                                        caf::strong_actor_ptr door) {
  if (const auto mistakes = find_mistakes(context); !mistakes.empty())
    return caf::make_error(caf::sec::invalid_argument, to_string(mistakes));
  return accept(std::nullopt, std::move(content),
                {.remaining = context.remaining,
                 .idempotent = context.idempotent,
                 .attempt = context.attempt,
                 .tenant = self_.rate && self_.rate->by_tenant() ? tenant_key(context) : 0},
                std::move(door), &context);
}

/// Stores what belongs to the call that is being handled. Strong exception guarantee.
std::uint32_t supervisor_actor::take_slot(std::optional<caf::strong_actor_ptr> target,
                                          caf::message content, const caf::strong_actor_ptr& door,
                                          const call_context* context) {
  auto& element = *current_mailbox_element();
  const auto slot = core_.open();
  std::unique_ptr<call_context> kept;
  try {
    records_.reserve_for(slot);
    if (context != nullptr && (context->attempt > 1 || says_more(*context)))
      kept = std::make_unique<call_context>(*context);
    if (self_.watches_callers && element.mid.is_request()) // who wants no answer may end at once
      watch_caller(element.sender);
    if (self_.targets)
      self_.targets->begin(slot);
    if (door)
      in_trouble().door = door;
    if (trouble_)
      trouble_->requests.insert(element.sender, element.mid, slot);
    if (target && *target && *target != self_.target
        && in_trouble().watched.insert((*target)->address()).second)
      compat::watch(this, *target);
  } catch (...) {
    core_.discard(slot);
    throw;
  }
  // Moved: nobody needs the sender any more, and to count its handles up and down costs something.
  records_[slot] = {.caller = std::move(element.sender),
                    .id = element.mid,
                    .target = target ? std::move(*target) : nullptr,
                    .names_target = target.has_value(),
                    .through_door = door != nullptr,
                    .by_guard = context != nullptr && context->by_guard,
                    .context = std::move(kept),
                    .content = std::move(content),
                    .last_error = {}};
  return slot;
}

/// A caller from outside is not to know us: it could tell us to end, and CAF would keep us alive
/// for it.
caf::strong_actor_ptr supervisor_actor::sender_for(const record& call) {
  return call.through_door ? in_trouble().door : caf::strong_actor_ptr{ctrl()};
}

void supervisor_actor::take_reply(caf::message_id id, caf::message& content) {
  const auto kind = class_of_result(content);
  note_end(attempt_of(id),
           kind && kind->counts ? replica_outcome::failed : replica_outcome::succeeded);
  reply_ = std::move(content);
  core_.on_reply(attempt_of(id), kind, now());
  reply_ = caf::message{};
  after_event();
}

void supervisor_actor::take_failure(failed_reply& reply) {
  if (!reply.reason)
    return; // forged: enqueue() makes none such
  const auto attempt = attempt_of(current_mailbox_element()->mid);
  if (reply.lost) {
    if (core_.awaits_reply(attempt))
      note_error(reply.reason);
    note_end(attempt, replica_outcome::failed);
    core_.on_lost(attempt, now(), !was_not_delivered(reply.reason));
  } else {
    auto kind = class_of(reply.reason);
    kind.forbids_retry = kind.forbids_retry || reply.no_more;
    // What the guard of one target refuses another may take.
    const auto refused = is_refusal(reply.reason);
    if (self_.targets && refused && self_.targets->has_another(attempt.slot))
      kind.retryable = true;
    note_end(attempt, kind.counts || refused ? replica_outcome::failed : replica_outcome::nothing);
    no_more_ = reply.no_more;
    if (core_.awaits_reply(attempt)) {
      records_[attempt.slot].last_error = reply.reason;
      if (kind.counts)
        note_error(reply.reason);
    }
    reply_ = caf::make_message(std::move(reply.reason));
    core_.on_reply(attempt, kind, now());
    reply_ = caf::message{};
    no_more_ = false;
  }
  after_event();
}

/// What is in flight went to the old door: its end may come to be known after the new one.
void supervisor_actor::change_door(const caf::strong_actor_ptr& door) {
  if (!self_.remote || door == self_.target)
    return;
  if (self_.target)
    compat::unwatch(this, self_.target);
  self_.target = door;
  compat::watch(this, self_.target); // one that has been lost meanwhile is told at once
  core_.on_target_lost(now());
  after_event();
}

void supervisor_actor::cancel(std::uint64_t request) {
  const auto& caller = current_sender();
  const auto id = caf::make_message_id(request);
  auto& requests = in_trouble().requests;
  if (!requests.in_use()) {
    requests.begin();
    for (std::uint32_t slot = 0; slot < records_.capacity(); ++slot)
      requests.insert(records_[slot].caller, records_[slot].id, slot);
  }
  const auto slot = requests.find(caller, id);
  if (caller && slot && records_[*slot].caller == caller
      && records_[*slot].id.request_id() == id.request_id()) {
    core_.cancel(*slot, now());
  } else if (caller) { // answered already, if it doesn't wait for another call or has gone on
    if (sharing_)
      take_back(sharing_->cancel(caller, id));
    if (self_.fallback)
      self_.fallback->cancel(caller, request, context());
  }
  after_event();
}

/// Before the record is made: where memory is refused nothing has happened but a monitor.
void supervisor_actor::watch_caller(const caf::strong_actor_ptr& caller) {
  if (!caller)
    return;
  const auto [known, is_new] = in_trouble().callers.try_emplace(caller->address(), 0);
  if (is_new)
    compat::watch(this, caller); // of one that has ended we are told at once
  ++known->second;
}

void supervisor_actor::lose_caller(const caf::actor_addr& caller) {
  const auto found = trouble_->callers.find(caller);
  if (found == trouble_->callers.end())
    return;
  const auto calls = found->second;
  trouble_->callers.erase(found);
  for (std::uint32_t slot = 0; calls > 0 && slot < records_.capacity(); ++slot) {
    const auto& waits = records_[slot];
    if (waits.caller && caller == waits.caller && waits.id.is_request())
      core_.cancel(slot, now());
  }
  while (sharing_) {
    const auto taken = sharing_->lose_caller(caller);
    if (!taken.call)
      break;
    take_back(taken);
  }
}

void supervisor_actor::on_down(const caf::down_msg& down) {
  set_marks();
  if (trouble_)
    lose_caller(down.source);
  if (self_.target && down.source == self_.target) {
    if (self_.remote)
      self_.target = nullptr; // until the connector has another: CAF drops what is sent to the dead
    core_.on_target_lost(now());
  }
  lose_targets(down.source);
  // Anybody can send a down_msg: one about a stranger says nothing.
  for (const auto* part : {&self_.breaker, &self_.bulkhead}) {
    if (*part && down.source == caf::actor_cast<caf::actor_addr>(*part))
      core_.on_part_lost(now());
  }
  if (self_.timeout_manager && down.source == self_.timeout_manager)
    core_.shut_down(false, now()); // the node has ended, and nobody would wake us
  after_event();
}

} // namespace bulwark
