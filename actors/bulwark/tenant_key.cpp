#include "bulwark/tenant_key.hpp"

#include <random>

namespace bulwark {

const hash_secret& process_secret() {
  static const auto result = [] {
    std::random_device chance;
    const auto number = [&] { return (std::uint64_t{chance()} << 32U) | chance(); };
    return hash_secret{number(), number()};
  }();
  return result;
}

std::uint64_t tenant_key(const call_context& said) {
  return said.tenant.empty() ? 0 : hash_of(said.tenant, process_secret());
}

} // namespace bulwark
