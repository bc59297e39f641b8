#include "bulwark/timeout_manager_actor.hpp"

#include "bulwark/supervisor_actor.hpp"

#include <algorithm>
#include <utility>

namespace bulwark {

timeout_manager_actor::timeout_manager_actor(caf::actor_config& config, std::string name)
    : caf::event_based_actor(config), name_(std::move(name)), wheel_(now()) {
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
  compat::set_down_handler(this,
                           [this](const caf::down_msg& down) { holders_.on_down(down.source); });
  return {
      [this](attach_atom) {
        compat::watch(this, current_sender());
        holders_.attach(caf::actor_cast<caf::actor_addr>(current_sender()));
      },
      [this](const books_report& report) { holders_.on_report(report); },
      [this](const wake_request& request) {
        const auto from = current_sender();
        auto& entry = wake_ups_[from->id()];
        if (!entry)
          entry = std::make_unique<timer>();
        entry->receiver = caf::actor_cast<caf::weak_actor_ptr>(from);
        entry->whom = from->id();
        entry->content = caf::make_message(wake_up_atom_v);
        insert(*entry, instant{request.at});
      },
      [this](schedule_atom, timespan delay, const caf::message& content) {
        const auto id = ++counts_.scheduled;
        auto& entry = messages_[id];
        entry = std::make_unique<timer>();
        entry->receiver = caf::actor_cast<caf::weak_actor_ptr>(current_sender());
        entry->content = content;
        entry->id = id;
        insert(*entry, saturating_add(now(), std::max(delay, timespan{0})));
        return id;
      },
      [this](cancel_atom, std::uint64_t id) { return cancel(id); },
      [this](run_atom, const caf::actor& target, timespan timeout, const caf::message& content) {
        return compat::forward(this, supervisor(),
                               caf::make_message(run_atom_v, target, timeout, content));
      },
      [this](call_atom, const caf::actor& target, const caf::message& content) {
        return compat::forward(this, supervisor(),
                               caf::make_message(run_atom_v, target, default_timeout, content));
      },
      [this](get_stats_atom) {
        auto promise = make_response_promise();
        holders_.gather(this, [this, promise]() mutable { promise.deliver(stats()); });
        return promise;
      },
      [this](const stats_request& request) {
        auto asker = current_sender();
        holders_.gather(
            this, [this, request, asker] { compat::tell(asker, request, address(), stats()); });
      },
      [this](shutdown_atom) { quit(caf::exit_reason::user_shutdown); },
      [this](shutdown_atom, bool) { quit(caf::exit_reason::user_shutdown); },
  };
}

void timeout_manager_actor::insert(timer& entry, instant due) {
  wheel_.cancel(entry);
  if (wheel_.insert(entry, due))
    arm();
}

void timeout_manager_actor::arm() {
  const auto next = wheel_.next();
  if (next >= armed_)
    return;
  alarm_.dispose();
  armed_ = next;
  alarm_ = compat::schedule(this, caf::actor_clock::time_point{next.time_since_epoch()},
                            [this] { on_alarm(); });
}

void timeout_manager_actor::on_alarm() {
  ++counts_.wake_ups;
  armed_ = end_of_time;
  wheel_.expire(now(), [this](wheel_entry& due) { fire(static_cast<timer&>(due)); });
  arm();
}

void timeout_manager_actor::fire(timer& due) {
  ++counts_.fired;
  if (auto receiver = caf::actor_cast<caf::strong_actor_ptr>(due.receiver))
    compat::deliver(receiver, ctrl(), caf::make_message_id(), std::move(due.content), context());
  if (due.id != 0)
    messages_.erase(due.id);
  else
    wake_ups_.erase(due.whom);
}

bool timeout_manager_actor::cancel(std::uint64_t id) {
  if (messages_.erase(id) == 0)
    return false;
  ++counts_.cancelled;
  return true;
}

caf::actor timeout_manager_actor::supervisor() {
  if (!supervisor_)
    supervisor_ = spawn<supervisor_actor>(supervisor_actor::settings{
        .name = name_,
        .owner = caf::weak_actor_ptr{ctrl()},
        .timeout_manager = caf::strong_actor_ptr{ctrl()},
    });
  return supervisor_;
}

timeout_manager_stats timeout_manager_actor::stats() const {
  auto result = counts_;
  result.pending = wake_ups_.size() + messages_.size();
  result.calls = holders_.total(&books_report::calls);
  return result;
}

void timeout_manager_actor::on_exit() {
  alarm_.dispose();
  if (supervisor_)
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(supervisor_), shutdown_atom_v);
  supervisor_ = nullptr;
}

} // namespace bulwark
