#pragma once

#include "bulwark/all.hpp"

#include <caf/all.hpp>

#include <functional>
#include <string>

namespace apps {

/// What to do with what the registry tells its subscribers. Called by an actor, one at a time.
struct event_handlers {
  std::function<void(const bulwark::circuit_event&)> on_transition;
  std::function<void(const bulwark::rejection_event&)> on_rejection;
};

/// Subscribes to the node's registry, as long as the actor that is returned lives. When this
/// returns, nothing that happens from now on is missed.
caf::actor listen(bulwark::node& node, event_handlers handlers);

/// "closed -> open (failure_threshold, 5 failures)"
std::string to_text(const bulwark::circuit_event& event);

} // namespace apps
