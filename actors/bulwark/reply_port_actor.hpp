#pragma once

#include "bulwark/caf_compat.hpp"

#include <caf/event_based_actor.hpp>

#include <utility>

namespace bulwark {

/// In whose name a supervisor asks another node: hands the replies on, in the thread that brings
/// them. CAF keeps whoever has sent to another node alive until it ends, and a guard is to live only
/// as long as somebody has its handle. So this is kept, and the guard ends it.
class reply_port_actor : public caf::event_based_actor {
public:
  reply_port_actor(caf::actor_config& config, caf::weak_actor_ptr supervisor)
      : caf::event_based_actor(config), supervisor_(std::move(supervisor)) {}

  bool enqueue(caf::mailbox_element_ptr element, compat::enqueue_context* context) override {
    if (!element->mid.is_response())
      return caf::event_based_actor::enqueue(std::move(element), context);
    const auto supervisor = caf::actor_cast<caf::strong_actor_ptr>(supervisor_);
    return supervisor && supervisor->enqueue(std::move(element), context);
  }

  const char* name() const override { return "bulwark.reply_port"; }

protected:
  caf::behavior make_behavior() override {
    compat::ignore_errors(this);
    return {[](caf::unit_t) {}}; // nothing but replies is for us
  }

private:
  const caf::weak_actor_ptr supervisor_;
};

} // namespace bulwark
