// What led to a breaker's state: asked only by who wants to know why.
#include "bulwarkd/admin/api.hpp"
#include "bulwarkd/admin/questions.hpp"
#include "bulwarkd/admin/time_text.hpp"

#include "bulwark/circuit_breaker_actor.hpp"

#include <algorithm>
#include <chrono>
#include <string_view>

namespace bulwarkd {

namespace {

using wall_clock = std::chrono::system_clock;

std::string time_text_at(wall_clock::time_point when, bulwark::timespan later) {
  return time_text(when + std::chrono::duration_cast<wall_clock::duration>(later));
}

void add_errors(breaker_history& to, const bulwark::guard_stats& guard, const std::string& node,
                wall_clock::time_point as_of) {
  for (const auto& each : guard.errors)
    to.errors.push_back({.error = each.error,
                         .count = each.count,
                         .last = time_text_at(as_of, -each.age),
                         .last_text = each.text,
                         .node = node,
                         .guard = guard.name});
}

// What guards of other nodes call a breaker that the owner has as `name`, or as `name (all nodes)`.
bool is_known_as(const std::string& theirs, std::string_view name) {
  constexpr std::string_view owners = " (all nodes)";
  if (name.ends_with(owners))
    name.remove_suffix(owners.size());
  return theirs == name || theirs.ends_with('/' + std::string{name});
}

void add_errors_of_others(breaker_history& to, bulwark::node& node, const std::string& breaker,
                          wall_clock::time_point now) {
  const auto said =
      ask<bulwark::cluster_stats>(node.system(), node.cluster(), bulwark::get_cluster_stats_atom_v);
  if (!said.value)
    return;
  for (const auto& each : said.value->nodes) {
    if (each.address.empty() || !each.age) // we, or nobody knows
      continue;
    const auto as_of = now - std::chrono::duration_cast<wall_clock::duration>(*each.age);
    for (const auto& guard : each.stats.guards)
      if (is_known_as(guard.breaker, breaker))
        add_errors(to, guard, each.name, as_of);
  }
}

} // namespace

breaker_history history_of(bulwark::node& node, const bulwark::circuit_breaker_stats& breaker) {
  breaker_history result;
  const auto now = wall_clock::now();
  result.since = time_text_at(now, -breaker.in_state);
  if (breaker.probes_in) {
    result.next_probe = time_text_at(now, *breaker.probes_in);
    result.next_probe_in = seconds_of(*breaker.probes_in);
  }
  if (breaker.cause)
    result.cause = to_string(*breaker.cause);
  auto shared = breaker.name.find('/') != breaker.name.npos;
  if (const auto parts = ask<std::vector<bulwark::part_info>>(node.system(), node.registry(),
                                                              bulwark::list_atom_v);
      parts.value) {
    for (const auto& each : *parts.value) {
      shared = shared || each.name == breaker.name + " (all nodes)";
      if (each.kind != bulwark::part_kind::circuit_breaker || each.name != breaker.name)
        continue;
      const auto alive = caf::actor_cast<caf::strong_actor_ptr>(each.address);
      const auto* actor = alive ? caf::actor_cast<caf::abstract_actor*>(alive) : nullptr;
      if (const auto* found = dynamic_cast<const bulwark::circuit_breaker_actor*>(actor))
        result.failure_threshold = found->policy().failure_threshold;
    }
  }
  if (const auto ours =
          ask<bulwark::node_stats>(node.system(), node.registry(), bulwark::get_all_stats_atom_v);
      ours.value) {
    for (const auto& guard : ours.value->guards)
      if (guard.breaker == breaker.name)
        add_errors(result, guard, ours.value->node, now);
  }
  if (shared || breaker.name.ends_with(" (all nodes)"))
    add_errors_of_others(result, node, breaker.name, now);
  std::stable_sort(result.errors.begin(), result.errors.end(),
                   [](const recent_error& a, const recent_error& b) { return a.last > b.last; });
  return result;
}

} // namespace bulwarkd
