#pragma once

#include "bulwark/bulkhead.hpp"
#include "bulwark/node.hpp"
#include "bulwark/sync_job.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace bulwark::sync {

/// The permits, the queue and the threads of a sync::bulkhead: its own, or those of a node's part.
///
/// Thread safety: all members may be called from any thread.
class workers {
public:
  virtual ~workers() = default;

  /// Has the job run, or refuses it: what becomes of it is its future's to say.
  virtual void submit(job_ptr what) = 0;
  virtual void shut_down(bool wait) = 0;
  [[nodiscard]] virtual std::uint32_t available_capacity() = 0;
  [[nodiscard]] virtual bulkhead_stats stats() = 0;
};

/// Throws policy_error.
std::unique_ptr<workers> make_own_workers(const bulkhead_policy& policy, std::string name);

/// Those of a node's part. Throws policy_error.
std::unique_ptr<workers> make_part_workers(node& home, const std::string& name,
                                           const bulkhead_policy& policy);

} // namespace bulwark::sync
