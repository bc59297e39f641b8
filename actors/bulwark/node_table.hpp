#pragma once

#include "bulwark/caf_compat.hpp"
#include "bulwark/lease.hpp"

#include <caf/all.hpp>

#include <optional>
#include <unordered_map>
#include <utility>

namespace bulwark {

/// The nodes that use a shared part, as its owner knows them: by the actors that stand for the part
/// there, each watched from its first word on. Its core knows them by number.
class node_table {
public:
  /// The number of whoever sent the message that `self` is handling; none for nobody.
  std::optional<node_key> of_sender(caf::event_based_actor* self) {
    const auto& sender = self->current_sender();
    if (!sender)
      return std::nullopt;
    auto [found, is_new] =
        keys_.try_emplace(caf::actor_cast<caf::actor_addr>(sender), last_key_ + 1);
    if (is_new) {
      addresses_[++last_key_] = found->first;
      compat::watch(self, sender);
    }
    return found->second;
  }

  /// The number that whoever has ended had.
  std::optional<node_key> on_down(const caf::actor_addr& whom) {
    auto found = keys_.find(whom);
    if (found == keys_.end())
      return std::nullopt;
    const auto key = found->second;
    keys_.erase(found);
    addresses_.erase(key);
    return key;
  }

  [[nodiscard]] bool contains(const caf::strong_actor_ptr& whom) const {
    return whom && keys_.contains(caf::actor_cast<caf::actor_addr>(whom));
  }

  /// Sent from nobody: who may use the part need not know where it is.
  template <class Word>
  void tell(caf::event_based_actor* self, node_key node, const Word& word) const {
    if (auto i = addresses_.find(node); i != addresses_.end())
      compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(i->second), nullptr,
                      caf::make_message_id(), caf::make_message(word), self->context());
  }

  /// Or those who outlive `self` would remember it.
  void forget_all(caf::event_based_actor* self) {
    for (const auto& [address, key] : std::exchange(keys_, {}))
      compat::unwatch(self, address);
    addresses_.clear();
  }

private:
  std::unordered_map<caf::actor_addr, node_key> keys_;
  std::unordered_map<node_key, caf::actor_addr> addresses_;
  node_key last_key_ = 0;
};

} // namespace bulwark
