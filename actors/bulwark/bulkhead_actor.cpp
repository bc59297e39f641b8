// Longer than 200 lines: two kinds of work, messages and functions, wait in the one queue.
#include "bulwark/bulkhead_actor.hpp"

#include "bulwark/supervisor_actor.hpp"
#include "bulwark/with_memory.hpp"

#include <exception>
#include <stdexcept>
#include <utility>

namespace bulwark {

namespace {

constexpr std::uint64_t serial_bits = 32;

ticket_id ticket_of(attempt_id attempt) noexcept {
  return (ticket_id{attempt.slot} << serial_bits) | attempt.serial;
}

attempt_id attempt_of(ticket_id ticket) noexcept {
  return {.slot = static_cast<std::uint32_t>(ticket >> serial_bits),
          .serial = static_cast<std::uint32_t>(ticket)};
}

} // namespace

bulkhead_actor::bulkhead_actor(caf::actor_config& config, settings init)
    : marked_actor(config),
      self_(std::move(init)),
      core_(self_.policy, *this, id() * 0x9e3779b97f4a7c15U) {
  if (!self_.of)
    return;
  auto view = std::make_shared<lease_view>();
  auto& shows = *view;
  sharing_.reset(new sharing{.when_lost = self_.of->when_lost,
                             .line = owner_line{this, std::move(self_.of->line)},
                             .view = std::move(view),
                             .share = {core_, shows, static_cast<bulkhead_share_effects&>(*this),
                                       self_.of->when_lost, now()}});
}

const char* bulkhead_actor::name() const {
  return "bulwark.bulkhead";
}

// Longer than 40 lines: the table of all that it answers.
caf::behavior bulkhead_actor::make_behavior() {
  compat::ignore_errors(this);
  compat::set_down_handler(this, [this](const caf::down_msg& down) { on_down(down); });
  if (sharing_) {
    sharing_->line.open();
    change_line(sharing_->line.up());
  }
  return marking({
      [this](const permit_request& request) {
        with_sender([&](holder_id from) {
          core_.ask(from, ticket_of(request.attempt),
                    {.importance = request.importance, .tenant = request.tenant});
        });
      },
      [this](const samples_report& report) {
        tell_time();
        core_.on_samples({.first = instant{report.first},
                          .count = report.count,
                          .total = report.total,
                          .squares = report.squares,
                          .dropped = report.dropped});
        after_event();
      },
      [this](const permit_withdrawal& withdrawal) {
        with_sender([&](holder_id from) { core_.withdraw(from, ticket_of(withdrawal.attempt)); });
      },
      [this](const permit_return& permits) {
        with_sender([&](holder_id from) { core_.give_back(from, permits.count); });
      },
      [this](const lease_answer& answer) {
        with_sender(
            [&](holder_id from) { core_.on_recalled(from, answer.round, answer.returned); });
      },
      [this](attach_atom) {
        with_sender(
            [&](holder_id) { compat::tell(current_sender(), change_policy_atom_v, self_.policy); });
      },
      [this](const books_report& report) { holders_.on_report(report); },
      [this](const share_grant& grant) {
        if (sharing_)
          sharing_->share.on_grant(grant, now());
        after_event();
      },
      [this](const door_change& change) {
        if (sharing_ && sharing_->line.change(change.door))
          change_line(true);
      },
      [this](wake_up_atom) {
        if (sharing_)
          sharing_->armed = end_of_time;
        after_event();
      },
      [this](call_atom, const caf::actor& target, const caf::message& content) {
        return carry(caf::make_message(call_atom_v, target, content));
      },
      [this](cancel_atom, std::uint64_t request) {
        if (supervisor_)
          compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(supervisor_), current_sender(),
                          caf::make_message_id(), caf::make_message(cancel_atom_v, request),
                          context());
      },
      [this](execute_atom, const work& job) { return execute(job, unbounded); },
      [this](execute_atom, const work& job, timespan timeout) { return execute(job, timeout); },
      [this](available_capacity_atom) {
        auto promise = make_response_promise();
        when_settled([this, promise]() mutable { promise.deliver(core_.free()); });
        return promise;
      },
      [this](change_policy_atom, const bulkhead_policy& policy) { return change_policy(policy); },
      [this](const stats_request& request) {
        auto asker = current_sender();
        when_settled([this, request, asker] { compat::tell(asker, request, address(), stats()); });
      },
      [this](get_stats_atom) {
        auto promise = make_response_promise();
        when_settled([this, promise]() mutable { promise.deliver(stats()); });
        return promise;
      },
      [this](shutdown_atom) { return shut_down(false); },
      [this](shutdown_atom, bool wait) { return shut_down(wait); },
  });
}

// -- holders ------------------------------------------------------------------------------

