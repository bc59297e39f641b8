#include "bulwark/named_parts.hpp"

#include "bulwark/node.hpp"

namespace bulwark {

namespace {

caf::actor find(const std::map<std::string, caf::actor>& parts, const std::string& name) {
  const auto found = parts.find(name);
  return found == parts.end() ? caf::actor{} : found->second;
}

} // namespace

void named_parts::make(const part_settings& next,
                       const std::function<void(const caf::actor&)>& on_circuit_breaker) {
  for (const auto& [name, part] : next.circuit_breakers) {
    if (told_.circuit_breakers.contains(name))
      continue;
    const auto made = part.shared ? node_.shared_circuit_breaker(name, part.policy, *part.shared)
                                  : node_.circuit_breaker(name, part.policy);
    circuit_breakers_[name] = made;
    told_.circuit_breakers[name] = part;
    if (!on_circuit_breaker)
      continue;
    if (part.shared) // the circuit of all nodes; `made` is this node's
      on_circuit_breaker(node_.directory()->find_shared(part_kind::circuit_breaker, name));
    on_circuit_breaker(made);
  }
  for (const auto& [name, part] : next.bulkheads) {
    if (told_.bulkheads.contains(name))
      continue;
    bulkheads_[name] = part.shared ? node_.shared_bulkhead(name, part.policy,
                                                           {.lease_time = part.shared->lease_time})
                                   : node_.bulkhead(name, part.policy);
    told_.bulkheads[name] = part;
  }
}

void named_parts::change(const part_settings& next) {
  const auto change = [this](auto& now, const auto& then, part_kind kind, const auto& parts) {
    for (const auto& [name, part] : then) {
      auto& known = now.at(name);
      if (known.policy == part.policy)
        continue;
      known.policy = part.policy;
      // Of one that nodes share the owner has the numbers; ours hears them from it.
      const auto& actor = part.shared ? node_.directory()->find_shared(kind, name) : parts.at(name);
      compat::tell(caf::actor_cast<caf::strong_actor_ptr>(actor), change_policy_atom_v,
                   part.policy);
    }
  };
  change(told_.circuit_breakers, next.circuit_breakers, part_kind::circuit_breaker,
         circuit_breakers_);
  change(told_.bulkheads, next.bulkheads, part_kind::bulkhead, bulkheads_);
}

void named_parts::put_into(guard_policy& policy, const guard_settings& guard) const {
  if (const auto* name = std::get_if<std::string>(&guard.circuit_breaker))
    if (auto part = circuit_breaker(*name))
      policy.breaker = std::move(part);
  if (const auto* name = std::get_if<std::string>(&guard.bulkhead))
    if (auto part = bulkhead(*name))
      policy.bulkhead = std::move(part);
}

caf::actor named_parts::circuit_breaker(const std::string& name) const {
  return find(circuit_breakers_, name);
}

caf::actor named_parts::bulkhead(const std::string& name) const {
  return find(bulkheads_, name);
}

} // namespace bulwark
