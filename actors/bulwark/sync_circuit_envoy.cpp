#include "bulwark/sync_circuit_envoy.hpp"

#include <utility>

namespace bulwark::sync {

circuit_envoy::circuit_envoy(caf::actor_config& config, const caf::strong_actor_ptr& breaker,
                             std::shared_ptr<shared_books> books)
    : caf::event_based_actor(config),
      breaker_(caf::actor_cast<caf::weak_actor_ptr>(breaker)),
      books_(std::move(books)) {}

caf::behavior circuit_envoy::make_behavior() {
  compat::set_down_handler(this, [this](const caf::down_msg&) { end(); });
  if (auto breaker = caf::actor_cast<caf::strong_actor_ptr>(breaker_)) {
    compat::watch(this, breaker);
    send_to_breaker(caf::make_message(attach_atom_v));
  }
  return {
      [this](attach_atom) { return wait_until_known(); },
      [this](change_policy_atom, const circuit_breaker_policy& policy) { take_policy(policy); },
      [this](const probe_request& request) { return ask_probe(request); },
      [this](const probe_decision& decision) {
        if (auto asker = askers_.extract(decision.attempt.serial))
          asker.mapped().deliver(decision);
      },
      [this](const books_request& request) { report(request.round, current_sender()); },
      [this](shutdown_atom) { end(); },
  };
}

void circuit_envoy::end() {
  say_farewell();
  quit();
}

// Before CAF tells the breaker that we have ended: CAF 1.x calls on_exit() only then.
void circuit_envoy::say_farewell() {
  if (!std::exchange(said_farewell_, true))
    report(0, caf::actor_cast<caf::strong_actor_ptr>(breaker_));
}

void circuit_envoy::BULWARK_LAST_HANDLE_GONE() {
  say_farewell();
  caf::event_based_actor::BULWARK_LAST_HANDLE_GONE();
}

void circuit_envoy::on_exit() {
  say_farewell();
  for (auto& waiting : ready_)
    waiting.deliver(caf::make_error(errc::shutting_down));
  for (auto& [serial, asker] : askers_)
    asker.deliver(caf::make_error(errc::shutting_down));
}

// From then on the breaker's statistics contain ours.
caf::response_promise circuit_envoy::wait_until_known() {
  auto promise = make_response_promise();
  if (known_)
    promise.deliver(caf::unit);
  else
    ready_.push_back(promise);
  return promise;
}

// The breaker's answer to being attached to is its policy.
void circuit_envoy::take_policy(const circuit_breaker_policy& policy) {
  {
    std::lock_guard guard{books_->mutex};
    books_->failure_on = policy.failure_on;
    take_limits(books_->limits, limits_of(policy));
  }
  known_ = true;
  for (auto& waiting : std::exchange(ready_, {}))
    waiting.deliver(caf::unit);
}

caf::response_promise circuit_envoy::ask_probe(probe_request request) {
  request.attempt.serial = ++last_serial_;
  auto& asker = askers_[request.attempt.serial];
  asker = make_response_promise();
  send_to_breaker(caf::make_message(request));
  return asker;
}

void circuit_envoy::send_to_breaker(caf::message content) {
  compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(breaker_), ctrl(), caf::make_message_id(),
                  std::move(content), context());
}

void circuit_envoy::report(std::uint64_t round, const caf::strong_actor_ptr& to) {
  counters so_far;
  std::optional<success_batch> untold; // what is asked for now shall have them
  {
    std::lock_guard guard{books_->mutex};
    so_far = books_->calls;
    untold = books_->successes.take();
  }
  if (untold)
    send_to_breaker(caf::make_message(*untold));
  compat::tell(
      to, books_report{
              .round = round, .holder = address(), .calls = {}, .breaker = so_far, .bulkhead = {}});
}

} // namespace bulwark::sync
