#pragma once

#include "bulwark/node.hpp"

#include <caf/all.hpp>

#include <string>

namespace bulwark {

/// A bulkhead that belongs to a scope: leaving the scope shuts it down and waits until what runs
/// and what is queued has finished.
///
///     {
///       bulwark::scoped_bulkhead images{node, "images", {.max_workers = 4}};
///       bulwark::execute(self, images, render, page).then(…);
///     } // all rendered
///
/// Leave the scope outside of actors: it waits. A part of that name that the node has already is
/// the one that is shut down, for whoever else uses it too.
class scoped_bulkhead {
public:
  /// Throws policy_error as node::bulkhead() does.
  scoped_bulkhead(node& owner, const std::string& name, const bulkhead_policy& policy = {})
      : system_(owner.system()), bulkhead_(owner.bulkhead(name, policy)) {}

  scoped_bulkhead(const scoped_bulkhead&) = delete;
  scoped_bulkhead& operator=(const scoped_bulkhead&) = delete;

  ~scoped_bulkhead() { shut_down(); }

  [[nodiscard]] const caf::actor& get() const noexcept { return bulkhead_; }
  // NOLINTNEXTLINE(google-explicit-constructor): it stands for the actor wherever one is wanted.
  operator const caf::actor&() const noexcept { return bulkhead_; }

  /// Ends it now: with `wait` when all is finished, else the queued ones are answered with
  /// errc::shutting_down. A second call does nothing.
  void shut_down(bool wait = true) {
    caf::scoped_actor self{system_};
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(bulkhead_), shutdown_atom_v, wait);
    self->wait_for(bulkhead_);
  }

private:
  caf::actor_system& system_;
  caf::actor bulkhead_;
};

} // namespace bulwark
