#pragma once

#include "bulwark/holders.hpp"
#include "bulwark/part_directory.hpp"
#include "bulwark/protocol.hpp"

#include <caf/all.hpp>

#include <map>
#include <memory>
#include <unordered_set>
#include <vector>

namespace bulwark {

/// Makes and finds bulkheads by message. The bulkheads are those of the node's directory: one made
/// here is found by node::bulkhead, and the other way round.
class bulkhead_registry_actor : public caf::event_based_actor {
public:
  bulkhead_registry_actor(caf::actor_config& config, std::shared_ptr<part_directory> directory);

  const char* name() const override;
  void on_exit() override;

protected:
  caf::behavior make_behavior() override;

private:
  std::shared_ptr<part_directory> directory_;
  gathering gathering_;
  std::map<std::uint64_t, std::shared_ptr<std::vector<bulkhead_stats>>> answers_;
  std::unordered_set<caf::actor_addr> watched_; // once each, however often we are asked
  std::vector<caf::actor_addr> ending_;
  std::vector<caf::response_promise> shutdowns_;

  void watch(const caf::actor& bulkhead);
  caf::response_promise collect();
  caf::response_promise shut_all_down();
};

} // namespace bulwark
