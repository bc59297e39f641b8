#include "bulwarkd/configuration_checks.hpp"

#include "bulwarkd/keys.hpp"
#include "bulwarkd/tls.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <arpa/inet.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace bulwarkd {

namespace {

using bulwark::timespan;

class checks {
public:
  checks(reading& result, const target_table& targets,
         const std::map<std::string, std::string>& written_values)
      : told_(result.told), wrong_(result.wrong), targets_(targets), written_(written_values) {}

  void all() {
    check_node();
    check_tls();
    for (const auto& [name, part] : told_.circuit_breakers) {
      check_ranges("bulwark.circuit-breakers." + name, find_mistakes(limits_of(part.policy)));
      check_sharing("bulwark.circuit-breakers." + name, part.shared);
    }
    for (const auto& [name, part] : told_.bulkheads) {
      check_ranges("bulwark.bulkheads." + name,
                   part.shared ? find_sharing_mistakes(part.policy) : find_mistakes(part.policy));
      check_sharing("bulwark.bulkheads." + name, part.shared);
    }
    for (const auto& [name, guard] : told_.guards)
      check_guard(name, guard);
  }

private:
  // Which guard has said first what to do without the owner of that part, by kind and name.
  using first_users = std::map<std::pair<std::string_view, std::string>, std::string>;

  configuration& told_;
  mistakes& wrong_;
  const target_table& targets_;
  const std::map<std::string, std::string>& written_;
  first_users first_users_;
  std::map<std::string, std::string> first_budgets_; // by name: the guard that has it first

  template <class... Ts>
  void complain(fmt::format_string<Ts...> text, Ts&&... values) {
    wrong_.push_back(fmt::format(text, std::forward<Ts>(values)...));
  }

  // A policy's field "bulkhead.max_workers" is the key "PATH.max-workers". `keep`: with its group.
  void check_ranges(const std::string& path, const bulwark::policy_mistakes& found,
                    bool keep = false) {
    for (const auto& mistake : found) {
      auto key = mistake.field;
      if (!keep || key.rfind("guard.", 0) == 0)
        key = key.substr(key.find('.') + 1);
      std::replace(key.begin(), key.end(), '_', '-');
      key = path + "." + key;
      const auto as_written = written_.find(key);
      complain("{} = {}: must be {}", key,
               as_written == written_.end() ? mistake.value : as_written->second,
               mistake.permitted);
    }
  }

  void check_node() {
    if (told_.name.empty() || told_.name.size() > 128)
      complain("bulwark.name = {}: must have 1 .. 128 characters", told_.name);
    bulwark::policy_mistakes found;
    bulwark::check_range(found, "bulwark.drain_timeout", told_.drain_timeout, timespan{0},
                         std::chrono::hours{24});
    check_ranges("bulwark", found);
    for (const auto& peer : told_.peers) {
      const auto address = parse_remote(peer);
      if (!address || !address->name.empty())
        complain("bulwark.peers = {}: must be HOST:PORT", peer);
    }
    check_address();
    check_admin();
  }

  // nullopt: it is no address.
  std::optional<bool> is_loopback(const std::string& key, const std::string& address) {
    in_addr four{};
    in6_addr six{};
    const auto is_four = ::inet_pton(AF_INET, address.c_str(), &four) == 1;
    if (!is_four && ::inet_pton(AF_INET6, address.c_str(), &six) != 1) {
      complain("{} = {}: must be an IPv4 or IPv6 address in numbers", key, address);
      return std::nullopt;
    }
    return is_four ? (ntohl(four.s_addr) >> 24) == 127 : IN6_IS_ADDR_LOOPBACK(&six);
  }

  void check_address() {
    const auto& address = told_.listen.address;
    if (is_loopback("bulwark.listen.address", address) == false && !told_.tls
        && !told_.listen.open_to_others)
      complain("bulwark.listen.address = {}: others reach it, and without TLS whoever reaches it "
               "may call every guard; name bulwark.tls, or listen on 127.0.0.1, or say "
               "bulwark.listen.open-to-others = true",
               address);
  }

  void check_admin() {
    if (told_.admin && is_loopback("bulwark.admin.address", told_.admin->address) == false
        && !told_.admin->open_to_others)
      complain("bulwark.admin.address = {}: others reach it, and hear tokens on their way; listen "
               "on 127.0.0.1, or say bulwark.admin.open-to-others = true",
               told_.admin->address);
    if (!told_.journal)
      return;
    if (told_.journal->file.empty())
      complain("bulwark.journal.file: is missing");
    bulwark::policy_mistakes found;
    bulwark::check_range(found, "journal.max_age", told_.journal->max_age,
                         timespan{std::chrono::minutes{1}}, bulwark::longest_timespan);
    bulwark::check_range(found, "journal.max_mebibytes",
                         std::uint64_t{told_.journal->max_mebibytes}, 1, 1'048'576);
    check_ranges("bulwark.journal", found);
  }

  void check_tls() {
    if (!told_.tls)
      return;
    if (!tls_is_built_in())
      complain("bulwark.tls: this bulwarkd is built without TLS, for its CAF has no caf-openssl");
    for_each_key(
        [this](std::string_view key, const std::string& file, std::string_view meaning) {
          if (file.empty())
            complain("bulwark.tls.{}: is missing; {}", key, meaning);
        },
        *told_.tls);
  }

