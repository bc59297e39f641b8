#pragma once

#include "bulwark/peer_line.hpp"
#include "bulwark/protocol.hpp"
#include "bulwark/random.hpp"
#include "bulwark/retry.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>

namespace bulwark {

/// Keeps the connection to one peer: dials its front door, watches it, dials again when it is lost,
/// for ever, and hands each new door to the supervisors that stand for the peer's guards.
///
/// They watch the door themselves: so that a call is lost at once, and no call that went to the old
/// door is taken for one to the new.
class connector_actor : public caf::event_based_actor {
public:
  struct settings {
    std::string host = {};
    std::uint16_t port = 0;
    /// Answers `connect, string, uint16_t` as CAF's middleman does, and takes the time it needs;
    /// sec::connection_timeout: it took long, and may be tried again soon.
    caf::actor dialler = {};
    caf::strong_actor_ptr node = {}; ///< Of whom we are: we end when it does.
    std::shared_ptr<peer_line> line = {};
    std::uint64_t seed = 0; ///< Another for each process, or all come back at once.
    /// Told what becomes of the connection: see connection_options.
    std::function<void(bool connected, const caf::error& why)> on_change = {};
  };

  connector_actor(caf::actor_config& config, settings init);

  const char* name() const override;
  void on_exit() override;

protected:
  caf::behavior make_behavior() override;

private:
  settings self_;
  random_stream random_;
  caf::strong_actor_ptr door_;
  std::uint32_t failures_ = 0; // in a row
  bool reason_told_ = false;   // why there is no connection
  std::unordered_set<caf::actor_addr> supervisors_;

  void dial();
  void on_failure(const caf::error& why);
  void dial_later();
  void report(bool connected, const caf::error& why) const;
  void take(caf::strong_actor_ptr door);
  void hand_over(const caf::strong_actor_ptr& supervisor);
  void on_down(const caf::down_msg& down);
};

/// The waits between dials: at most 100 ms at first, 1 s at last, and any length below that. Not
/// longer: who comes back is to be used again within 2 s. A dial that is refused costs little.
inline constexpr retry_limits redial_limits{.base_delay = std::chrono::milliseconds{100},
                                            .max_delay = std::chrono::seconds{1}};

} // namespace bulwark
