#pragma once

#include "bulwark/node_table.hpp"
#include "bulwark/protocol.hpp"
#include "bulwark/shared_circuit.hpp"
#include "bulwark/subscribers.hpp"

#include <caf/all.hpp>

#include <string>

namespace bulwark {

/// The actor that owns a circuit breaker of many nodes, its own among them. Each of them has a
/// circuit_breaker_actor that stands for it. How it decides: shared_circuit.hpp.
class shared_circuit_actor : public caf::event_based_actor,
                             private shared_circuit_effects,
                             private circuit_observer {
public:
  struct settings {
    std::string name;
    circuit_breaker_limits policy; ///< Requires: has no mistakes, as the next.
    sharing_policy sharing;
    caf::strong_actor_ptr timeout_manager;
    caf::weak_actor_ptr registry;
  };

  shared_circuit_actor(caf::actor_config& config, settings init);

  const char* name() const override;
  void on_exit() override;

protected:
  caf::behavior make_behavior() override;

private:
  settings self_;
  shared_circuit core_;
  node_table nodes_;
  std::uint64_t transitions_ = 0;
  std::uint64_t trips_ = 0;
  std::optional<transition_cause> cause_; // of the last transition
  subscribers subscribers_;
  instant armed_ = end_of_time;

  [[nodiscard]] instant now() const;
  template <class F>
  void with_sender(F f);
  void on_down(const caf::actor_addr& whom);
  void after_event();
  void command(circuit_state wish);
  caf::result<void> change_policy(const circuit_breaker_policy& policy);
  void shut_down();
  [[nodiscard]] circuit_breaker_stats stats() const;

  void say(node_key node, const circuit_word& word) override;
  void on_transition(const circuit_transition& change) override;
};

} // namespace bulwark
