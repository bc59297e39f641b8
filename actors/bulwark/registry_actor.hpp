#pragma once

#include "bulwark/holders.hpp"
#include "bulwark/protocol.hpp"
#include "bulwark/subscribers.hpp"

#include <caf/all.hpp>

#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace bulwark {

/// Knows every resilience actor of its node, and adds up what they count.
///
/// It holds no figures of the living: a question goes to all parts and is answered when all have
/// answered. So nothing is sent while nobody asks, and what is read is exact. (Rejected
/// alternative: each part sends its counters every so often. Then a reader sees the past, and idle
/// nodes work.)
class registry_actor : public caf::event_based_actor {
public:
  /// `node`: the name of the node, `incarnation`: another for each that begins, see node_stats.
  registry_actor(caf::actor_config& config, std::string node, std::uint64_t incarnation);

  const char* name() const override;

protected:
  caf::behavior make_behavior() override;

private:
  std::string node_;
  std::uint64_t incarnation_;
  std::unordered_map<caf::actor_addr, part_info> parts_;
  subscribers subscribers_;
  gathering gathering_;
  std::map<std::uint64_t, std::shared_ptr<node_stats>> answers_; // by round
  counters ended_calls_;
  latency_histogram ended_latency_;
  std::vector<caf::response_promise> shutdowns_; // to be answered when all parts have ended
  bool shutting_parts_down_ = false;             // all guards have ended
  bool finish_work_ = false;                     // before they end

  [[nodiscard]] bool is_part(const caf::strong_actor_ptr& whom) const;
  void take_in(const part_info& part);
  caf::response_promise collect(const std::string* only);
  template <class Stats>
  void add(const stats_request& request, const caf::actor_addr& from, const Stats& stats,
           std::vector<Stats> node_stats::*where);
  void add_guard(const stats_request& request, const caf::actor_addr& from,
                 const guard_stats& stats);
  void on_down(const caf::down_msg& down);
  void want_rejections();
  caf::response_promise shut_all_down(bool wait);
  void tell_to_end(std::initializer_list<part_kind> kinds);
  void go_on_shutting_down();
};

} // namespace bulwark
