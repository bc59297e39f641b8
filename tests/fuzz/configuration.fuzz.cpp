// A file for bulwarkd, or for a program, in CAF's syntax, from its text to what is told: either a
// configuration that can be used as it is, or complaints that name the key.
#include "bulwarkd/configuration.hpp"

#include "fuzz/bytes.hpp"
#include "models/must.hpp"
#include "support/real_system.hpp"

#include <sstream>

using namespace bulwark;
using namespace bulwark_tests;
using namespace bulwarkd;

namespace {

void check_usable(const configuration& told, const target_table& targets) {
  MUST(!told.name.empty());
  MUST(told.drain_timeout >= timespan{0});
  for (const auto& peer : told.peers)
    MUST(parse_remote(peer) && parse_remote(peer)->name.empty());
  for (const auto& [name, part] : told.circuit_breakers) {
    MUST(find_mistakes(limits_of(part.policy)).empty());
    MUST(!part.shared || find_mistakes(*part.shared).empty());
  }
  for (const auto& [name, part] : told.bulkheads) {
    MUST(find_mistakes(part.policy).empty());
    MUST(!part.shared
         || find_mistakes(sharing_policy{.lease_time = part.shared->lease_time}).empty());
  }
  for (const auto& [name, guard] : told.guards) {
    MUST(find_mistakes(own_policy(guard)).empty());
    MUST(targets.contains(guard.target) || parse_remote_name(guard.target) || is_web(guard.target));
    if (const auto* part = std::get_if<std::string>(&guard.bulkhead))
      MUST(told.bulkheads.contains(*part) || parse_remote_name(*part));
    if (const auto* part = std::get_if<std::string>(&guard.circuit_breaker))
      MUST(told.circuit_breakers.contains(*part) || parse_remote_name(*part));
  }
}

} // namespace

BULWARK_FUZZ(input) {
  static const auto targets = [] {
    init_types();
    return ready_made_targets();
  }();
  std::istringstream text{input.rest()};
  const auto settings = caf::actor_system_config::parse_config(text);
  if (!settings) {
    MUST(!to_string(settings.error()).empty());
    return;
  }
  const auto [told, wrong] = read_configuration(*settings, targets);
  for (const auto& each : wrong)
    MUST(each.rfind("bulwark", 0) == 0);
  if (wrong.empty())
    check_usable(told, targets);
  const auto [of_program, wrong_of_program] = read_node_settings(*settings);
  for (const auto& each : wrong_of_program)
    MUST(each.rfind("bulwark", 0) == 0);
  for (const auto& [name, guard] : of_program.guards)
    MUST(!wrong_of_program.empty() || find_mistakes(own_policy(guard)).empty());
}