holder_id bulkhead_actor::holder_of(const caf::strong_actor_ptr& holder) {
  auto address = caf::actor_cast<caf::actor_addr>(holder);
  if (holders_.attach(address)) {
    compat::watch(this, holder);
    ids_[address] = ++last_id_;
    addresses_[last_id_] = address;
  }
  return ids_[address];
}

/// Calls `f` with the holder that sent the message. From nobody there is nothing to hold.
template <class F>
void bulkhead_actor::with_sender(F f) {
  if (const auto& holder = current_sender()) {
    tell_time();
    f(holder_of(holder));
    after_event();
  }
}

/// Where its policy needs it.
void bulkhead_actor::tell_time() {
  if (core_.needs_time())
    core_.advance(now());
}

instant bulkhead_actor::now() const {
  return instant{home_system().clock().now().time_since_epoch()};
}

void bulkhead_actor::on_down(const caf::down_msg& down) {
  set_marks();
  if (sharing_ && sharing_->line.on_down(down.source))
    change_line(false);
  if (!holders_.on_down(down.source))
    return;
  const auto id = ids_[down.source];
  ids_.erase(down.source);
  addresses_.erase(id);
  tell_time();
  core_.lose(id);
  if (supervisor_ && down.source == supervisor_)
    supervisor_ = nullptr;
  after_event();
}

template <class T>
void bulkhead_actor::tell_holder(holder_id holder, const T& content) {
  if (auto i = addresses_.find(holder); i != addresses_.end())
    compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(i->second), ctrl(),
                    caf::make_message_id(), caf::make_message(content), context());
}

void bulkhead_actor::grant(holder_id holder, ticket_id ticket, std::uint32_t extra, bool keep) {
  tell_holder(holder, permit_grant{.attempt = attempt_of(ticket), .extra = extra, .keep = keep});
}

void bulkhead_actor::refuse(holder_id holder, ticket_id ticket, errc why) {
  tell_holder(holder, permit_refusal{.attempt = attempt_of(ticket), .why = why});
}

void bulkhead_actor::recall(holder_id holder, std::uint64_t round) {
  tell_holder(holder, lease_recall{.round = round});
}

// -- a share of another node's bulkhead --------------------------------------------------------

void bulkhead_actor::change_line(bool up) {
  sharing_->share.on_line(up, now());
  after_event();
}

void bulkhead_actor::report(const share_report& report) {
  sharing_->line.send(report);
}

void bulkhead_actor::policy_changed(const bulkhead_policy& policy) {
  publish_policy(policy);
}

void bulkhead_actor::keep_up_share() {
  auto& [when_lost, line, view, share, armed] = *sharing_;
  share.on_change(now());
  if (const auto due = share.due(); due < armed) {
    armed = due;
    compat::deliver(self_.timeout_manager, ctrl(), caf::make_message_id(),
                    caf::make_message(wake_request{.at = due.time_since_epoch()}), context());
  }
}

// -- functions ------------------------------------------------------------------------------

caf::actor bulkhead_actor::supervisor() {
  if (!supervisor_) {
    supervisor_ = spawn<supervisor_actor>(supervisor_actor::settings{
        .name = self_.name,
        .limits = {.bulkhead = true,
                   .queue_timeout = self_.policy.queue_timeout,
                   .tells_samples = self_.policy.adaptive.has_value()},
        .bulkhead_name = self_.name,
        .bulkhead = caf::weak_actor_ptr{ctrl()},
        .lease = lease(),
        .marks = {holders_.mark()},
        .timeout_manager = self_.timeout_manager,
    });
    // Not only at its first word: who asks for our books must hear of what it is about to carry.
    holder_of(caf::actor_cast<caf::strong_actor_ptr>(supervisor_));
  }
  return supervisor_;
}

caf::result<caf::message> bulkhead_actor::carry(caf::message content) {
  if (closing_) {
    ++refused_;
    return make_failure(errc::shutting_down, {.part = self_.name});
  }
  return compat::forward(this, supervisor(), std::move(content));
}

caf::result<caf::message> bulkhead_actor::execute(const work& job, timespan timeout) {
  if (!pool_)
    pool_ = spawn(worker_pool_actor, self_.threads);
  return carry(caf::make_message(execute_atom_v, pool_, timeout, job));
}

namespace {

caf::message failure(const char* why) {
  return with_memory(
      [why] { return caf::make_message(caf::make_error(caf::sec::runtime_error, why)); });
}

// On a thread that nobody looks after: an exception would end the process.
caf::message result_of(const std::function<caf::message()>& run) {
  try {
    return run();
  } catch (const std::exception& error) {
    return failure(error.what());
  } catch (...) {
    return failure("unknown exception");
  }
}

} // namespace

