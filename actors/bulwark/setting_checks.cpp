#include "bulwark/setting_checks.hpp"

#include <algorithm>

namespace bulwark {

void setting_checks::ranges(const std::string& path, const policy_mistakes& found, bool keep) {
  for (const auto& mistake : found) {
    auto key = mistake.field;
    if (!keep || key.rfind("guard.", 0) == 0)
      key = key.substr(key.find('.') + 1);
    std::replace(key.begin(), key.end(), '_', '-');
    key = path + "." + key;
    const auto as_written = notes_.written.find(key);
    complain("{} = {}: must be {}", key,
             as_written == notes_.written.end() ? mistake.value : as_written->second,
             mistake.permitted);
  }
}

void setting_checks::parts() {
  for (const auto& [name, part] : parts_.circuit_breakers) {
    ranges("bulwark.circuit-breakers." + name, find_mistakes(limits_of(part.policy)));
    sharing("bulwark.circuit-breakers." + name, part.shared);
  }
  for (const auto& [name, part] : parts_.bulkheads) {
    ranges("bulwark.bulkheads." + name,
           part.shared ? find_sharing_mistakes(part.policy) : find_mistakes(part.policy));
    sharing("bulwark.bulkheads." + name, part.shared);
  }
}

template <class Sharing>
void setting_checks::sharing(const std::string& path, const std::optional<Sharing>& shared) {
  if (shared)
    ranges(path + ".shared", find_mistakes(sharing_policy{.lease_time = shared->lease_time}));
}

void setting_checks::guard(const std::string& name, const guard_settings& guard,
                           const guard_policy& policy) {
  const auto path = "bulwark.guards." + name;
  ranges(path, find_mistakes(policy), true);
  part(name, "circuit-breaker", guard.circuit_breaker, parts_.circuit_breakers);
  part(name, "bulkhead", guard.bulkhead, parts_.bulkheads);
  budget(name, guard);
  if (guard.shows_permit && !may_be_shared(guard.bulkhead))
    complain("{}.shows-permit = true: only where bulkhead is one that nodes share: {}one in "
             "bulwark.bulkheads that has shared {{ … }}",
             path, elsewhere_ != nullptr ? "another node's, HOST:PORT/NAME, or " : "");
}

// Also where nobody has that name: that is a mistake of its own.
bool setting_checks::may_be_shared(const part_choice<bulkhead_policy>& part) const {
  const auto* name = std::get_if<std::string>(&part);
  if (name == nullptr)
    return false;
  const auto found = parts_.bulkheads.find(*name);
  return found == parts_.bulkheads.end() || found->second.shared;
}

template <class Policy, class Part>
void setting_checks::part(const std::string& guard, std::string_view key,
                          const part_choice<Policy>& part,
                          const std::map<std::string, Part>& named) {
  const auto path = "bulwark.guards." + guard;
  if (const auto* name = std::get_if<std::string>(&part);
      name && !named.contains(*name) && !is_other_nodes(*name))
    complain("{0}.{1} = {2}: must be the name of one in bulwark.{1}s, {3}or a group, {{ … }}", path,
             key, *name, elsewhere_ != nullptr ? "another node's as HOST:PORT/NAME, " : "");
  if (std::holds_alternative<Policy>(part) && named.contains(guard))
    complain("{0}.{1}: the guard's own one would be called {2}, and so is one in bulwark.{1}s; "
             "say {1} = \"{2}\", or give it another name",
             path, key, guard);
}

// Budgets of one name are one.
void setting_checks::budget(const std::string& name, const guard_settings& guard) {
  if (!guard.retry || !guard.retry->budget || guard.retry->budget->name.empty())
    return;
  const auto& budget = *guard.retry->budget;
  const auto& [first, numbers] = budgets_.try_emplace(budget.name, name, budget).first->second;
  if (!(numbers == budget))
    complain("bulwark.guards.{}.retry.budget.name = {}: must have another name or the numbers of "
             "that in bulwark.guards.{}",
             name, budget.name, first);
}

} // namespace bulwark
