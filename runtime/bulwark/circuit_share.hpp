#pragma once

#include "bulwark/circuit_breaker.hpp"
#include "bulwark/lease.hpp"
#include "bulwark/time.hpp"

#include <cstdint>
#include <optional>

/// @file A node's part of a circuit breaker that another node owns.
///
/// Each node has a breaker of its own, which counts what the node sees. Over all of them stands the
/// owner's: when it leaves closed, they follow it, until it closes. Then probes are the owner's to
/// give. What opens it is said in `trip_scope`.
///
/// | the owner                | the node's breaker                                              |
/// | ------------------------ | --------------------------------------------------------------- |
/// | says closed              | decides itself, and tells when it opens                         |
/// | says another state       | follows; probes are asked for there                             |
/// | can't be reached: local  | goes on from where it is, by its own rules                      |
/// | fail_open, fail_closed   | disabled, forced_open                                           |
/// | was never reached        | decides itself; with fail_closed forced_open after a lease      |
///
/// What an operator says at a node goes to the owner, for all. While there is none it holds at the node
/// alone, until the owner's first word.

namespace bulwark {

/// How a node stands with a circuit that another owns: of the session.
struct circuit_report {
  lease_stamp stamp;
  std::uint64_t trips = 0; ///< How often its own breaker has opened by itself.
  bool tripped = false;    ///< Its own breaker isn't closed, by itself.
  std::uint64_t seen = 0;  ///< The owner's generation that it has heard of; 0: none yet.

  friend bool operator==(const circuit_report&, const circuit_report&) = default;
};

/// The owner's word: in answer to each report, and at each transition.
struct circuit_word {
  lease_stamp answers;      ///< The newest report that it has heard.
  std::uint64_t number = 0; ///< Rises with each word.
  bool closed_down = false; ///< The breaker is gone.
  circuit_state state = circuit_state::closed;
  std::uint64_t generation = 0;
  timespan probes_in{0}; ///< In open: until probes are let through.
  circuit_breaker_limits policy;
  timespan lease_time = default_lease_time;

  friend bool operator==(const circuit_word&, const circuit_word&) = default;
};

/// What a share wishes to be done. None of it may call the share back.
struct circuit_share_effects {
  virtual void report(const circuit_report& report) = 0;
  /// The owner's policy is another than was known.
  virtual void policy_changed(const circuit_breaker_limits& policy) = 0;

protected:
  ~circuit_share_effects() = default;
};

/// The decisions of one share. Not thread-safe: it has one owner.
class circuit_share {
public:
  /// `own` and `effects` outlive the share.
  circuit_share(circuit_breaker& own, circuit_share_effects& effects, owner_lost when_lost,
                instant now);

  circuit_share(const circuit_share&) = delete;
  circuit_share& operator=(const circuit_share&) = delete;

  /// There is a way to the owner again, perhaps to another process of it; or there is none.
  void on_line(bool up, instant now);
  /// Nothing happens where it makes no sense: it comes from another node.
  void on_word(const circuit_word& word, instant now);
  /// To be called after whatever has happened to `own`, and when due() has come.
  void on_change(instant now);
  /// When on_change() is to be called at the latest.
  [[nodiscard]] instant due() const noexcept;

  /// Whether the owner is there to decide about probes, and has to be asked.
  [[nodiscard]] bool owner_decides() const noexcept { return leased_ && own_.following(); }
  [[nodiscard]] bool leased() const noexcept { return leased_; }
  /// A probe's leave by the owner as the node's supervisors know permits, and back: where it is
  /// still good.
  [[nodiscard]] std::optional<permit> to_own(const permit& owners) const noexcept;
  [[nodiscard]] std::optional<permit> to_owners(const permit& own) const noexcept;

private:
  circuit_breaker& own_;
  circuit_share_effects& effects_;
  const owner_lost when_lost_;
  lease lease_;
  bool line_up_ = false;
  bool leased_ = false;
  bool lost_ = false;
  instant join_by_;
  std::uint64_t last_word_ = 0; // of this session
  std::uint64_t owner_generation_ = 0;
  std::uint64_t own_generation_; // up to which trips have been counted
  std::uint64_t trips_ = 0;
  circuit_report last_; // that was sent

  void begin();
  void lose(instant now);
  void count_trip() noexcept;
  void report(instant now);
};

} // namespace bulwark