caf::behavior worker_pool_actor(caf::event_based_actor* self,
                                std::shared_ptr<worker_pool> threads) {
  return {
      [self, threads](const work& job) -> caf::result<caf::message> {
        if (!job.run)
          return caf::make_error(caf::sec::invalid_argument, "there is no function in the work");
        const auto& element = *self->current_mailbox_element();
        auto answer = [job, to = element.sender, id = element.mid.response_id(),
                       from = caf::strong_actor_ptr{self->ctrl()}] {
          const auto result = job.stop.stop_requested()
                                  ? caf::make_message(caf::make_error(errc::cancelled))
                                  : result_of(*job.run);
          with_memory([&] { compat::deliver(to, from, id, result, nullptr); });
        };
        try {
          threads->submit(std::move(answer));
        } catch (const std::logic_error&) { // its node is ending
          return make_failure(errc::shutting_down, {});
        } catch (const std::exception& error) {
          return caf::make_error(caf::sec::runtime_error, error.what());
        }
        return caf::delegated<caf::message>{};
      },
  };
}

// -- a bulkhead's own life --------------------------------------------------------------------

/// Calls `then` when what is leased is what is in use, and all that was counted is told.
template <class F>
void bulkhead_actor::when_settled(F then) {
  ++counting_;
  core_.lease_extras(false);
  core_.recall_all();
  // A holder answers in order: its books come after its permits, and after its wishes for more.
  holders_.gather(this, [this, then]() mutable {
    core_.lease_extras(--counting_ == 0 && (!sharing_ || sharing_->share.may_keep()));
    then();
  });
}

void bulkhead_actor::after_event() {
  if (sharing_)
    keep_up_share();
  if (!core_.shutting_down() || core_.leased() > 0 || core_.queued() > 0)
    return;
  if (supervisor_) {
    // Its permits are home, but its last answers may be under way: it ends before we say so.
    if (!std::exchange(drained_, true))
      compat::tell(caf::actor_cast<caf::strong_actor_ptr>(supervisor_), shutdown_atom_v, true);
  } else {
    for (auto& promise : std::exchange(shutdowns_, {}))
      promise.deliver(caf::unit);
    quit(caf::exit_reason::user_shutdown);
  }
}

caf::response_promise bulkhead_actor::shut_down(bool wait) {
  auto promise = make_response_promise();
  if (!wait) {
    core_.shut_down(false);
    promise.deliver(caf::unit);
    quit(caf::exit_reason::user_shutdown);
    return promise;
  }
  shutdowns_.push_back(promise);
  // What was sent to us before may still be on its way through the supervisor. It is let in: when
  // all holders have answered, it waits in the queue.
  if (!std::exchange(closing_, true))
    holders_.gather(this, [this] {
      core_.shut_down(true);
      after_event();
    });
  return promise;
}

caf::result<void> bulkhead_actor::change_policy(const bulkhead_policy& policy) {
  if (sharing_)
    return make_failure(errc::invalid_policy,
                        {.part = self_.name, .last_error = "the policy is its owner's to change"});
  if (const auto mistakes = find_mistakes(policy); !mistakes.empty())
    return make_failure(errc::invalid_policy,
                        {.part = self_.name, .last_error = to_string(mistakes)});
  core_.advance(now());
  core_.change_policy(policy);
  publish_policy(policy);
  return caf::unit;
}

void bulkhead_actor::publish_policy(const bulkhead_policy& policy) {
  {
    std::lock_guard guard{policy_mutex_};
    self_.policy = policy;
  }
  for (const auto& holder : holders_.addresses())
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(holder), change_policy_atom_v, policy);
}

bulkhead_stats bulkhead_actor::stats() const {
  const auto books = holders_.total(&books_report::bulkhead);
  return {.name = self_.name,
          .max_workers = self_.policy.max_workers,
          .queue_size = self_.policy.queue_size,
          .active = core_.leased(),
          .queued = core_.queued(),
          .completed = books.succeeded,
          .failed = books.failed,
          .rejected = books.rejected + refused_,
          .timed_out = books.timed_out,
          .cancelled = books.cancelled,
          .abandoned = holders_.abandoned(),
          .calls = books.calls + refused_,
          .limit = core_.limit(),
          .shed = core_.shed()};
}

bool bulkhead_actor::clear_marks() noexcept {
  const auto holders_counted = holders_.mark()->clear();
  return marked_actor::clear_marks() || holders_counted;
}

void bulkhead_actor::on_exit() {
  for (auto& promise : shutdowns_)
    promise.deliver(caf::unit);
  supervisor_ = nullptr;
  pool_ = nullptr;
  if (sharing_)
    sharing_->line.close();
}

} // namespace bulwark
