#pragma once

#include "bulwark/call_context.hpp"
#include "bulwark/time.hpp"

#include <caf/actor_control_block.hpp>
#include <caf/error.hpp>
#include <caf/message.hpp>
#include <caf/message_id.hpp>

#include <cstdint>
#include <memory>

namespace bulwark {

/// Who waits for a call's answer, and what it takes to try again.
struct guarded_call {
  /// No call of a flight: see reply_sharing.hpp.
  static constexpr std::uint32_t alone = ~std::uint32_t{0};

  caf::strong_actor_ptr caller = {};
  caf::message_id id = {};
  caf::strong_actor_ptr target = {}; ///< Where the call names one: else it is the guard's own.
  bool names_target = false;
  bool through_door = false; ///< From outside: answered in the front door's name.
  bool by_guard = false;     ///< Of another node.
  bool is_spent = false;     ///< The content has gone to the target, and none is left.
  /// Where it says more than how much time is left.
  std::unique_ptr<call_context> context = {};
  caf::message content = {};
  caf::error last_error = {};
  /// Only where the guard has a fallback or shares replies: until when the caller waits.
  instant deadline = end_of_time;
  std::uint32_t flight = alone; ///< That it leads.
};

} // namespace bulwark
