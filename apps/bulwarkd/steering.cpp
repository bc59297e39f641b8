#include "bulwarkd/steering.hpp"

#include "bulwarkd/log.hpp"
#include "bulwarkd/settings_text.hpp"
#include "bulwarkd/tls.hpp"

#include <fmt/format.h>

#include <utility>

namespace bulwarkd {

namespace {

// Groups are joined, all else is replaced.
void merge(caf::settings& into, const caf::settings& from) {
  for (const auto& [key, value] : from) {
    const auto found = into.find(key);
    auto* mine = found == into.end() ? nullptr : caf::get_if<caf::settings>(&found->second);
    if (const auto* below = caf::get_if<caf::settings>(&value); below != nullptr && mine != nullptr)
      merge(*mine, *below);
    else
      into.insert_or_assign(key, value);
  }
}

// The name of a part as the registry lists it; "": the guard has none.
template <class Policy>
std::string name_of(const std::string& guard, const bulwark::part_choice<Policy>& part) {
  if (const auto address = remote_part(part))
    return part_name(*address);
  const auto* name = std::get_if<std::string>(&part);
  return name != nullptr ? *name : std::holds_alternative<Policy>(part) ? guard : std::string{};
}

} // namespace

steering::steering(hosted_node& node, std::function<command_line()> read, caf::settings first,
                   const target_table& targets, std::function<void(const steering_note&)> on_change)
    : node_(node),
      read_(std::move(read)),
      targets_(targets),
      on_change_(std::move(on_change)),
      in_force_(std::move(first)) {}

change_report steering::reload(const std::string& who, bool only_show) {
  std::lock_guard guard{mutex_}; // two at once: the later file is in force last
  auto line = read_();
  const auto group_of_caf = [](const caf::settings& settings) {
    const auto found = settings.find("caf");
    return found == settings.end() ? std::string{} : to_string(found->second);
  };
  if (line.wrong.empty() && group_of_caf(line.settings) != group_of_caf(in_force_))
    line.wrong.emplace_back("caf: must stay as it is until the node is started again");
  auto result = take(line.settings, std::move(line.wrong), "reload", who, only_show);
  if (only_show)
    return result;
  for (const auto& each : result.wrong)
    log_error("{}", each);
  if (!result.wrong.empty())
    log_error("{} mistake{} in the settings, read again for {}: nothing is changed",
              result.wrong.size(), result.wrong.size() == 1 ? "" : "s", who);
  else
    log_info("settings read again for {}: {} change{}", who, result.changes.size(),
             result.changes.size() == 1 ? "" : "s");
  return result;
}

change_report steering::change_guard(const std::string& guard, const caf::settings& fields,
                                     const std::string& who, bool only_show) {
  std::lock_guard lock{mutex_};
  if (node_.told().guards.count(guard) == 0)
    return {.wrong = {fmt::format("bulwark.guards.{}: there is no such guard", guard)}};
  auto next = in_force_;
  caf::settings named;
  named.insert_or_assign(guard, caf::config_value{fields});
  caf::settings guards;
  guards.insert_or_assign("guards", caf::config_value{std::move(named)});
  caf::settings all;
  all.insert_or_assign("bulwark", caf::config_value{std::move(guards)});
  merge(next, all);
  return take(next, {}, "operator", who, only_show);
}

void steering::close() {
  std::lock_guard lock{mutex_};
  closed_ = true;
}

/// Requires: mutex_ is locked.
change_report steering::take(const caf::settings& next, mistakes wrong, const std::string& kind,
                             const std::string& who, bool only_show) {
  if (closed_)
    return {.wrong = {"the node is about to end: nothing is changed any more"}};
  auto read = read_configuration(next, targets_);
  change_report result{.wrong = std::move(wrong)};
  result.wrong.insert(result.wrong.end(), read.wrong.begin(), read.wrong.end());
  if (result.wrong.empty())
    result.wrong = node_.find_unchangeable(read.told);
  if (!result.wrong.empty())
    return result;
  result.changes = differences(to_json(node_.told()), to_json(read.told), "bulwark");
  if (only_show)
    return result;
  result.wrong = node_.apply(read.told);
  if (!result.wrong.empty())
    return {.wrong = std::move(result.wrong)};
  in_force_ = next;
  for (const auto& each : result.changes)
    on_change_({.kind = kind, .who = who, .what = each.path, .from = each.from, .to = each.to});
  return result;
}

nlohmann::json steering::guard_settings_json(const std::string& guard) const {
  std::lock_guard lock{mutex_};
  const auto& guards = node_.told().guards;
  const auto found = guards.find(guard);
  return found == guards.end() ? nlohmann::json{} : to_json(found->second);
}

std::vector<guard_summary> steering::guard_overview() const {
  std::lock_guard lock{mutex_};
  std::vector<guard_summary> result;
  for (const auto& [name, guard] : node_.told().guards)
    result.push_back({.name = name,
                      .target = guard.target,
                      .breaker = name_of(name, guard.circuit_breaker),
                      .bulkhead = name_of(name, guard.bulkhead)});
  return result;
}

operated steering::operate_breaker(const std::string& name, const std::string& action,
                                   const std::string& who) {
  const auto result = node_.operate_breaker(name, action);
  if (result != operated::unknown)
    on_change_({.kind = "operator",
                .who = who,
                .what = "circuit breaker " + name,
                .from = "",
                .to = action});
  return result;
}

} // namespace bulwarkd
