// How a node becomes another one while calls go on.
#include "bulwarkd/hosted_node.hpp"

#include "bulwarkd/log.hpp"
#include "bulwarkd/settings_text.hpp"

#include <fmt/format.h>

namespace bulwarkd {

namespace {

namespace compat = bulwark::compat;

class restart_only {
public:
  restart_only(const configuration& now, const configuration& next) : now_(now), next_(next) {}

  mistakes find() {
    const auto before = to_json(now_);
    const auto after = to_json(next_);
    for (const auto* key : {"name", "listen", "tls", "admin", "journal"})
      compare(before.value(key, nlohmann::json{}), after.value(key, nlohmann::json{}),
              std::string{"bulwark."} + key);
    for (const auto& [name, part] : now_.circuit_breakers)
      check_part(name, "bulwark.circuit-breakers.", next_.circuit_breakers);
    for (const auto& [name, part] : now_.bulkheads)
      check_part(name, "bulwark.bulkheads.", next_.bulkheads);
    for (const auto& [name, guard] : now_.guards) {
      if (const auto found = next_.guards.find(name); found != next_.guards.end())
        check_guard("bulwark.guards." + name, guard, found->second);
    }
    return std::move(wrong_);
  }

private:
  const configuration& now_;
  const configuration& next_;
  mistakes wrong_;

  void compare(const nlohmann::json& now, const nlohmann::json& next, const std::string& path) {
    for (const auto& each : differences(now, next, path))
      complain(each.path, each.from, each.to);
  }

  void complain(const std::string& path, const std::string& from, const std::string& to) {
    const auto show = [](const std::string& value) {
      return value.empty() ? std::string{"nothing"} : value;
    };
    wrong_.push_back(fmt::format("{} = {}: must stay {} until the node is started again", path,
                                 show(to), show(from)));
  }

  template <class Part>
  void check_part(const std::string& name, const std::string& group,
                  const std::map<std::string, Part>& parts) {
    const auto& mine = [&]() -> const auto& {
      if constexpr (std::is_same_v<Part, bulwark::bulkhead_settings>)
        return now_.bulkheads.at(name);
      else
        return now_.circuit_breakers.at(name);
    }
    ();
    const auto found = parts.find(name);
    if (found == parts.end())
      complain(group + name, "there", "");
    else
      compare_shared(mine.shared, found->second.shared, group + name + ".shared");
  }

  template <class Sharing>
  void compare_shared(const std::optional<Sharing>& now, const std::optional<Sharing>& next,
                      const std::string& path) {
    const auto text = [](const std::optional<Sharing>& x) { return x ? shared_json(*x) : nullptr; };
    compare(text(now), text(next), path);
  }

  template <class Sharing>
  static nlohmann::json shared_json(const Sharing& x) {
    auto result = nlohmann::json{{"lease-time", bulwark::to_text(x.lease_time)}};
    if constexpr (requires { x.trips_for; })
      result["trips-for"] = static_cast<int>(x.trips_for);
    return result;
  }

  void check_guard(const std::string& path, const hosted_guard_settings& now,
                   const hosted_guard_settings& next) {
    if (now.target != next.target)
      complain(path + ".target", now.target, next.target);
    check_choice(path + ".circuit-breaker", now.circuit_breaker, next.circuit_breaker);
    check_choice(path + ".bulkhead", now.bulkhead, next.bulkhead);
    const auto lost = [](const hosted_guard_settings& x) {
      return to_string(x.on_owner_lost.value_or(bulwark::owner_lost::local));
    };
    if (lost(now) != lost(next))
      complain(path + ".on-owner-lost", lost(now), lost(next));
    if (now.shows_permit != next.shows_permit)
      complain(path + ".shows-permit", now.shows_permit ? "true" : "false",
               next.shows_permit ? "true" : "false");
  }

  // Its own may have any policy; it can't become another one.
  template <class Policy>
  void check_choice(const std::string& path, const bulwark::part_choice<Policy>& now,
                    const bulwark::part_choice<Policy>& next) {
    const auto text = [](const bulwark::part_choice<Policy>& x) {
      const auto* name = std::get_if<std::string>(&x);
      return std::holds_alternative<Policy>(x) ? std::string{"one of its own"}
             : name != nullptr                 ? *name
                                               : std::string{};
    };
    if (text(now) != text(next))
      complain(path, text(now), text(next));
  }
};

} // namespace

mistakes hosted_node::find_unchangeable(const configuration& next) const {
  return restart_only{told_, next}.find();
}

mistakes hosted_node::apply(const configuration& next) {
  // First what can fail: the rest can't.
  if (auto wrong = make_new(next); !wrong.empty())
    return wrong;
  change_parts(next);
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

// Of those that have names: a guard's own ones change with it.
void hosted_node::change_parts(const configuration& next) {
  const auto change = [this](const auto& before, const auto& after, bulwark::part_kind kind,
                             const std::map<std::string, caf::actor>& actors) {
    for (const auto& [name, part] : after) {
      const auto known = before.find(name);
      if (known == before.end() || known->second.policy == part.policy)
        continue;
      // Of one that nodes share the owner has the numbers; ours hears them from it.
      const auto& actor =
          part.shared ? node_.directory()->find_shared(kind, name) : actors.at(name);
      compat::tell(caf::actor_cast<caf::strong_actor_ptr>(actor), bulwark::change_policy_atom_v,
                   part.policy);
    }
  };
  change(told_.circuit_breakers, next.circuit_breakers, bulwark::part_kind::circuit_breaker,
         circuit_breakers_);
  change(told_.bulkheads, next.bulkheads, bulwark::part_kind::bulkhead, bulkheads_);
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
