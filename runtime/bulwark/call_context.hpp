#pragma once

#include "bulwark/criticality.hpp"
#include "bulwark/policy.hpp"
#include "bulwark/time.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

/// @file What travels with a call from guard to guard, in process and between nodes.
///
/// Its sources: gRPC's deadlines and previous-attempts header, the SRE book's criticality, W3C's
/// Trace Context. On the wire all but the time is a map of texts, by name, and only what isn't the
/// default: nodes of other versions ignore what they don't know.

namespace bulwark {

/// What a call brings with it beside its message.
struct call_context {
  /// What the caller has left: the guard takes the smaller of it and its deadline. A duration, for
  /// clocks differ between hosts. 0 or less: nothing is started, the answer is errc::timed_out.
  /// nullopt: the guard's own deadline holds.
  std::optional<timespan> remaining = {};
  /// For the caller's own use, by names that aren't ours; passed on. At most 32, of 64 bytes and
  /// 256 bytes each.
  std::map<std::string, std::string> more = {};
  /// Which attempt the call is of somebody further out; 1 .. 1'000'000. Above 1 guards don't try
  /// again.
  std::uint32_t attempt = 1;
  criticality importance = criticality::normal;
  /// Whether it may be made twice; nullopt: as the guard's retry policy says.
  std::optional<bool> idempotent = {};
  /// For whom it is made; at most 64 bytes.
  std::string tenant = {};
  /// W3C's traceparent, "00-<32 hex>-<16 hex>-<2 hex>"; empty: none.
  std::string trace_parent = {};
  /// The caller is a guard of another node: it understands `retry_after, error` as an answer, an
  /// error after which it shall not try again.
  bool by_guard = false;

  friend bool operator==(const call_context&, const call_context&) = default;
};

/// What is out of range, each field with its path "call_context.<field>".
policy_mistakes find_mistakes(const call_context& context);

/// Whether `text` is a traceparent as W3C's Trace Context, level 1, has it: lower case, neither id
/// all zeros; of later versions what comes after these fields is let through, at most 256 bytes.
[[nodiscard]] bool is_trace_parent(std::string_view text) noexcept;

/// Whether it says anything beside the time and the attempt.
[[nodiscard]] bool says_more(const call_context& context) noexcept;

/// What the next hop, which isn't told by_guard, is told by one that got `from` (null: nothing) and now makes its attempt
/// number `attempt`, which has that much time.
[[nodiscard]] call_context next_hop(const call_context* from, std::optional<timespan> remaining,
                                    std::uint32_t attempt);

/// All but the time, as it travels.
[[nodiscard]] std::map<std::string, std::string> to_wire(const call_context& context);

/// The reverse. It may come from a stranger: what is out of range is left out, as W3C asks of a bad
/// traceparent, and all of `more` where it is too much.
[[nodiscard]] call_context from_wire(std::optional<timespan> remaining,
                                     std::map<std::string, std::string> fields);

/// The enumerator's name.
std::string to_string(criticality importance);
/// False, and `importance` unchanged, where `name` is no enumerator's.
bool from_string(std::string_view name, criticality& importance);

} // namespace bulwark
