#include "bulwark/node_settings.hpp"

#include "bulwark/setting_checks.hpp"
#include "bulwark/setting_reader.hpp"

namespace bulwark {

std::pair<node_settings, setting_mistakes> read_node_settings(const caf::settings& settings) {
  node_settings told;
  setting_notes notes;
  read_settings(settings, told, notes);
  setting_checks check{notes, told, nullptr};
  check.parts();
  for (const auto& [name, guard] : told.guards)
    check.guard(name, guard, own_policy(guard));
  return {std::move(told), std::move(notes.wrong)};
}

guard_policy own_policy(const guard_settings& guard) {
  guard_policy result{.deadline = guard.deadline,
                      .attempt_timeout = guard.attempt_timeout,
                      .retry = guard.retry,
                      .cancel = guard.cancel,
                      .shows_permit = guard.shows_permit,
                      .shows_context = guard.shows_context,
                      .watches_callers = guard.watches_callers,
                      .hedge = guard.hedge,
                      .rate_limit = guard.rate_limit,
                      .chaos = guard.chaos};
  if (const auto& said = guard.reply_sharing)
    result.reply_sharing = {.fresh_for = said->fresh_for,
                            .stale_for = said->stale_for,
                            .max_entries = said->max_entries,
                            .max_key_size = said->max_key_size,
                            .single_flight = said->single_flight};
  if (const auto* own = std::get_if<circuit_breaker_policy>(&guard.circuit_breaker))
    result.breaker = *own;
  if (const auto* own = std::get_if<bulkhead_policy>(&guard.bulkhead))
    result.bulkhead = *own;
  return result;
}

guard_policy own_policy(const program_guard_settings& guard) {
  auto result = own_policy(static_cast<const guard_settings&>(guard));
  result.replicas = guard.replicas;
  result.restart = guard.restart;
  return result;
}

} // namespace bulwark
