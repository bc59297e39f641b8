#pragma once

#include "bulwark/caf_compat.hpp"
#include "bulwark/classification.hpp"
#include "bulwark/guarded_call.hpp"
#include "bulwark/policy.hpp"
#include "bulwark/time.hpp"

#include <caf/actor.hpp>
#include <caf/error.hpp>
#include <caf/message.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <variant>

/// @file Fallback: what a caller gets instead of an error.
///
/// It stands outside of all else: what failed has failed, in the books and for the breaker, and only
/// then its caller gets something else. Sources: Hystrix's getFallback, Polly's and failsafe's
/// Fallback, which stand outermost too.

namespace bulwark {

/// What a guard's callers get instead of an error.
struct fallback_policy {
  /// A reply; a function that makes one of the error, called in the guard: short, and without
  /// waiting, and where it throws the error stays; or another guard of this process, which the call
  /// goes on to with the time that it has left, and which answers the caller.
  std::variant<std::monostate, caf::message, std::function<caf::message(const caf::error&)>,
               caf::actor>
      to = {};
  /// After which errors; nullopt: deserves_fallback().
  std::optional<error_predicate> on = std::nullopt;
};

/// What is wrong with it, each field with its path "fallback.<field>".
policy_mistakes find_mistakes(const fallback_policy& policy);

/// All errors but the caller's own cancellation and the client's mistakes (unexpected_message,
/// invalid_argument, and what the target marks so), which nothing else would mend.
[[nodiscard]] bool deserves_fallback(const caf::error& reason);

/// A guard's fallback.
class fallback {
public:
  /// Requires: find_mistakes(policy) is empty.
  explicit fallback(fallback_policy policy) : policy_(std::move(policy)) {}

  /// For calls that end from now on. Requires: as above.
  void change_policy(fallback_policy policy) { policy_ = std::move(policy); }

  /// A call ended with `answer`. Replaces it where it is an error that the policy is for. True: the
  /// call has gone on to another guard, which answers it; `call` is spent then.
  [[nodiscard]] bool take(guarded_call& call, const caf::strong_actor_ptr& door,
                          caf::message& answer, instant now, compat::enqueue_context* context);

  /// Whether calls go on to another guard: it needs their content, and those that want no reply too.
  [[nodiscard]] bool hands_on() const noexcept {
    return std::holds_alternative<caf::actor>(policy_.to);
  }
  /// A caller takes a call back that may have gone on.
  void cancel(const caf::strong_actor_ptr& caller, std::uint64_t request,
              compat::enqueue_context* context) const;

  /// How often it was used.
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

private:
  fallback_policy policy_;
  std::uint64_t count_ = 0;

  [[nodiscard]] bool is_for(const caf::error& reason) const;
  [[nodiscard]] bool hand_on(guarded_call& call, const caf::strong_actor_ptr& door, instant now,
                             compat::enqueue_context* context) const;
};

} // namespace bulwark
