// How a node becomes another one while calls go on.
#include "bulwarkd/hosted_node.hpp"

#include "bulwarkd/log.hpp"
#include "bulwarkd/settings_text.hpp"

#include "bulwark/setting_changes.hpp"

#include <fmt/format.h>

namespace bulwarkd {

namespace {

namespace compat = bulwark::compat;

} // namespace

mistakes hosted_node::find_unchangeable(const configuration& next) const {
  mistakes wrong;
  bulwark::setting_changes changes{wrong, "the node is started again"};
  const auto before = to_json(told_);
  const auto after = to_json(next);
  for (const auto* key : {"name", "listen", "tls", "admin", "journal"})
    for (const auto& each :
         differences(before.value(key, nlohmann::json{}), after.value(key, nlohmann::json{}),
                     std::string{"bulwark."} + key))
      changes.must_stay(each.path, each.from, each.to);
  changes.parts(parts_.told(), next);
  for (const auto& [name, guard] : told_.guards) {
    const auto found = next.guards.find(name);
    if (found == next.guards.end())
      continue;
    const auto path = "bulwark.guards." + name;
    const auto& then = found->second;
    changes.must_stay(path + ".target", guard.target, then.target);
    changes.guard(path, guard, then);
    changes.must_stay(path + ".on-owner-lost",
                      to_string(guard.on_owner_lost.value_or(bulwark::owner_lost::local)),
                      to_string(then.on_owner_lost.value_or(bulwark::owner_lost::local)));
  }
  return wrong;
}

mistakes hosted_node::apply(const configuration& next) {
  // First what can fail: the rest can't.
  if (auto wrong = make_new(next); !wrong.empty())
    return wrong;
  parts_.change(next);
  for (const auto& [name, settings] : next.guards) {
    const auto before = told_.guards.find(name);
    if (before != told_.guards.end() && to_json(before->second) != to_json(settings))
      change_guard(name, settings);
  }
  std::erase_if(guards_, [&](const auto& each) {
    if (next.guards.count(each.first) > 0)
      return false;
    // It keeps its target until it has finished its calls.
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(each.second.guard),
                 bulwark::shutdown_atom_v, true);
    return true;
  });
  told_ = next;
  return {};
}

// Parts and guards that aren't there, and guards that have ended by themselves. What is made where
// something later fails is made for the next time; guards are taken back.
mistakes hosted_node::make_new(const configuration& next) {
  std::vector<std::string> made;
  auto path = std::string{"bulwark"};
  try {
    for (const auto& each : next.peers)
      peer(parse_remote(each).value());
    make_parts(next);
    for (const auto& [name, settings] : next.guards) {
      if (guards_.count(name) > 0 && node_.directory()->find_guard(name))
        continue;
      path = "bulwark.guards." + name;
      make_guard(name, settings);
      made.push_back(name);
    }
  } catch (const std::exception& error) { // one of that name still finishes its calls
    for (const auto& each : made)
      guards_.erase(each);
    return {fmt::format("{}: {}", path, error.what())};
  }
  return {};
}

void hosted_node::change_guard(const std::string& name, const hosted_guard_settings& settings) {
  try {
    node_.change_policy(name, policy_of(settings));
  } catch (const std::exception& error) { // it has ended in this moment: the next reload makes it
    log_error("guard {}: {}", name, error.what());
  }
  if (is_web(settings.target))
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(guards_.at(name).target),
                 web_patience(settings));
}

namespace {

template <class Word>
operated tell(caf::scoped_actor& self, const caf::actor& breaker, bulwark::timespan longest,
              Word word) {
  auto result = operated::unanswered;
  compat::request_within(self, breaker, longest, word)
      .receive([&] { result = operated::done; }, [](const caf::error&) {});
  return result;
}

} // namespace

operated hosted_node::operate_breaker(const std::string& name, const std::string& action) {
  caf::scoped_actor self{node_.system()};
  const auto longest = std::chrono::seconds{2};
  std::vector<bulwark::part_info> parts;
  compat::request_within(self, node_.registry(), longest, bulwark::list_atom_v)
      .receive([&](std::vector<bulwark::part_info>& all) { parts = std::move(all); },
               [](const caf::error&) {});
  for (const auto& each : parts) {
    const auto actor = caf::actor_cast<caf::actor>(each.address);
    if (each.name != name || each.kind != bulwark::part_kind::circuit_breaker || !actor)
      continue;
    if (action == "force_open")
      return tell(self, actor, longest, bulwark::force_open_atom_v);
    if (action == "disable")
      return tell(self, actor, longest, bulwark::disable_atom_v);
    if (action == "metrics_only")
      return tell(self, actor, longest, bulwark::metrics_only_atom_v);
    if (action == "reset" || action == "close")
      return tell(self, actor, longest, bulwark::reset_atom_v);
  }
  return operated::unknown;
}

} // namespace bulwarkd
