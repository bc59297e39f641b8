#include "bulwark/shared_bulkhead_actor.hpp"

#include <chrono>
#include <utility>

namespace bulwark {

namespace {

/// Greater than what an owner of the same name gave before: as long as nobody sets the clock back.
std::uint64_t time_of_day() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<timespan>(std::chrono::system_clock::now().time_since_epoch())
          .count());
}

} // namespace

shared_bulkhead_actor::shared_bulkhead_actor(caf::actor_config& config, settings init)
    : caf::event_based_actor(config),
      self_(std::move(init)),
      core_(self_.policy, self_.sharing.lease_time, time_of_day(), *this) {}

const char* shared_bulkhead_actor::name() const {
  return "bulwark.shared_bulkhead";
}

instant shared_bulkhead_actor::now() const {
  return instant{home_system().clock().now().time_since_epoch()};
}

caf::behavior shared_bulkhead_actor::make_behavior() {
  compat::ignore_errors(this);
  compat::set_down_handler(this, [this](const caf::down_msg& down) { on_down(down.source); });
  return {
      [this](const std::string&, const share_report& report) { take(report); },
      [this](wake_up_atom) {
        armed_ = end_of_time;
        core_.on_tick(now());
        after_event();
      },
      [this](change_policy_atom, const bulkhead_policy& policy) { return change_policy(policy); },
      [this](const stats_request& request) {
        compat::tell(current_sender(), request, address(), stats());
      },
      [this](get_stats_atom) { return stats(); },
      [this](shutdown_atom) { shut_down(); },
      [this](shutdown_atom, bool) { shut_down(); },
  };
}

void shared_bulkhead_actor::take(const share_report& report) {
  if (const auto from = nodes_.of_sender(this))
    core_.on_report(*from, report, now());
  after_event();
}

void shared_bulkhead_actor::on_down(const caf::actor_addr& whom) {
  if (const auto lost = nodes_.on_down(whom))
    core_.lose(*lost);
  after_event();
}

void shared_bulkhead_actor::after_event() {
  if (const auto due = core_.due(); due < armed_) {
    armed_ = due;
    compat::deliver(self_.timeout_manager, ctrl(), caf::make_message_id(),
                    caf::make_message(wake_request{.at = due.time_since_epoch()}), context());
  }
}

void shared_bulkhead_actor::grant(node_key node, const share_grant& grant) {
  nodes_.tell(this, node, grant);
}

caf::result<void> shared_bulkhead_actor::change_policy(const bulkhead_policy& policy) {
  if (const auto mistakes = find_sharing_mistakes(policy); !mistakes.empty())
    return make_failure(errc::invalid_policy,
                        {.part = self_.name, .last_error = to_string(mistakes)});
  self_.policy = policy;
  core_.change_policy(policy);
  after_event();
  return caf::unit;
}

void shared_bulkhead_actor::shut_down() {
  quit(caf::exit_reason::user_shutdown);
}

/// What of it is out, over all nodes. Calls are in the books of the nodes that made them.
bulkhead_stats shared_bulkhead_actor::stats() const {
  return {.name = self_.name,
          .max_workers = self_.policy.max_workers,
          .queue_size = self_.policy.queue_size,
          .active = static_cast<std::uint32_t>(core_.leased()),
          .queued = static_cast<std::uint32_t>(core_.queued())};
}

/// Whatever has ended it: another of the name knows nothing of what nodes hold.
void shared_bulkhead_actor::on_exit() {
  core_.close();
  nodes_.forget_all(this);
}

} // namespace bulwark
