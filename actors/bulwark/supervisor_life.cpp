// How long a guard lives, what it says of itself, and the targets that it makes. What comes in is in
// supervisor_actor.cpp.
#include "bulwark/supervisor_actor.hpp"

#include <algorithm>
#include <new>
#include <utility>

namespace bulwark {

void supervisor_actor::after_event() {
  const auto busy =
      core_.live() > 0 || core_.abandoned_running() > 0 || (sharing_ && sharing_->waiting() > 0);
  if (busy != (hold_ != nullptr))
    hold_ = busy ? caf::strong_actor_ptr{ctrl()} : nullptr;
  if (core_.shutting_down() && core_.live() == 0) {
    answer_shutdowns();
    end(caf::exit_reason::user_shutdown);
  }
}

void supervisor_actor::answer_shutdowns() {
  if (trouble_)
    for (auto& promise : std::exchange(trouble_->shutdowns, {}))
      promise.deliver(caf::unit);
}

caf::response_promise supervisor_actor::shut_down(bool wait) {
  auto promise = make_response_promise();
  in_trouble().shutdowns.push_back(promise);
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
  set_marks();
  try {
    core_.shut_down(false, now());
  } catch (...) { // who is left comes next
  }
  answer_the_rest();
  answer_shutdowns();
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
  if (const auto due = self_.targets->take_alarm())
    compat::deliver(self_.timeout_manager, ctrl(), caf::make_message_id(),
                    caf::make_message(schedule_atom_v, std::max(*due - now(), timespan{0}),
                                      caf::make_message(wake_up_atom_v)),
                    context());
}

void supervisor_actor::BULWARK_LAST_HANDLE_GONE() {
  say_farewell();
  marked_actor::BULWARK_LAST_HANDLE_GONE();
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
  self_.keeps_alive = {};
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
                     .chaos = self_.chaos ? std::optional{self_.chaos->counts()} : std::nullopt,
                     .breaker = self_.breaker_name,
                     .bulkhead = self_.bulkhead_name};
  if (trouble_)
    result.errors = trouble_->errors.counts(now());
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

} // namespace bulwark
