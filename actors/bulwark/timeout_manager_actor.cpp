#include "bulwark/timeout_manager_actor.hpp"

#include "bulwark/supervisor_actor.hpp"
#include "bulwark/with_memory.hpp"

#include <algorithm>
#include <utility>

// Longer than 200 lines: timers, calls that it carries, and the end of both.
//
// Where memory is refused it tries again: without it no deadline of the node would ever come.

namespace bulwark {

timeout_manager_actor::timeout_manager_actor(caf::actor_config& config, std::string name)
    : marked_actor(config), name_(std::move(name)), wheel_(now()) {
  counts_.name = name_;
}

const char* timeout_manager_actor::name() const {
  return "bulwark.timeout_manager";
}

instant timeout_manager_actor::now() const {
  return instant{home_system().clock().now().time_since_epoch()};
}

// Longer than 40 lines: the table of all that it answers.
caf::behavior timeout_manager_actor::make_behavior() {
  compat::ignore_errors(this);
  compat::set_down_handler(this, [this](const caf::down_msg& down) { on_down(down.source); });
  return marking({
      [this](const wake_request& request) { wake(request); },
      [this](schedule_atom, timespan delay, const caf::message& content) {
        return schedule(delay, content);
      },
      [this](cancel_atom, std::uint64_t id) { return cancel(id); },
      [this](run_atom, const caf::actor& target, timespan timeout, const caf::message& content) {
        return run(target, timeout, content);
      },
      [this](call_atom, const caf::actor& target, const caf::message& content) {
        return run(target, default_timeout, content);
      },
      // It sets our mark: where there are calls to be carried, the registry always asks.
      [this](const stats_request& request, const caf::actor_addr& from, const guard_stats& said) {
        if (supervisor_ && from == supervisor_)
          runs_ = said;
        gathering_.answered(request.round, from);
      },
      [this](get_stats_atom) {
        return with_memory([this] {
          auto promise = make_response_promise();
          gather([this, promise]() mutable { promise.deliver(stats()); });
          return promise;
        });
      },
      [this](const stats_request& request) {
        with_memory([&] {
          gather([this, request, asker = current_sender()] {
            compat::tell(asker, request, address(), stats());
          });
        });
      },
      [this](shutdown_atom) { return shut_down(false); },
      [this](shutdown_atom, bool wait) { return shut_down(wait); },
  });
}

// -- timers ---------------------------------------------------------------------------------

void timeout_manager_actor::wake(const wake_request& request) {
  const auto& from = current_sender();
  if (!from)
    return; // nobody to wake
  auto& entry = with_memory([&]() -> timer& {
    auto content = caf::make_message(wake_up_atom_v);
    auto known = wake_ups_.find(from->id());
    if (known == wake_ups_.end())
      known = wake_ups_.emplace(from->id(), std::make_unique<timer>()).first;
    known->second->content = std::move(content);
    return *known->second;
  });
  entry.receiver = caf::actor_cast<caf::weak_actor_ptr>(from);
  entry.whom = from->id();
  insert(entry, instant{request.at});
}

std::uint64_t timeout_manager_actor::schedule(timespan delay, const caf::message& content) {
  const auto id = ++counts_.scheduled;
  auto& entry = with_memory(
      [&]() -> timer& { return *messages_.emplace(id, std::make_unique<timer>()).first->second; });
  entry.receiver = caf::actor_cast<caf::weak_actor_ptr>(current_sender());
  entry.content = content;
  entry.id = id;
  insert(entry, saturating_add(now(), std::max(delay, timespan{0})));
  return id;
}

bool timeout_manager_actor::cancel(std::uint64_t id) {
  if (messages_.erase(id) == 0)
    return false;
  ++counts_.cancelled;
  // Only where nothing is left: a later alarm for each cancelled timer would cost more than to wake
  // once for nothing.
  if (wheel_.empty())
    disarm();
  return true;
}

void timeout_manager_actor::insert(timer& entry, instant due) {
  wheel_.cancel(entry);
  if (with_memory([&] { return wheel_.insert(entry, due); }))
    with_memory([this] { arm(); });
  if (wheel_.size() >= sweep_at_)
    sweep();
}

/// Takes out what nobody waits for any more: its receiver has ended. As often as the number of
/// entries has doubled, so that it costs nothing that grows, and a timer for next year doesn't stay
/// until then.
void timeout_manager_actor::sweep() {
  const auto for_nobody = [](const auto& entry) {
    const auto receiver = caf::actor_cast<caf::strong_actor_ptr>(entry.second->receiver);
    return !receiver || compat::has_ended(receiver);
  };
  std::erase_if(wake_ups_, for_nobody);
  std::erase_if(messages_, for_nobody);
  sweep_at_ = std::max(2 * wheel_.size(), std::size_t{1024});
}

void timeout_manager_actor::arm() {
  const auto next = wheel_.next();
  if (next >= armed_)
    return;
  auto alarm = compat::schedule(this, caf::actor_clock::time_point{next.time_since_epoch()},
                                [this] { on_alarm(); });
  alarm_.dispose();
  alarm_ = std::move(alarm);
  armed_ = next;
}

void timeout_manager_actor::on_alarm() {
  set_marks();
  ++counts_.wake_ups;
  armed_ = end_of_time;
  wheel_.expire(now(), [this](wheel_entry& due) { fire(static_cast<timer&>(due)); });
  with_memory([this] { arm(); });
}

void timeout_manager_actor::fire(timer& due) {
  ++counts_.fired;
  if (auto receiver = caf::actor_cast<caf::strong_actor_ptr>(due.receiver))
    with_memory(
        [&] { compat::deliver(receiver, ctrl(), caf::make_message_id(), due.content, context()); });
  if (due.id != 0)
    messages_.erase(due.id);
  else
    wake_ups_.erase(due.whom);
}

void timeout_manager_actor::disarm() {
  alarm_.dispose();
  armed_ = end_of_time;
}

// -- calls ----------------------------------------------------------------------------------

caf::result<caf::message> timeout_manager_actor::run(const caf::actor& target, timespan timeout,
                                                     const caf::message& content) {
  return with_memory([&] {
    return compat::forward(this, supervisor(),
                           caf::make_message(run_atom_v, target, timeout, content));
  });
}

caf::actor timeout_manager_actor::supervisor() {
  if (!supervisor_) {
    caf::actor made = spawn<supervisor_actor>(supervisor_actor::settings{
        .name = name_,
        .timeout_manager = caf::strong_actor_ptr{ctrl()},
        .registry = caf::weak_actor_ptr{ctrl()}, // its farewell comes to us
    });
    compat::watch(this, made);
    supervisor_ = std::move(made);
  }
  return supervisor_;
}

void timeout_manager_actor::on_down(const caf::actor_addr& whom) {
  set_marks();
  if (!supervisor_ || whom != supervisor_)
    return;
  supervisor_ = nullptr;
  ended_runs_.calls += runs_.calls;
  ended_runs_.late_replies += runs_.late_replies;
  runs_ = {};
  gathering_.lost(whom);
  for (auto& promise : shutdowns_)
    promise.deliver(caf::unit);
  if (!shutdowns_.empty())
    quit(caf::exit_reason::user_shutdown);
}

/// Calls `and_then` when the supervisor has said what it counted.
void timeout_manager_actor::gather(std::function<void()> and_then) {
  std::vector<caf::actor_addr> asked;
  if (supervisor_)
    asked.push_back(supervisor_.address());
  gathering_.ask(
      this, asked, [](std::uint64_t number) { return stats_request{.round = number}; },
      std::move(and_then));
}

timeout_manager_stats timeout_manager_actor::stats() const {
  auto result = counts_;
  result.pending = wake_ups_.size() + messages_.size();
  result.late_replies = ended_runs_.late_replies + runs_.late_replies;
  result.calls = ended_runs_.calls;
  result.calls += runs_.calls;
  return result;
}

// -- the end --------------------------------------------------------------------------------

/// Whoever has a call under way gets its answer first: the target's where `wait`, else
/// errc::shutting_down. Scheduled messages are dropped.
caf::response_promise timeout_manager_actor::shut_down(bool wait) {
  auto promise = make_response_promise();
  if (supervisor_) {
    shutdowns_.push_back(promise);
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(supervisor_), shutdown_atom_v, wait);
  } else {
    promise.deliver(caf::unit);
    quit(caf::exit_reason::user_shutdown);
  }
  return promise;
}

void timeout_manager_actor::on_exit() {
  disarm();
  if (supervisor_)
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(supervisor_), shutdown_atom_v);
  supervisor_ = nullptr;
}

} // namespace bulwark
