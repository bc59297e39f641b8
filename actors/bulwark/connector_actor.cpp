#include "bulwark/connector_actor.hpp"

#include <limits>
#include <set>
#include <utility>

namespace bulwark {

connector_actor::connector_actor(caf::actor_config& config, settings init)
    : caf::event_based_actor(config), self_(std::move(init)), random_(self_.seed) {}

const char* connector_actor::name() const {
  return "bulwark.connector";
}

caf::behavior connector_actor::make_behavior() {
  compat::ignore_errors(this);
  compat::set_down_handler(this, [this](const caf::down_msg& down) { on_down(down); });
  compat::watch(this, self_.node);
  dial();
  return {
      [this](attach_atom) {
        const auto supervisor = current_sender();
        if (!supervisor)
          return;
        if (supervisors_.insert(caf::actor_cast<caf::actor_addr>(supervisor)).second)
          compat::watch(this, supervisor);
        hand_over(supervisor);
      },
  };
}

void connector_actor::dial() {
  compat::request(this, self_.dialler, caf::connect_atom_v, self_.host, self_.port)
      .then([this](const caf::node_id&, const caf::strong_actor_ptr& door,
                   const std::set<std::string>&) { take(door); },
            [this](const caf::error& why) { on_failure(why); });
}

void connector_actor::on_failure(const caf::error& why) {
  if (!std::exchange(reason_told_, true))
    report(false, why);
  if (why == caf::sec::connection_timeout)
    failures_ = 0; // it has been waited for already
  dial_later();
}

void connector_actor::report(bool connected, const caf::error& why) const {
  if (self_.on_change)
    self_.on_change(connected, why);
}

void connector_actor::dial_later() {
  if (failures_ < std::numeric_limits<std::uint32_t>::max())
    ++failures_;
  const auto delay = backoff_delay(redial_limits, failures_, timespan{0}, random_);
  compat::schedule(this, home_system().clock().now() + delay, [this] { dial(); });
}

/// A port where nobody is published answers without an actor: as good as no answer.
void connector_actor::take(caf::strong_actor_ptr door) {
  if (!door) {
    on_failure(caf::make_error(caf::sec::no_actor_published_at_port));
    return;
  }
  failures_ = 0;
  reason_told_ = false;
  door_ = std::move(door);
  compat::watch(this, door_); // one that has been lost meanwhile is told at once
  self_.line->set(door_);
  report(true, {});
  for (const auto& address : supervisors_)
    hand_over(caf::actor_cast<caf::strong_actor_ptr>(address));
}

void connector_actor::hand_over(const caf::strong_actor_ptr& supervisor) {
  if (door_)
    compat::deliver(supervisor, ctrl(), caf::make_message_id(),
                    caf::make_message(door_change{.door = door_}), context());
}

void connector_actor::on_down(const caf::down_msg& down) {
  if (door_ && down.source == door_) {
    door_ = nullptr;
    self_.line->set(nullptr);
    report(false, down.reason);
    dial_later();
  } else if (self_.node && down.source == self_.node) {
    quit(caf::exit_reason::user_shutdown);
  } else {
    supervisors_.erase(down.source);
  }
}

void connector_actor::on_exit() {
  self_.line->set(nullptr);
  for (const auto* watched : {&self_.node, &door_})
    compat::unwatch(this, *watched); // or what outlives us would remember us
  self_.dialler = nullptr;
  self_.on_change = nullptr;
  self_.node = nullptr;
  door_ = nullptr;
}

} // namespace bulwark
