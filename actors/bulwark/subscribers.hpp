#pragma once

#include "bulwark/caf_compat.hpp"

#include <caf/all.hpp>

#include <unordered_set>
#include <utility>

namespace bulwark {

/// Who wants to be told of an actor's events. To be told keeps nobody alive, and who has ended or
/// taken its name back leaves nothing behind. (Breakers that leak removed listeners: resilience4j
/// #1116, #2243.)
class subscribers {
public:
  /// Adds the sender of the message that `self` is handling, once however often it asks.
  void add_sender(caf::event_based_actor* self) {
    const auto& sender = self->current_sender();
    if (sender && addresses_.insert(caf::actor_cast<caf::actor_addr>(sender)).second)
      compat::watch(self, sender);
  }

  /// Takes the sender out. `known_otherwise`: it is watched for another reason too, and stays so.
  void remove_sender(caf::event_based_actor* self, bool known_otherwise) {
    const auto& sender = self->current_sender();
    if (sender && addresses_.erase(caf::actor_cast<caf::actor_addr>(sender)) > 0
        && !known_otherwise)
      compat::unwatch(self, sender);
  }

  /// Whether `address` was one of them.
  bool on_down(const caf::actor_addr& address) { return addresses_.erase(address) > 0; }

  template <class Event>
  void tell(const Event& event) const {
    if (addresses_.empty())
      return;
    const auto content = caf::make_message(event);
    for (const auto& address : addresses_)
      compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(address), nullptr,
                      caf::make_message_id(), content, nullptr);
  }

  [[nodiscard]] bool empty() const noexcept { return addresses_.empty(); }

private:
  std::unordered_set<caf::actor_addr> addresses_;
};

} // namespace bulwark
