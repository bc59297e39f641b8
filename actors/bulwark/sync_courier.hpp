#pragma once

#include "bulwark/protocol.hpp"
#include "bulwark/sync_job.hpp"

#include <caf/all.hpp>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace bulwark::sync {

/// Sends jobs to a node's part on behalf of threads, and tells their futures what the part
/// answered. An actor, because only actors are answered; it never runs: an answer settles its job
/// in the thread that brings it.
class courier_actor final : public caf::event_based_actor {
public:
  /// `kind` and `part`: what the errors are of, and the name that they carry.
  courier_actor(caf::actor_config& config, part_kind kind, std::string part);

  /// Sends the message that `make_content(work)` makes. The job is settled when the answer comes:
  /// and one comes, whatever happens. From any thread.
  template <class F>
  void send(const caf::actor& to, job_ptr what, F make_content) {
    auto content = make_content(wrap(what));
    if (const auto id = remember(what))
      compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(to), ctrl(), *id, std::move(content),
                      nullptr);
    else
      what->refuse(shut_down_error({.part = part_}));
  }

  /// From now on jobs are refused.
  void close();
  /// Refuses all that has not begun.
  void refuse_pending();
  /// Waits until all jobs are answered.
  void wait_until_idle();

  bool enqueue(caf::mailbox_element_ptr element, compat::enqueue_context* context) override;
  const char* name() const override { return "bulwark.courier"; }

protected:
  caf::behavior make_behavior() override;

private:
  const part_kind kind_;
  const std::string part_;
  mutable std::mutex mutex_;
  std::condition_variable idle_;
  std::unordered_map<std::uint64_t, job_ptr> under_way_; // by request; null while it is settled
  std::uint64_t last_request_ = 0;
  bool closed_ = false;

  static work wrap(const job_ptr& what);
  std::optional<caf::message_id> remember(job_ptr what);
  void settle(job& what, const caf::message& answer) const;
  [[nodiscard]] std::exception_ptr shut_down_error(failure_report report) const;
};

} // namespace bulwark::sync
