#pragma once

#include "bulwark/all.hpp"
#include "bulwarkd/admin/event_frames.hpp"
#include "bulwarkd/admin/http_port.hpp"
#include "bulwarkd/admin/sample_cache.hpp"
#include "bulwarkd/control.hpp"

#include <caf/all.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace bulwarkd {

/// Who listens to what happens on the node. While nobody does, the node tells nothing: guards aren't
/// asked to speak of refusals, and no figures are read.
///
/// However many listen, the node tells each event once and is asked for its figures once. Who doesn't
/// take what it is sent gets no samples until it does, and is cut when events pile up.
class event_hub {
public:
  struct settings {
    std::size_t max_listeners = 32;
    /// After the last one left events are kept so long, for one who comes back.
    std::chrono::milliseconds linger{30'000};
  };

  /// What a listener wants.
  struct wish {
    std::optional<std::uint64_t> after = {};              ///< Events after that one first.
    std::optional<std::chrono::nanoseconds> samples = {}; ///< So often; none: none.
  };

  event_hub(bulwark::node& node, control& steering, const settings& wanted);
  event_hub(const event_hub&) = delete;
  event_hub& operator=(const event_hub&) = delete;
  ~event_hub();

  /// To whom listeners are connected. Once, before the first.
  void write_to(http_port& port) { port_ = &port; }
  /// From now on says nothing to anybody: before the port ends.
  void stop();

  enum class admission : std::uint8_t { listens, too_many, no_answer /* the node's */ };

  /// When it listens, nothing that happens from now on is missed. Any thread that is no actor's.
  admission add(http_port::stream_id listener, const wish& wanted);

  void tell_change(const std::string& who, const std::string& what, const std::string& from,
                   const std::string& to);

  /// What is due; returns when the next is. For the port's thread.
  std::chrono::steady_clock::time_point tick();

  /// Whether the node tells us what happens.
  [[nodiscard]] bool is_subscribed() const;

  // What the node said, told by our actor.
  void on_transition(const bulwark::circuit_event& event);
  void on_rejection(const bulwark::rejection_event& event);
  void on_figures(const bulwark::node_stats* stats); ///< Null: there was no answer.

private:
  using clock = std::chrono::steady_clock;

  struct listener {
    std::optional<std::chrono::nanoseconds> samples = {};
    clock::time_point next_sample{};
    std::uint64_t version = 0; // of the samples that it has
  };

  bulwark::node& node_;
  control& control_;
  settings settings_;
  http_port* port_ = nullptr;
  caf::actor actor_;
  mutable std::mutex subscription_mutex_; // held while the actor subscribes; before mutex_
  bool subscribed_ = false;
  std::mutex mutex_; // for all below
  std::map<http_port::stream_id, listener> listeners_;
  event_ring ring_;
  rejection_sums rejections_;
  sample_cache samples_;
  bool asked_ = false; // for figures
  clock::time_point rejections_due_ = clock::time_point::max();
  clock::time_point comment_due_{};
  clock::time_point leave_due_ = clock::time_point::max(); // the last listener has gone

  void tell_all(const event_frame& frame);
  void drop_gone(clock::time_point now);
  void unsubscribe_if_alone(clock::time_point now);
  [[nodiscard]] clock::time_point next_due() const;
};

} // namespace bulwarkd
