#pragma once

#include "bulwark/change_mark.hpp"
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
/// A question goes to all parts whose figures may have changed since they were last asked, and is
/// answered when these have answered; what the others said last is what they would say. So nothing
/// is sent while nobody asks, what is read is exact, and to watch a thousand idle guards costs
/// little. (Rejected alternative: each part sends its counters every so often. Then a reader sees the
/// past, and idle nodes work.)
class registry_actor : public caf::event_based_actor {
public:
  /// `node`: the name of the node, `incarnation`: another for each that begins, see node_stats.
  registry_actor(caf::actor_config& config, std::string node, std::uint64_t incarnation);

  const char* name() const override;

protected:
  caf::behavior make_behavior() override;

private:
  // What a part has said, so that it needn't be asked again.
  struct known_figures {
    marked_actor* part = nullptr; // null: it says nothing of changes, and is always asked
    std::uint32_t asked = 0;      // questions that it hasn't answered yet
    caf::message last = {};       // the answer to the last one; empty: there is none
    instant answered{};
  };

  struct known_part {
    part_info info = {};
    std::unique_ptr<known_figures> figures = {}; // from the first question on
  };

  std::string node_;
  std::uint64_t incarnation_;
  std::unordered_map<caf::actor_addr, known_part> parts_;
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
  [[nodiscard]] static bool would_say_the_same(known_part& part);
  void ask(const std::vector<caf::actor_addr>& parts, std::shared_ptr<node_stats> result,
           caf::response_promise promise);
  [[nodiscard]] instant now() const;
  void take_answer(const stats_request& request, const caf::actor_addr& from);
  void take_farewell(const caf::actor_addr& from, const guard_stats& stats);
  void on_down(const caf::down_msg& down);
  void want_rejections();
  caf::response_promise shut_all_down(bool wait);
  void tell_to_end(std::initializer_list<part_kind> kinds);
  void go_on_shutting_down();
};

} // namespace bulwark
