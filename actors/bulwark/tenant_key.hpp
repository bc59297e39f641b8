#pragma once

#include "bulwark/call_context.hpp"
#include "bulwark/key_hash.hpp"

#include <cstdint>

namespace bulwark {

/// What tenants and kept replies are hashed with: strangers choose their names, and are not to choose
/// who they collide with. One for the process, for its bulkheads are asked by many guards.
[[nodiscard]] const hash_secret& process_secret();

/// A call's tenant for those who only tell tenants apart; 0: nobody in particular.
[[nodiscard]] std::uint64_t tenant_key(const call_context& said);

} // namespace bulwark
