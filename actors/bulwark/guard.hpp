#pragma once

#include "bulwark/bulkhead.hpp"
#include "bulwark/chaos.hpp"
#include "bulwark/classification.hpp"
#include "bulwark/fallback.hpp"
#include "bulwark/hedge.hpp"
#include "bulwark/policy.hpp"
#include "bulwark/rate_limiter.hpp"
#include "bulwark/replica_set.hpp"
#include "bulwark/reply_sharing.hpp"
#include "bulwark/restarts.hpp"
#include "bulwark/time.hpp"

#include <caf/actor.hpp>
#include <caf/message.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <variant>

namespace bulwark {

/// Whether a guard tells its target, by `cancel, uint64_t request`, that nobody waits for a reply
/// any more (the number is the request's message id).
enum class cancel_signal : std::uint8_t {
  automatic, ///< Typed targets whose interface has it, and guards.
  on,        ///< A dynamically typed target that understands it.
  off,
};

/// What a guard does. What is not named is off; the order is that of the parts, outermost first.
struct guard_policy {
  /// From acceptance to answer, all attempts and waits included; 1 ns .. 100 years.
  std::optional<timespan> deadline = std::nullopt;
  /// For one attempt, from its start: waiting for a permit doesn't eat it; 1 ns .. 100 years.
  std::optional<timespan> attempt_timeout = std::nullopt;
  std::optional<retry_policy> retry = std::nullopt;
  /// A policy: the part is the guard's and has its name. An actor: a named part, perhaps shared.
  std::variant<std::monostate, circuit_breaker_policy, caf::actor> breaker = {};
  std::variant<std::monostate, bulkhead_policy, caf::actor> bulkhead = {};
  cancel_signal cancel = cancel_signal::automatic;
  /// The target gets `permit_token, message` instead of the message: see bulwark/fence.hpp. Only
  /// where the bulkhead is one that nodes share.
  bool shows_permit = false;
  /// The target gets `call_context, message` instead of the message, after the permit where it gets
  /// that too: who goes on to call a guard passes it on by request_with(). Guards as targets get it
  /// in any case, where there is something to say.
  bool shows_context = false;
  /// Requests whose caller has ended are taken back, as by `cancel`. Costs a monitor for each caller,
  /// and to look it up for each call.
  bool watches_callers = false;
  /// Replies that are failures though they are no errors: to the breaker a failure, to the retry
  /// policy worth another attempt. Where no attempt is left the last reply goes to the caller as it
  /// is. Called in the guard: short, and without waiting. Where it throws, the reply is a failure and
  /// not tried again. Empty: none is.
  std::function<bool(const caf::message&)> failure_on_result = {};
  /// A second copy of a call that takes long, where it may be made twice: see bulwark/hedge.hpp.
  std::optional<hedge_policy> hedge = std::nullopt;
  /// How many calls are let in within a time, all together or of each tenant: in front of all else,
  /// a call's attempts are not counted again. Refused with errc::rate_limited, which says how long
  /// until it would pass. See bulwark/rate_limiter.hpp.
  std::optional<rate_limit_policy> rate_limit = std::nullopt;
  /// How attempts are spread, where the guard has several targets: see bulwark/replica_set.hpp.
  replica_policy replicas = {};
  /// How targets come back that the guard has made itself: see bulwark/restarts.hpp.
  restart_policy restart = {};
  /// What goes wrong on purpose; it can be changed by `change_policy, chaos_policy` too, and is off
  /// where no rate is above 0. Targets on other nodes can't be ended by it.
  std::optional<chaos_policy> chaos = std::nullopt;
  /// What callers get instead of an error: see bulwark/fallback.hpp.
  std::optional<fallback_policy> fallback = std::nullopt;
  /// Which calls are served from kept replies or by equal ones in progress: see
  /// bulwark/reply_sharing.hpp.
  std::optional<reply_sharing_policy> reply_sharing = std::nullopt;
};

/// What is out of range, in the policies it names too; each field with its path.
policy_mistakes find_mistakes(const guard_policy& policy);

} // namespace bulwark
