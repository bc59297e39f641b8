#include "bulwark/loaded_settings.hpp"

#include "bulwark/node.hpp"
#include "bulwark/setting_changes.hpp"

#include <fmt/format.h>

#include <set>
#include <utility>

namespace bulwark {

void loaded_settings::load(const caf::settings& settings) {
  auto [next, wrong] = read_node_settings(settings);
  auto& directory = *node_.directory();
  const auto still = directory.hold(); // nobody makes a guard or a part between check and change
  if (directory.closed())
    throw resilience_error{errc::shutting_down, {.last_error = "the node has been shut down"}};
  setting_changes{wrong, "the node has ended"}.parts(parts_.told(), next);
  check_new_parts(next, wrong);
  check_guards(next, wrong);
  if (!wrong.empty())
    throw settings_error{std::move(wrong)};
  parts_.make(next);
  parts_.change(next);
  change_guards(next);
  std::set<std::string> names;
  for (const auto& [name, guard] : next.guards)
    names.insert(name);
  directory.reserve(std::move(names));
  in_force_ = std::move(next);
}

guard_policy loaded_settings::policy(const std::string& guard) const {
  const auto found = in_force_.guards.find(guard);
  if (found == in_force_.guards.end())
    throw policy_error{errc::unknown_name,
                       {.guard = guard,
                        .last_error = "no settings that were loaded have bulwark.guards." + guard
                                      + ", and no policy was given"}};
  return policy(found->second);
}

guard_policy loaded_settings::policy(const program_guard_settings& guard) const {
  auto result = own_policy(guard);
  parts_.put_into(result, guard);
  return result;
}

bool loaded_settings::is_alive(const std::string& guard) const {
  return static_cast<bool>(node_.directory()->find_guard(guard));
}

// Whoever is alive and has a block was made by it: see part_directory::reserve().
void loaded_settings::check_guards(const node_settings& next, setting_mistakes& wrong) const {
  setting_changes changes{wrong, "the guard has ended"};
  for (const auto& [name, guard] : in_force_.guards) {
    const auto path = "bulwark.guards." + name;
    if (!is_alive(name))
      continue;
    if (const auto found = next.guards.find(name); found == next.guards.end())
      changes.must_stay(path, "there", "");
    else
      changes.guard(path, guard, found->second);
  }
  for (const auto& [name, guard] : next.guards) {
    if (!in_force_.guards.contains(name) && is_alive(name))
      wrong.push_back(fmt::format("bulwark.guards.{}: must not be there until the guard has ended, "
                                  "which has its policy from the program",
                                  name));
  }
}

void loaded_settings::check_new_parts(const node_settings& next, setting_mistakes& wrong) const {
  const auto check = [&wrong](const char* kind, const std::string& name, const auto& part,
                              const auto& in_use) {
    if (in_use && (part.shared || !(*in_use == part.policy)))
      wrong.push_back(fmt::format("bulwark.{}.{}: must have another name, or be as the program has "
                                  "made the one that is there",
                                  kind, name));
  };
  const auto& directory = *node_.directory();
  for (const auto& [name, part] : next.circuit_breakers)
    if (!parts_.told().circuit_breakers.contains(name))
      check("circuit-breakers", name, part, directory.circuit_breaker_policy_of(name));
  for (const auto& [name, part] : next.bulkheads)
    if (!parts_.told().bulkheads.contains(name))
      check("bulkheads", name, part, directory.bulkhead_policy_of(name));
}

void loaded_settings::change_guards(const node_settings& next) const {
  for (const auto& [name, guard] : next.guards) {
    const auto before = in_force_.guards.find(name);
    if (before == in_force_.guards.end() || before->second == guard || !is_alive(name))
      continue;
    try {
      node_.change_policy(name, policy(guard));
    } catch (const policy_error& error) {
      if (error.code() != errc::unknown_name) // it has ended in this moment
        throw;
    }
  }
}

} // namespace bulwark
