#include "bulwarkd/configuration_checks.hpp"

#include "bulwarkd/keys.hpp"
#include "bulwarkd/tls.hpp"

#include "bulwark/setting_checks.hpp"

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
  checks(configuration& told, const target_table& targets, bulwark::setting_notes& notes)
      : told_(told), targets_(targets), shared_(notes, told, [](const std::string& part) {
          return parse_remote_name(part).has_value();
        }) {}

  void all() {
    check_node();
    check_tls();
    shared_.parts();
    for (const auto& [name, guard] : told_.guards)
      check_guard(name, guard);
  }

private:
  // Which guard has said first what to do without the owner of that part, by kind and name.
  using first_users = std::map<std::pair<std::string_view, std::string>, std::string>;

  configuration& told_;
  const target_table& targets_;
  bulwark::setting_checks shared_; // with the settings of all programs
  first_users first_users_;

  template <class... Ts>
  void complain(fmt::format_string<Ts...> text, Ts&&... values) {
    shared_.complain(text, std::forward<Ts>(values)...);
  }

  void check_node() {
    if (told_.name.empty() || told_.name.size() > 128)
      complain("bulwark.name = {}: must have 1 .. 128 characters", told_.name);
    bulwark::policy_mistakes found;
    bulwark::check_range(found, "bulwark.drain_timeout", told_.drain_timeout, timespan{0},
                         std::chrono::hours{24});
    shared_.ranges("bulwark", found);
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
    shared_.ranges("bulwark.journal", found);
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

  void check_guard(const std::string& name, const hosted_guard_settings& guard) {
    const auto path = "bulwark.guards." + name;
    shared_.guard(name, guard, own_policy(guard));
    if (guard.chaos && guard.chaos->kill_rate > 0 && parse_remote_name(guard.target))
      complain("{}.chaos.kill-rate = {}: must be 0 where the target is on another node", path,
               guard.chaos->kill_rate);
    check_target(path, guard.target);
    check_part(name, "circuit-breaker", guard.circuit_breaker, told_.circuit_breakers);
    check_part(name, "bulkhead", guard.bulkhead, told_.bulkheads);
    if (guard.on_owner_lost && !remote_part(guard.circuit_breaker) && !remote_part(guard.bulkhead))
      complain("{}.on-owner-lost = {}: only where circuit-breaker or bulkhead is another node's, "
               "HOST:PORT/NAME",
               path, to_string(*guard.on_owner_lost));
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
  void check_part(const std::string& guard, std::string_view key,
                  const bulwark::part_choice<Policy>& part,
                  const std::map<std::string, Part>& named) {
    if (const auto address = remote_part(part))
      check_remote_part<Policy>(guard, key, part_name(*address), named);
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
  static const bulwark::part_choice<Policy>& part_of(const hosted_guard_settings& guard) {
    if constexpr (std::is_same_v<Policy, bulwark::bulkhead_policy>)
      return guard.bulkhead;
    else
      return guard.circuit_breaker;
  }
};

} // namespace

void check_configuration(configuration& told, const target_table& targets,
                         bulwark::setting_notes& notes) {
  checks{told, targets, notes}.all();
}

} // namespace bulwarkd
