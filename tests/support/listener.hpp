#pragma once

#include "bulwark/protocol.hpp"

#include <caf/all.hpp>

#include <memory>
#include <vector>

namespace bulwark_tests {

/// What a subscriber was told.
struct told {
  std::vector<bulwark::circuit_event> transitions;
  std::vector<bulwark::rejection_event> rejections;
};

/// Subscribes to a breaker or a registry at its start, and takes its name back when it is sent
/// `unsubscribe`.
inline caf::behavior listener(caf::event_based_actor* self, const caf::actor& source,
                              std::shared_ptr<told> log) {
  const auto say = [self, source](auto what) {
    bulwark::compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(source), self->ctrl(),
                             caf::make_message_id(), caf::make_message(what), self->context());
  };
  say(bulwark::subscribe_atom_v);
  return {
      [log](const bulwark::circuit_event& event) { log->transitions.push_back(event); },
      [log](const bulwark::rejection_event& event) { log->rejections.push_back(event); },
      [say](bulwark::subscribe_atom) { say(bulwark::subscribe_atom_v); },
      [say](bulwark::unsubscribe_atom) { say(bulwark::unsubscribe_atom_v); },
  };
}

/// Sends an asynchronous message from nobody.
template <class... Ts>
void tell(const caf::actor& to, Ts&&... xs) {
  bulwark::compat::tell(caf::actor_cast<caf::strong_actor_ptr>(to), std::forward<Ts>(xs)...);
}

} // namespace bulwark_tests
