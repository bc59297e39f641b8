#include "bulwarkd/configuration_checks.hpp"

#include "bulwarkd/keys.hpp"
#include "bulwarkd/tls.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <arpa/inet.h>

#include <algorithm>
#include <string_view>

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
    for (const auto& [name, policy] : told_.circuit_breakers)
      check_ranges("bulwark.circuit-breakers." + name, find_mistakes(limits_of(policy)));
    for (const auto& [name, policy] : told_.bulkheads)
      check_ranges("bulwark.bulkheads." + name, find_mistakes(policy));
    for (const auto& [name, guard] : told_.guards)
      check_guard(name, guard);
  }

private:
  configuration& told_;
  mistakes& wrong_;
  const target_table& targets_;
  const std::map<std::string, std::string>& written_;

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
      if (!address || !address->guard.empty())
        complain("bulwark.peers = {}: must be HOST:PORT", peer);
    }
    check_address();
  }

  void check_address() {
    const auto& address = told_.listen.address;
    in_addr four{};
    in6_addr six{};
    const auto is_four = ::inet_pton(AF_INET, address.c_str(), &four) == 1;
    if (!is_four && ::inet_pton(AF_INET6, address.c_str(), &six) != 1) {
      complain("bulwark.listen.address = {}: must be an IPv4 or IPv6 address in numbers", address);
      return;
    }
    const auto loopback = is_four ? (ntohl(four.s_addr) >> 24) == 127 : IN6_IS_ADDR_LOOPBACK(&six);
    if (!loopback && !told_.tls && !told_.listen.open_to_others)
      complain("bulwark.listen.address = {}: others reach it, and without TLS whoever reaches it "
               "may call every guard; name bulwark.tls, or listen on 127.0.0.1, or say "
               "bulwark.listen.open-to-others = true",
               address);
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

  void check_guard(const std::string& name, const guard_settings& guard) {
    const auto path = "bulwark.guards." + name;
    check_ranges(path, find_mistakes(own_policy(guard)), true);
    check_target(path, guard.target);
    check_part(path, "circuit-breaker", name, guard.circuit_breaker, told_.circuit_breakers);
    check_part(path, "bulkhead", name, guard.bulkhead, told_.bulkheads);
  }

  void check_target(const std::string& path, const std::string& target) {
    if (const auto address = parse_remote(target); address && !address->guard.empty())
      return;
    if (targets_.contains(target))
      return;
    std::vector<std::string_view> names;
    for (const auto& [name, make] : targets_)
      names.push_back(name);
    complain("{}.target{}: must be one of {}, or HOST:PORT/NAME", path,
             target.empty() ? " is missing" : " = " + target, fmt::join(names, ", "));
  }

  template <class Policy>
  void check_part(const std::string& path, std::string_view key, const std::string& guard,
                  const part_choice<Policy>& part, const std::map<std::string, Policy>& shared) {
    if (const auto* name = std::get_if<std::string>(&part); name && !shared.contains(*name))
      complain("{0}.{1} = {2}: must be the name of one in bulwark.{1}s, or a group, {{ … }}", path,
               key, *name);
    if (const auto* own = std::get_if<Policy>(&part); own && shared.contains(guard))
      complain("{0}.{1}: the guard's own one would be called {2}, and so is one in bulwark.{1}s; "
               "say {1} = \"{2}\", or give it another name",
               path, key, guard);
  }
};

} // namespace

void check_configuration(reading& result, const target_table& targets,
                         const std::map<std::string, std::string>& written_values) {
  checks{result, targets, written_values}.all();
}

} // namespace bulwarkd