  template <class Sharing>
  void check_sharing(const std::string& path, const std::optional<Sharing>& shared) {
    if (shared)
      check_ranges(path + ".shared",
                   find_mistakes(bulwark::sharing_policy{.lease_time = shared->lease_time}));
  }

  void check_guard(const std::string& name, const guard_settings& guard) {
    const auto path = "bulwark.guards." + name;
    check_ranges(path, find_mistakes(own_policy(guard)), true);
    if (guard.chaos && guard.chaos->kill_rate > 0 && parse_remote_name(guard.target))
      complain("{}.chaos.kill-rate = {}: must be 0 where the target is on another node", path,
               guard.chaos->kill_rate);
    check_target(path, guard.target);
    check_part(name, "circuit-breaker", guard.circuit_breaker, told_.circuit_breakers);
    check_part(name, "bulkhead", guard.bulkhead, told_.bulkheads);
    check_budget(name, guard);
    if (guard.on_owner_lost && !remote_part(guard.circuit_breaker) && !remote_part(guard.bulkhead))
      complain("{}.on-owner-lost = {}: only where circuit-breaker or bulkhead is another node's, "
               "HOST:PORT/NAME",
               path, to_string(*guard.on_owner_lost));
    if (guard.shows_permit && !may_be_shared(guard.bulkhead))
      complain("{}.shows-permit = true: only where bulkhead is one that nodes share: another "
               "node's, HOST:PORT/NAME, or one in bulwark.bulkheads that has shared {{ … }}",
               path);
  }

  // Budgets of one name are one.
  void check_budget(const std::string& name, const guard_settings& guard) {
    if (!guard.retry || !guard.retry->budget || guard.retry->budget->name.empty())
      return;
    const auto& budget = *guard.retry->budget;
    const auto& first = first_budgets_.try_emplace(budget.name, name).first->second;
    if (!(*told_.guards.at(first).retry->budget == budget))
      complain("bulwark.guards.{}.retry.budget.name = {}: must have another name or the numbers of "
               "that in bulwark.guards.{}",
               name, budget.name, first);
  }

  // Also where nobody has that name: that is a mistake of its own.
  bool may_be_shared(const part_choice<bulwark::bulkhead_policy>& part) const {
    const auto* name = std::get_if<std::string>(&part);
    if (name == nullptr)
      return false;
    const auto found = told_.bulkheads.find(*name);
    return found == told_.bulkheads.end() || found->second.shared;
  }

  void check_target(const std::string& path, const std::string& target) {
    if (is_web(target) || parse_remote_name(target) || targets_.contains(target))
      return;
    std::vector<std::string_view> names;
    for (const auto& [name, make] : targets_)
      names.push_back(name);
    complain("{}.target{}: must be one of {}, http://HOST:PORT, or HOST:PORT/NAME", path,
             target.empty() ? " is missing" : " = " + target, fmt::join(names, ", "));
  }

  template <class Policy, class Part>
  void check_part(const std::string& guard, std::string_view key, const part_choice<Policy>& part,
                  const std::map<std::string, Part>& named) {
    const auto path = "bulwark.guards." + guard;
    if (const auto address = remote_part(part))
      check_remote_part<Policy>(guard, key, part_name(*address), named);
    else if (const auto* name = std::get_if<std::string>(&part); name && !named.contains(*name))
      complain("{0}.{1} = {2}: must be the name of one in bulwark.{1}s, another node's as "
               "HOST:PORT/NAME, or a group, {{ … }}",
               path, key, *name);
    if (const auto* own = std::get_if<Policy>(&part); own && named.contains(guard))
      complain("{0}.{1}: the guard's own one would be called {2}, and so is one in bulwark.{1}s; "
               "say {1} = \"{2}\", or give it another name",
               path, key, guard);
  }

  // There is one of that name on this node, whoever uses it, and it does one thing when its owner
  // is lost.
  template <class Policy, class Part>
  void check_remote_part(const std::string& guard, std::string_view key, const std::string& name,
                         const std::map<std::string, Part>& named) {
    const auto has_own = told_.guards.find(name);
    if (named.contains(name))
      complain("bulwark.{0}s.{1}: must have another name, for so another node's is called, in "
               "bulwark.guards.{2}.{0}",
               key, name, guard);
    if (has_own != told_.guards.end() && std::get_if<Policy>(&part_of<Policy>(has_own->second)))
      complain("bulwark.guards.{1}: must have another name, for its own {0} is called as it is, "
               "and so is another node's, in bulwark.guards.{2}.{0}",
               key, name, guard);
    const auto& first = first_users_.try_emplace({key, name}, guard).first->second;
    const auto wish = [this](const std::string& user) {
      return told_.guards.at(user).on_owner_lost.value_or(bulwark::owner_lost::local);
    };
    if (wish(guard) != wish(first))
      complain("bulwark.guards.{}.on-owner-lost = {}: must be {}, as for guards.{}, which uses "
               "the {} {} too",
               guard, to_string(wish(guard)), to_string(wish(first)), first, key, name);
  }

  template <class Policy>
  static const part_choice<Policy>& part_of(const guard_settings& guard) {
    if constexpr (std::is_same_v<Policy, bulwark::bulkhead_policy>)
      return guard.bulkhead;
    else
      return guard.circuit_breaker;
  }
};

} // namespace

void check_configuration(reading& result, const target_table& targets,
                         const std::map<std::string, std::string>& written_values) {
  checks{result, targets, written_values}.all();
}

} // namespace bulwarkd
