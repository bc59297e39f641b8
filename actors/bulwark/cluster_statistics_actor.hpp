#pragma once

#include "bulwark/cluster_statistics.hpp"
#include "bulwark/protocol.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>

namespace bulwark {

/// Asks a node's own registry and the front doors of the nodes that it is connected to for their
/// statistics, and tells them together.
///
/// Who answers get_all_stats tells its own figures only, never those of others: so two nodes that
/// are connected to each other don't go in circles. It keeps no connection: a node whose connection
/// nobody has any more is known no longer.
///
/// Other nodes are asked in the name of another actor, which hands us the answers: so none of them
/// knows our address.
class cluster_statistics_actor : public caf::event_based_actor {
public:
  cluster_statistics_actor(caf::actor_config& config, caf::actor registry,
                           const cluster_policy& policy = {});

  /// Answers to our questions become messages, so that CAF keeps no list of those that are open.
  bool enqueue(caf::mailbox_element_ptr element, compat::enqueue_context* context) override;

  const char* name() const override;
  void on_exit() override;

protected:
  caf::behavior make_behavior() override;

private:
  struct node {
    caf::strong_actor_ptr whom; // the front door, null while it is lost; here: the registry
    node_stats parts;           // what it told last, without the sums: the core has them
  };

  cluster_statistics core_;
  std::map<std::string, node> nodes_;
  std::unordered_map<caf::actor_addr, std::string> connectors_;
  std::map<std::uint64_t, caf::response_promise> readers_;
  std::uint64_t last_reader_ = 0;
  caf::strong_actor_ptr port_; // in whose name we ask
  caf::disposable timer_;
  instant timer_at_ = end_of_time;

  [[nodiscard]] instant now() const;
  caf::result<void> change_policy(const cluster_policy& policy);
  void add_connector(const std::string& address, const caf::actor& connector);
  void change_door(const caf::strong_actor_ptr& door);
  void set_door(node& of, const caf::strong_actor_ptr& door);
  [[nodiscard]] bool is_watched(const caf::strong_actor_ptr& door) const;
  void on_down(const caf::down_msg& down);
  void forget_unconnected(const std::string& address);
  void take(node_answer& answer);
  caf::response_promise read();
  void go_on();
  void ask(const cluster_statistics::question& question);
  void wake_at(instant when);
  [[nodiscard]] cluster_stats stats() const;
};

} // namespace bulwark
