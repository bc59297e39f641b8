#pragma once

#include "bulwark/caf_compat.hpp"

#include <caf/all.hpp>

#include <atomic>

/// @file How the registry knows that it needn't ask a part again: one that nothing has happened to
/// since it was last asked would say the same.

namespace bulwark {

/// Whether figures may have changed since the registry last asked for them.
///
/// Why nothing is missed, though all is relaxed: messages order it. What changes figures sets the
/// mark before anybody can know of the change, so who has its answer and then reads finds the mark
/// set. And the registry clears it before it asks: what is handled before the question is in the
/// answer, and what is handled after it finds the mark cleared, and sets it again.
class change_mark {
public:
  /// From any thread. A load, while nobody reads: those who share a part don't wait for each other.
  void set() noexcept {
    if (!set_.load(std::memory_order_relaxed))
      set_.store(true, std::memory_order_relaxed);
  }

  /// Whether it was set; it no longer is. For the registry alone.
  [[nodiscard]] bool clear() noexcept {
    return set_.load(std::memory_order_relaxed) && set_.exchange(false, std::memory_order_relaxed);
  }

private:
  std::atomic<bool> set_{true};
};

/// The mark that those set who count for a part: they may outlive it.
class shared_change_mark final : public caf::ref_counted, public change_mark {};

using shared_change_mark_ptr = caf::intrusive_ptr<shared_change_mark>;

/// A part whose figures the registry needn't ask for again while its mark isn't set. Each message
/// sets it, but those that only ask: when it is sent, so that who sends and then reads finds what it
/// sent, and when it is handled.
class marked_actor : public caf::event_based_actor {
public:
  using caf::event_based_actor::event_based_actor;

  /// Runs in the sender's thread.
  bool enqueue(caf::mailbox_element_ptr element, compat::enqueue_context* context) override;

  /// Whether the part's figures may have changed; from now on it is remembered anew. For the
  /// registry alone.
  [[nodiscard]] virtual bool clear_marks() noexcept { return own_.clear(); }

protected:
  /// Its figures, or those that it counts for others, are about to change. Thread-safe.
  virtual void set_marks() noexcept { own_.set(); }

  /// The same where it is about to handle `content`, and that doesn't only ask.
  void set_marks_for(const caf::message& content) noexcept;

  /// `table`, with set_marks_for() before each message.
  [[nodiscard]] caf::behavior marking(caf::behavior table);

private:
  change_mark own_;
};

} // namespace bulwark
