#pragma once

#include "bulwark/permit.hpp"

#include <caf/message_id.hpp>

#include <cstdint>

namespace bulwark {

/// A guard's request to its target has an id that names the attempt, so that the reply finds its call
/// at once: 28 bits for the slot, 32 for the serial.
inline constexpr std::uint64_t slot_bits = 28;

[[nodiscard]] inline caf::message_id id_of(attempt_id attempt) noexcept {
  return caf::make_message_id((std::uint64_t{attempt.serial} << slot_bits) | attempt.slot
                              | caf::message_id::default_async_value);
}

[[nodiscard]] inline attempt_id attempt_of(caf::message_id id) noexcept {
  constexpr auto slot_mask = (std::uint64_t{1} << slot_bits) - 1;
  const auto value = id.request_id().integer_value();
  return {.slot = static_cast<std::uint32_t>(value & slot_mask),
          .serial = static_cast<std::uint32_t>(value >> slot_bits)};
}

} // namespace bulwark
