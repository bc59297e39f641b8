#pragma once

#include "bulwark/policy.hpp"
#include "bulwark/statistics.hpp"
#include "bulwark/time.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

/// @file The statistics of several nodes: whom to ask and when, and what all of them have counted.
///
/// A node tells what its guards have counted since it began. So of a process only the last figures
/// are kept, and an answer that is late, doubled or lost does no harm. A process that is
/// started anew counts from nothing again: it is told by its incarnation, a number that each draws
/// at its start, and what the earlier one had counted is kept beside.
///
/// Every process is in the total once, with the latest that it has told:
///
/// - also when it is reached by two addresses, or is this very node;
/// - also when an address leads to one process, to another, and to the first again, as that of a
///   host name with several machines does. Of each address the last 8 processes are remembered one
///   by one; what is older is a sum, and would be counted anew if it came back.
///
/// Nobody will tell how calls ended that were in flight when their process was lost. They stay in
/// flight in the books, which balance so, and the total says how many of its calls in flight are
/// such: `unresolved`. What a process counted after the last time it told is not known at all.
///
/// What a node says isn't checked: its figures are added up as they are. Whose books don't balance
/// is seen at its own figures, and at the total.

namespace bulwark {

/// When nodes are asked for their statistics, and how long an answer is waited for.
struct cluster_policy {
  /// Between two questions to a connected node; 10 ms .. 1 day.
  timespan interval = std::chrono::seconds{1};
  /// The longest wait of a reader for nodes that don't answer; 1 ms .. 1 hour.
  timespan read_timeout = std::chrono::seconds{1};
  /// A node that owes an answer is asked again only after this; 10 ms .. 1 day.
  timespan answer_timeout = std::chrono::seconds{10};

  friend bool operator==(const cluster_policy&, const cluster_policy&) = default;
};

/// What is out of range, each field with its path "cluster.<field>".
policy_mistakes find_mistakes(const cluster_policy& policy);

/// How a node stands to the one that tells of it.
enum class node_state : std::uint8_t {
  here = 1,      ///< It is the one that tells.
  connected = 2, ///< Its front door is there.
  lost = 3,      ///< It was there, and isn't any more: its figures are the last that it told.
  awaited = 4,   ///< It hasn't been reached yet.
};

/// What guards have counted.
struct guard_figures {
  counters calls = {};
  latency_histogram latency = {};

  /// Latencies are left out where they would make more than latency_histogram::most_restored: such
  /// a sum could not be sent to another node.
  guard_figures& operator+=(const guard_figures& other);
};

/// The decisions about the statistics of several nodes. Not thread-safe: it has one owner.
///
/// After each event the owner looks at due(), finished() and next_wake(), in this order.
class cluster_statistics {
public:
  /// A question to a node. Numbers are never used again.
  struct question {
    std::uint64_t number = 0;
    std::string node = {};
  };

  /// What is known of one node.
  struct summary {
    node_state state = node_state::awaited;
    /// The figures are this old at most: since the question that they answer. nullopt: it hasn't
    /// told any.
    std::optional<timespan> age = {};
    guard_figures figures = {}; ///< Of the process that told last.
    guard_figures earlier = {}; ///< Of those that were at this address before it.
    std::uint64_t restarts = 0; ///< How often another process has answered.
  };

  struct sum {
    guard_figures figures = {};
    /// Of figures.calls.in_flight: of processes that are lost, or have been followed by another.
    std::uint64_t unresolved = 0;
  };

  /// Knows the own node, whose name is the empty string. Requires: find_mistakes(policy) is empty.
  explicit cluster_statistics(const cluster_policy& policy);

  /// Requires: find_mistakes(policy) is empty.
  void change_policy(const cluster_policy& policy, instant now);

  // -- nodes. Nothing happens where a name is unknown, or is known already. --

  void add(const std::string& name);
  /// The node is known no longer, nor what it counted.
  void remove(const std::string& name);
  /// A front door is there, the first one or another.
  void on_connected(const std::string& name, instant now);
  void on_lost(const std::string& name);

  // -- questions --

  /// Whom to ask now. They have been asked when this returns: at most one question to a node is
  /// unanswered.
  [[nodiscard]] std::vector<question> due(instant now);

  /// Who was asked; null where the question isn't open.
  [[nodiscard]] const std::string* asked(std::uint64_t number) const;

  /// Whether it is taken. Not where the question isn't open, for it was given up, or its node was
  /// lost; nor where the incarnation is 0, which is none.
  bool on_answer(std::uint64_t number, std::uint64_t incarnation, guard_figures figures);
  /// An error, or an answer that can't be read.
  void on_no_answer(std::uint64_t number);

  // -- readers --

  /// All reachable nodes are asked for this reader, after it came: so what nodes at rest have
  /// counted is exact.
  void read(std::uint64_t reader, instant now);
  /// Who has waited enough: each node has answered, has been lost, or took too long.
  [[nodiscard]] std::vector<std::uint64_t> finished(instant now);

  /// When there is something to do next; nullopt: nothing before the next event.
  [[nodiscard]] std::optional<instant> next_wake() const;

  // -- figures --

  /// The own node first, then by name.
  [[nodiscard]] std::vector<std::string> nodes() const;
  /// Requires: the node is known.
  [[nodiscard]] summary of(const std::string& name, instant now) const;
  [[nodiscard]] sum total() const;

private:
  struct process {
    std::uint64_t incarnation = 0; // 0: hasn't told anything
    instant asked{};               // the question that it answered last
    guard_figures figures = {};
  };

  struct member {
    node_state state = node_state::awaited;
    process latest = {};
    std::deque<process> earlier = {}; // the oldest first
    guard_figures forgotten = {};     // those before them
    std::uint64_t restarts = 0;
    std::uint64_t open = 0; // the number of the question that isn't answered, 0: none
    instant asked{};        // when it was
    instant next{};         // when to ask again, unless a reader wants it before

    [[nodiscard]] bool reachable() const noexcept {
      return state == node_state::here || state == node_state::connected;
    }
  };

  struct reader {
    std::uint64_t id = 0;
    std::uint64_t after = 0; // answers to later questions count
    instant until{};
    std::set<std::string> waits_for = {};
  };

  cluster_policy policy_;
  std::map<std::string, member> members_;
  std::map<std::uint64_t, std::string> open_; // by number of the question
  std::vector<reader> readers_;
  std::uint64_t last_question_ = 0;

  [[nodiscard]] bool is_wanted(const std::string& name) const;
  void settle(std::uint64_t number);
  void close(member& of);
  void nobody_waits_for(const std::string& name, std::uint64_t number);
  static void change_process(member& of, std::uint64_t incarnation);
};

} // namespace bulwark
