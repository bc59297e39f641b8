#pragma once

#include "bulwark/node_table.hpp"
#include "bulwark/protocol.hpp"
#include "bulwark/shared_bulkhead.hpp"

#include <caf/all.hpp>

#include <string>

namespace bulwark {

/// The actor that owns a bulkhead of many nodes, its own among them. Each of them has a
/// bulkhead_actor that stands for it. How it decides: shared_bulkhead.hpp.
class shared_bulkhead_actor : public caf::event_based_actor, private shared_bulkhead_effects {
public:
  struct settings {
    std::string name;
    bulkhead_policy policy; ///< Requires: has no mistakes, as the next.
    sharing_policy sharing;
    caf::strong_actor_ptr timeout_manager;
  };

  shared_bulkhead_actor(caf::actor_config& config, settings init);

  const char* name() const override;
  void on_exit() override;

protected:
  caf::behavior make_behavior() override;

private:
  settings self_;
  shared_bulkhead core_;
  node_table nodes_;
  instant armed_ = end_of_time;

  [[nodiscard]] instant now() const;
  void take(const share_report& report);
  void on_down(const caf::actor_addr& whom);
  void after_event();
  caf::result<void> change_policy(const bulkhead_policy& policy);
  void shut_down();
  [[nodiscard]] bulkhead_stats stats() const;

  void grant(node_key node, const share_grant& grant) override;
};

} // namespace bulwark
