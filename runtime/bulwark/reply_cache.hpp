#pragma once

#include "bulwark/key_hash.hpp"
#include "bulwark/policy.hpp"
#include "bulwark/time.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

/// @file Replies that are kept for a while.
///
/// A kept reply is fresh for `fresh_for`: an equal call has it at once, and the target isn't asked.
/// After that, for `stale_for`, it is what a call gets whose attempts all failed: old news instead
/// of an error. Equal are calls whose bytes are.
///
/// It is bounded by number and by age. Where there is no place, the reply goes that hasn't been
/// served for longest. Keys are stored whole and compared, so nobody is served somebody else's
/// reply for a hash's sake, and hashed with a secret, so nobody can choose keys that make it slow.
///
/// Sources: RFC 5861 (stale-if-error); Hystrix's request cache. Rejected: removal by a timer (an
/// idle guard shall stay idle).

namespace bulwark {

/// Which replies are kept, and whether equal calls are made once. See single_flight.hpp too.
struct reply_sharing_limits {
  /// How long an equal call is served without asking the target; 0 .. 100 years.
  timespan fresh_for{0};
  /// How long after that one is served whose attempts all failed; 0 .. 100 years.
  timespan stale_for{0};
  std::uint32_t max_entries = 1000; ///< Replies that are kept; 1 .. 16'777'216.
  /// A call of more bytes is neither kept nor shared; 1 .. 1'048'576.
  std::uint32_t max_key_size = 4096;
  bool single_flight = true; ///< Equal calls that are in progress at once share one.

  friend bool operator==(const reply_sharing_limits&, const reply_sharing_limits&) = default;

  [[nodiscard]] bool keeps() const noexcept {
    return fresh_for > timespan{0} || stale_for > timespan{0};
  }
};

/// What is out of range, each field with its path "reply_sharing.<field>".
policy_mistakes find_mistakes(const reply_sharing_limits& policy);

/// The hash of keys that strangers may choose.
struct keyed_hash {
  hash_secret secret;

  std::size_t operator()(std::string_view key) const noexcept {
    return static_cast<std::size_t>(hash_of(key, secret));
  }
};

/// Replies by the bytes of their calls. Not thread-safe: it has one owner. Complexity: O(1) per
/// call, but for dropping what is too old: each is dropped once.
template <class Value>
class reply_cache {
public:
  /// Requires: find_mistakes(limits) is empty.
  reply_cache(const reply_sharing_limits& limits, const hash_secret& secret)
      : limits_(limits), index_(0, keyed_hash{secret}) {}

  /// A reply that may be served without asking the target; null: there is none. Valid until the
  /// next call of a member that isn't const.
  [[nodiscard]] const Value* fresh(std::string_view key, instant now) {
    return find(key, now, limits_.fresh_for);
  }

  /// A reply that may be served where the target can't.
  [[nodiscard]] const Value* stale(std::string_view key, instant now) {
    return find(key, now, whole_life());
  }

  /// Keeps the target's reply instead of an older one. Where memory for it is refused it throws
  /// std::bad_alloc, and another one may have had to go.
  void put(std::string_view key, Value value, instant now) {
    forget_old(now);
    if (const auto known = index_.find(key); known != index_.end())
      erase(known->second);
    if (index_.size() >= limits_.max_entries)
      erase(std::prev(by_use_.end()));
    by_use_.push_front({.key = std::string{key}, .value = std::move(value), .since = now});
    try {
      by_age_.push_back(by_use_.begin());
      by_use_.front().age = std::prev(by_age_.end());
      try {
        index_.emplace(by_use_.front().key, by_use_.begin());
      } catch (...) {
        by_age_.pop_back();
        throw;
      }
    } catch (...) {
      by_use_.pop_front();
      throw;
    }
  }

  /// Takes the new numbers; what still fits stays.
  void change_limits(const reply_sharing_limits& limits) noexcept {
    limits_ = limits;
    while (index_.size() > limits_.max_entries)
      erase(std::prev(by_use_.end()));
  }

  [[nodiscard]] std::size_t size() const noexcept { return index_.size(); }

private:
  struct entry;
  using place = typename std::list<entry>::iterator;
  struct entry {
    std::string key;
    Value value;
    instant since{};
    typename std::list<place>::iterator age = {};
  };

  reply_sharing_limits limits_;
  std::list<entry> by_use_; // the last one used first
  std::list<place> by_age_; // the oldest first
  std::unordered_map<std::string_view, place, keyed_hash> index_;

  [[nodiscard]] timespan whole_life() const noexcept {
    return limits_.fresh_for + limits_.stale_for; // no overflow: see longest_timespan
  }

  const Value* find(std::string_view key, instant now, timespan life) {
    forget_old(now);
    const auto known = index_.find(key);
    if (known == index_.end() || now - known->second->since >= life)
      return nullptr;
    by_use_.splice(by_use_.begin(), by_use_, known->second);
    return &known->second->value;
  }

  void forget_old(instant now) {
    while (!by_age_.empty() && now - by_age_.front()->since >= whole_life())
      erase(by_age_.front());
  }

  void erase(place which) {
    index_.erase(which->key);
    by_age_.erase(which->age);
    by_use_.erase(which);
  }
};

} // namespace bulwark
