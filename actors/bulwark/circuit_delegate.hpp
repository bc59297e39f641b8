#pragma once

#include "bulwark/circuit_share.hpp"
#include "bulwark/owner_line.hpp"
#include "bulwark/protocol.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bulwark {

/// What a circuit_breaker_actor has when another node owns its circuit: carries its share's reports
/// and words, and its supervisors' questions while the owner decides.
class circuit_delegate final : private circuit_share_effects {
public:
  using policy_handler = std::function<void(const circuit_breaker_limits&)>;
  using asker = std::pair<probe_request, caf::strong_actor_ptr>;

  circuit_delegate(caf::event_based_actor* self, circuit_breaker& own, owner_line::settings line,
                   owner_lost when_lost, policy_handler on_policy, instant now);

  [[nodiscard]] owner_line& line() noexcept { return line_; }
  [[nodiscard]] circuit_share& share() noexcept { return share_; }
  [[nodiscard]] owner_lost when_lost() const noexcept { return when_lost_; }

  // Whether the owner is asked or told; else the node's own breaker is the one.
  bool ask(const probe_request& request, const caf::strong_actor_ptr& from);
  bool tell(const outcome_report& report);
  /// An operator's word: for all nodes.
  bool command(circuit_state wish);

  void take_answer(const circuit_probe_answer& answer);
  /// A supervisor has ended: its probes come back.
  void lose(const caf::actor_addr& holder);
  /// Who has asked, and now has to be answered by the node's own breaker.
  [[nodiscard]] std::vector<asker> left_over();

private:
  caf::event_based_actor* self_;
  const owner_lost when_lost_;
  owner_line line_;
  policy_handler on_policy_;
  circuit_share share_;
  std::uint64_t last_number_ = 0;
  std::unordered_map<std::uint64_t, asker> asked_;
  std::unordered_map<std::uint64_t, std::pair<permit, caf::actor_addr>> given_; // by probe

  void report(const circuit_report& report) override;
  void policy_changed(const circuit_breaker_limits& policy) override;
};

} // namespace bulwark
