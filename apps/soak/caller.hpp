#pragma once

#include "soak/ledger.hpp"

#include "bulwark/caf_compat.hpp"
#include "bulwark/time.hpp"

#include <caf/all.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace soak {

/// What a caller does: `per_tick` calls each `tick`, as long as `go_on` says so.
struct call_plan {
  caf::actor target;
  std::function<caf::message()> question;
  std::uint32_t per_tick = 1;
  std::chrono::milliseconds tick{10};
  std::uint32_t most_in_flight = 200; ///< Beyond it a tick's calls are left out.
  bool steady = false;
  std::uint64_t ticks = UINT64_MAX; ///< After so many it makes no more calls,
  bool vanishes = false;            ///< and ends without waiting for the answers.
};

/// Makes calls and looks at each answer: one for each call, and none besides. So it takes them as
/// they come (CAF would drop a second one without a word).
class caller : public caf::event_based_actor {
public:
  caller(caf::actor_config& config, call_plan plan, std::shared_ptr<ledger> books,
         std::shared_ptr<const std::atomic<bool>> go_on);

  bool enqueue(caf::mailbox_element_ptr element,
               bulwark::compat::enqueue_context* context) override;
  void on_exit() override;
  const char* name() const override { return "soak.caller"; }

protected:
  caf::behavior make_behavior() override;

private:
  using clock = std::chrono::steady_clock;

  call_plan plan_;
  std::shared_ptr<ledger> books_;
  std::shared_ptr<const std::atomic<bool>> go_on_;
  std::mutex mutex_; // answers come from any thread
  std::unordered_map<std::uint64_t, clock::time_point> open_;
  bool gone_ = false;

  void tick();
  void call();
  void take(const caf::mailbox_element& answer);
};

} // namespace soak
