#pragma once

#include "bulwark/caf_compat.hpp"
#include "bulwark/chaos.hpp"
#include "bulwark/policy.hpp"

#include <caf/actor_control_block.hpp>
#include <caf/message.hpp>
#include <caf/message_id.hpp>

namespace bulwark {

/// What is wrong with a policy for a guard whose target is on another node: that one can't be ended,
/// for what would end is the node's front door.
policy_mistakes find_mistakes(const chaos_policy& policy, bool on_other_node);

/// An attempt on its way to the target.
struct attempt_delivery {
  const caf::strong_actor_ptr& target;
  caf::strong_actor_ptr reply_to;
  caf::message_id id;
  caf::message content;
};

/// Delivers the attempt as chaos has decided; fault::none: as without it. `guard`: who gets an error
/// in the target's name.
void deliver_with(fault what, bool transient_errors, attempt_delivery attempt,
                  const caf::strong_actor_ptr& guard, compat::enqueue_context* context);

} // namespace bulwark
