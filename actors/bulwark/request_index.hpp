#pragma once

#include <caf/actor_control_block.hpp>
#include <caf/message_id.hpp>

#include <cstdint>
#include <optional>
#include <unordered_map>

namespace bulwark {

/// From a caller's request to the slot of its call, for `cancel`. Most guards are never told to
/// cancel anything: nothing is kept before begin().
class request_index {
public:
  [[nodiscard]] bool in_use() const noexcept { return slots_.has_value(); }
  void begin() { slots_.emplace(); }

  void insert(const caf::strong_actor_ptr& caller, caf::message_id request, std::uint32_t slot) {
    if (slots_ && request.is_request())
      slots_->insert_or_assign(key_of(caller, request), slot);
  }

  void erase(const caf::strong_actor_ptr& caller, caf::message_id request) noexcept {
    if (slots_ && request.is_request())
      slots_->erase(key_of(caller, request));
  }

  /// Where to look: the key is a hash, so who asks must compare.
  [[nodiscard]] std::optional<std::uint32_t> find(const caf::strong_actor_ptr& caller,
                                                  caf::message_id request) const {
    if (!slots_)
      return std::nullopt;
    const auto i = slots_->find(key_of(caller, request));
    return i == slots_->end() ? std::nullopt : std::optional{i->second};
  }

private:
  std::optional<std::unordered_map<std::uint64_t, std::uint32_t>> slots_;

  static std::uint64_t key_of(const caf::strong_actor_ptr& caller,
                              caf::message_id request) noexcept {
    return ((caller ? caller->id() : 0) * 0x9e3779b97f4a7c15U)
           ^ request.request_id().integer_value();
  }
};

} // namespace bulwark
