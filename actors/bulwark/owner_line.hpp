#pragma once

#include "bulwark/caf_compat.hpp"
#include "bulwark/protocol.hpp"

#include <caf/all.hpp>

#include <string>
#include <utility>

namespace bulwark {

/// The way from a node's part to the part of another node that it stands for: through that node's
/// front door, which a connector finds again after each loss. On the owner's own node the part
/// itself is the door.
class owner_line {
public:
  struct settings {
    std::string part = {};           ///< Its name on the owner's node.
    caf::actor connector = {};       ///< Invalid on the owner's own node.
    caf::strong_actor_ptr door = {}; ///< Null while there is no connection.
  };

  owner_line(caf::event_based_actor* self, settings init) : self_(self), init_(std::move(init)) {}

  /// Asks the connector for the door, now and after each loss.
  void open() {
    compat::watch(self_, init_.door);
    compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(init_.connector), self_->ctrl(),
                    caf::make_message_id(), caf::make_message(attach_atom_v), self_->context());
  }

  [[nodiscard]] bool up() const noexcept { return init_.door != nullptr; }

  /// Whether it is another door than before.
  bool change(const caf::strong_actor_ptr& door) {
    if (door == init_.door)
      return false;
    compat::unwatch(self_, init_.door);
    init_.door = door;
    compat::watch(self_, init_.door); // one that has been lost meanwhile is told at once
    return true;
  }

  /// Whether the door was lost.
  bool on_down(const caf::actor_addr& whom) {
    if (!init_.door || whom != init_.door)
      return false;
    init_.door = nullptr;
    return true;
  }

  /// Dropped where there is no connection.
  template <class Report>
  void send(const Report& report) const {
    compat::deliver(init_.door, self_->ctrl(), caf::make_message_id(),
                    caf::make_message(init_.part, report), self_->context());
  }

  void close() {
    compat::unwatch(self_, init_.door); // or what outlives us would remember us
    init_ = {};
  }

private:
  caf::event_based_actor* self_;
  settings init_;
};

/// Another node's part that one of ours stands for.
struct part_owner {
  owner_line::settings line = {};
  owner_lost when_lost = owner_lost::local;
};

} // namespace bulwark
