#pragma once

#include "bulwark/all.hpp"
#include "bulwark/node_settings.hpp"
#include "bulwarkd/targets.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

/// @file What a node is told: read from CAF's settings, as plain data, and checked as a whole.

namespace bulwarkd {

/// A guard that the daemon hosts. Its parts may also be another node's, named HOST:PORT/NAME.
struct hosted_guard_settings : bulwark::guard_settings {
  std::string target; ///< A name in the table of targets, http://HOST:PORT, or HOST:PORT/NAME.
  std::optional<bulwark::owner_lost> on_owner_lost; ///< Only with a part of another node.
};

struct listen_settings {
  std::string address = "127.0.0.1";
  std::uint16_t port = 4711; ///< 0: any that is free; the log says which.
  bool open_to_others = false;
};

/// The port of those who watch and steer.
struct admin_port_settings {
  std::string address = "127.0.0.1";
  std::uint16_t port = 4712; ///< 0: any that is free; the log says which.
  std::string token_file;    ///< Holds the word of who may change something; empty: nobody may.
  bool open_to_others = false;
};

/// Where it is written down what happened.
struct journal_file_settings {
  std::string file;
  bulwark::timespan max_age = std::chrono::hours{24 * 30};
  std::uint32_t max_mebibytes = 64;
};

struct tls_settings {
  std::string certificate;
  std::string key;
  std::string ca_file;
};

struct configuration : bulwark::part_settings {
  std::string name = "bulwarkd";
  listen_settings listen;
  bulwark::timespan drain_timeout = std::chrono::seconds{10};
  std::optional<tls_settings> tls;
  std::optional<admin_port_settings> admin;
  std::optional<journal_file_settings> journal;
  std::vector<std::string> peers; ///< HOST:PORT
  std::map<std::string, hosted_guard_settings> guards;
};

/// A node's front door, and a guard or a shared part of it; the name is empty where only the node is
/// meant.
struct remote_address {
  std::string host;
  std::uint16_t port = 0;
  std::string name;
};

/// "HOST:PORT" or "HOST:PORT/NAME"; an IPv6 address stands in brackets. nullopt: it is neither.
[[nodiscard]] std::optional<remote_address> parse_remote(const std::string& text);

/// The same where only "HOST:PORT/NAME" will do.
[[nodiscard]] std::optional<remote_address> parse_remote_name(const std::string& text);

/// What a part of another node is called on this one: as bulwark::remote_node has it.
[[nodiscard]] std::string part_name(const remote_address& address);

/// Where a guard's part is another node's.
template <class Policy>
[[nodiscard]] std::optional<remote_address> remote_part(const bulwark::part_choice<Policy>& part) {
  const auto* name = std::get_if<std::string>(&part);
  return name != nullptr ? parse_remote_name(*name) : std::nullopt;
}

using mistakes = bulwark::setting_mistakes;

/// What is told, and what is wrong with it: where there is a mistake nothing of it is to be used.
struct reading {
  configuration told;
  mistakes wrong;
};

/// Reads the group `bulwark` of the settings. Unknown keys are mistakes. Files aren't looked at.
[[nodiscard]] reading read_configuration(const caf::settings& settings,
                                         const target_table& targets);

} // namespace bulwarkd
