// Longer than 200 lines: all that a guard sends and receives, for each of the parts that it leans on.
#include "bulwark/supervisor_actor.hpp"

#include "bulwark/envelope.hpp"
#include "bulwark/fault_injection.hpp"
#include "bulwark/key_hash.hpp"
#include "bulwark/reply_port_actor.hpp"

#include <algorithm>
#include <exception>
#include <new>
#include <random>
#include <string_view>
#include <utility>

namespace bulwark {

namespace {

// A request's id names the attempt: 28 bits for the slot, 32 for the serial.
constexpr std::uint64_t slot_bits = 28;
constexpr std::uint64_t slot_mask = (std::uint64_t{1} << slot_bits) - 1;

caf::message_id id_of(attempt_id attempt) noexcept {
  return caf::make_message_id((std::uint64_t{attempt.serial} << slot_bits) | attempt.slot
                              | caf::message_id::default_async_value);
}

attempt_id attempt_of(caf::message_id id) noexcept {
  const auto value = id.request_id().integer_value();
  return {.slot = static_cast<std::uint32_t>(value & slot_mask),
          .serial = static_cast<std::uint32_t>(value >> slot_bits)};
}

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

bool is_guard(const caf::strong_actor_ptr& target) {
  return target && dynamic_cast<const supervisor_actor*>(target->get()) != nullptr;
}

// One for the process: its bulkheads are asked by many guards.
const hash_secret& secret() {
  static const auto result = [] {
    std::random_device chance;
    const auto number = [&] { return (std::uint64_t{chance()} << 32U) | chance(); };
    return hash_secret{number(), number()};
  }();
  return result;
}

// 0: of nobody in particular.
std::uint64_t tenant_key(const call_context& said) {
  return said.tenant.empty() ? 0 : hash_of(said.tenant, secret());
}

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

supervisor_actor::supervisor_actor(caf::actor_config& config, settings init)
    : caf::event_based_actor(config),
      self_(std::move(init)),
      message_types_(any_target() ? any_target()->get()->message_types() : std::set<std::string>{}),
      to_guard_(self_.remote != nullptr || is_guard(self_.target)
                || (self_.targets
                    && std::all_of(self_.targets->targets().begin(), self_.targets->targets().end(),
                                   is_guard))),
      core_(self_.limits, self_.view.get(), *this, now(), id() * 0x9e3779b97f4a7c15U,
            self_.lease.get()),
      no_memory_(caf::make_message(make_failure(
          errc::bulkhead_full, {.guard = self_.name, .last_error = "no memory left"}))) {
  if (const auto policy = std::exchange(self_.reply_sharing, nullptr))
    sharing_ = std::make_unique<reply_sharing>(std::move(*policy), secret(), now());
}

const char* supervisor_actor::name() const {
  return "bulwark.supervisor";
}

std::set<std::string> supervisor_actor::message_types() const {
  return message_types_;
}

instant supervisor_actor::now() const {
  return instant{home_system().clock().now().time_since_epoch()};
}

supervisor_actor::trouble& supervisor_actor::in_trouble() const {
  if (!trouble_)
    trouble_ = std::make_unique<trouble>();
  return *trouble_;
}

// -- what comes in ----------------------------------------------------------------------

bool supervisor_actor::enqueue(caf::mailbox_element_ptr element, compat::enqueue_context* context) {
  if (element->mid.is_response()) {
    // A request from nobody: no such thing comes from outside, so it marks a reply.
    const auto from_nobody = element->sender == nullptr;
    element->mid = id_of(attempt_of(element->mid));
    element->sender = nullptr;
    if (element->payload.match_elements<caf::error>()) {
      auto reason = readable(element->payload.get_as<caf::error>(0));
      const auto lost = is_lost(reason, from_nobody);
      element->payload = caf::make_message(failed_reply{.reason = std::move(reason), .lost = lost});
    } else if (to_guard_ && element->payload.match_elements<retry_after, caf::error>()) {
      auto reason = readable(element->payload.get_as<caf::error>(1));
      element->payload =
          caf::make_message(failed_reply{.reason = std::move(reason), .no_more = true});
    } else if (must_seal_reply(element->payload)) {
      element->payload = seal(std::move(element->payload));
    }
  } else if (must_seal_question(element->payload, element->mid.is_request())) {
    element->payload = seal(std::move(element->payload));
  }
  return caf::event_based_actor::enqueue(std::move(element), context);
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
        if (!begins_with_our_type(content) || !own(visitor, content))
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

/// A refusal like that of a full bulkhead: it cost nothing, and coming again later may help.
void supervisor_actor::refuse_for_memory(const caf::strong_actor_ptr& door) {
  auto& element = *current_mailbox_element();
  core_.count_refused();
  if (element.mid.is_request())
    compat::deliver(element.sender, door ? door : caf::strong_actor_ptr{ctrl()},
                    element.mid.response_id(), no_memory_, context());
  element.mid.mark_as_answered();
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
  const auto attempt = attempt_of(current_mailbox_element()->mid);
  if (reply.lost) {
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
    if (core_.awaits_reply(attempt))
      records_[attempt.slot].last_error = reply.reason;
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
  if (self_.watches_callers && trouble_)
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

// -- a guard's own life -------------------------------------------------------------------

void supervisor_actor::after_event() {
  const auto busy =
      core_.live() > 0 || core_.abandoned_running() > 0 || (sharing_ && sharing_->waiting() > 0);
  if (busy != (hold_ != nullptr))
    hold_ = busy ? caf::strong_actor_ptr{ctrl()} : nullptr;
  if (core_.shutting_down() && core_.live() == 0) {
    for (auto& promise : std::exchange(shutdowns_, {}))
      promise.deliver(caf::unit);
    end(caf::exit_reason::user_shutdown);
  }
}

caf::response_promise supervisor_actor::shut_down(bool wait) {
  auto promise = make_response_promise();
  shutdowns_.push_back(promise);
  core_.shut_down(wait, now());
  after_event();
  return promise;
}

/// Whoever is still waiting although the core has nothing more to do: an exception ended us in the
/// midst of its work.
void supervisor_actor::answer_the_rest() {
  call_end end;
  end.error = errc::shutting_down;
  for (std::uint32_t slot = 0; slot < records_.capacity(); ++slot) {
    auto& r = records_[slot];
    try {
      if (r.caller && r.id.is_request())
        compat::deliver(r.caller, sender_for(r), r.id.response_id(), failure(slot, end), context());
    } catch (...) { // the others shall have theirs
    }
    r = record{};
  }
  while (const auto left = sharing_ ? sharing_->any() : std::nullopt) {
    const auto& call = sharing_->waiting_call(*left);
    try {
      compat::deliver(call.caller, sender_for(call), call.id.response_id(),
                      follower_failure(errc::shutting_down), context());
    } catch (...) {
    }
    sharing_->answered(*left, &counters::rejected, now());
  }
}

/// CAF's exit messages come here too, and no reason means to go on.
void supervisor_actor::end(caf::error reason) {
  if (!reason)
    return;
  say_farewell();
  quit(std::move(reason));
}

/// Once, and before CAF tells those who watch us: what comes after that would come from a stranger.
/// (CAF 1.x calls on_exit() only then.)
void supervisor_actor::say_farewell() {
  if (std::exchange(said_farewell_, true))
    return;
  try {
    core_.shut_down(false, now());
  } catch (...) { // who is left comes next
  }
  answer_the_rest();
  for (auto& promise : std::exchange(shutdowns_, {}))
    promise.deliver(caf::unit);
  // Permits need no word: the bulkhead watches us, and takes back what we held.
  try {
    for (const auto* part : {&self_.breaker, &self_.bulkhead})
      report_books(0, caf::actor_cast<caf::strong_actor_ptr>(*part));
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(self_.registry), stats_request{}, address(),
                 stats());
  } catch (const std::bad_alloc&) { // then what they last heard is what they keep
  }
}

/// One of several, or one that calls named.
void supervisor_actor::lose_targets(const caf::actor_addr& which) {
  const auto ours = self_.targets && self_.targets->on_down(which, now());
  if (!ours && (!trouble_ || trouble_->watched.erase(which) == 0))
    return;
  for (std::uint32_t slot = 0; slot < records_.capacity(); ++slot) {
    if (const auto& target = records_[slot].target; target && which == target) {
      if (ours)
        self_.targets->on_end(slot, replica_outcome::failed, now());
      core_.on_target_lost(slot, now());
    }
  }
  if (ours)
    await_restart();
}

/// Those that are due.
void supervisor_actor::make_targets() {
  if (!self_.targets)
    return;
  while (self_.targets->due() <= now())
    for (const auto& each : self_.targets->make_due(now()))
      compat::watch(this, each);
  await_restart();
}

void supervisor_actor::await_restart() {
  if (const auto due = self_.targets->due(); due != end_of_time)
    compat::deliver(self_.timeout_manager, ctrl(), caf::make_message_id(),
                    caf::make_message(schedule_atom_v, std::max(due - now(), timespan{0}),
                                      caf::make_message(wake_up_atom_v)),
                    context());
}

void supervisor_actor::BULWARK_LAST_HANDLE_GONE() {
  say_farewell();
  caf::event_based_actor::BULWARK_LAST_HANDLE_GONE();
}

void supervisor_actor::on_exit() {
  say_farewell();
  for (const auto* watched : {&self_.target, &self_.timeout_manager}) {
    if (*watched)
      compat::unwatch(this, *watched); // or what outlives many guards would remember them all
  }
  if (trouble_) {
    for (const auto& [caller, calls] : std::exchange(trouble_->callers, {}))
      compat::unwatch(this, caf::actor_cast<caf::strong_actor_ptr>(caller));
  }
  if (self_.targets) {
    for (const auto& each : self_.targets->targets())
      compat::unwatch(this, each);
    self_.targets->end();
  }
  hold_ = nullptr;
  self_.keeps_alive.clear();
  self_.target = nullptr; // it may have our handle
  if (self_.remote)
    caf::anon_send_exit(self_.remote->replies_to, caf::exit_reason::user_shutdown);
  self_.remote = nullptr;
}

guard_stats supervisor_actor::stats() const {
  const auto& books = core_.books();
  guard_stats result{.name = self_.name,
                     .calls = books.calls,
                     .attempts = books.attempts,
                     .retries = books.retries,
                     .late_replies = books.late_replies,
                     .latency = books.latency,
                     .budget_refused = books.budget_refused,
                     .left_to_others = books.left_to_others,
                     .not_idempotent = books.not_idempotent,
                     .told_not_to = books.told_not_to,
                     .saved = books.saved,
                     .cut = books.cut,
                     .abandoned = books.abandoned,
                     .hedges = books.hedges,
                     .hedges_won = books.hedges_won,
                     .restarts = self_.targets ? self_.targets->restarted() : 0,
                     .fallbacks = self_.fallback ? self_.fallback->count() : 0,
                     .chaos = self_.chaos ? std::optional{self_.chaos->counts()} : std::nullopt};
  if (sharing_) {
    result.calls += sharing_->calls();
    result.latency += sharing_->latency();
    result.served_fresh = sharing_->served_fresh();
    result.served_stale = sharing_->served_stale();
    result.followed = sharing_->followed();
  }
  return result;
}

void supervisor_actor::report_books(std::uint64_t round, const caf::strong_actor_ptr& to) {
  core_.tell_successes(); // what is asked for now shall have them
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
  const auto needed = self_.limits.retry || self_.limits.hedge != nullptr
                      || (self_.fallback && self_.fallback->hands_on())
                      || (r.names_target && can_be_stopped(r.content));
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
  if (!trouble_ || !self_.watches_callers || !call.caller || !call.id.is_request())
    return;
  if (const auto i = trouble_->callers.find(call.caller->address());
      i != trouble_->callers.end() && i->second > 0)
    --i->second;
}

caf::message supervisor_actor::failure(std::uint32_t slot, call_end end) {
  if (out_of_memory_)
    return no_memory_;
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

} // namespace bulwark
