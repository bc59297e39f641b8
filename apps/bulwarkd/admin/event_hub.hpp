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

/// Who listens to what happens on the node. Transitions and changes are kept for who comes later.
/// While nobody listens guards aren't asked to speak of refusals, and no figures are read.
///
/// However many listen, the node tells each event once and is asked for its figures once. Who doesn't
/// take what it is sent gets no samples until it does, and is cut when events pile up.
class event_hub {
public:
  struct settings {
    std::size_t max_listeners = 32;
    /// Refusals are asked for so long after the last one left, for one who comes back.
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

  /// False: there are too many already. Any thread.
  bool add(http_port::stream_id listener, const wish& wanted);

  /// By whoever owns the hub. Any thread.
  void tell_transition(const bulwark::circuit_event& event);
  void tell_change(const std::string& who, const std::string& what, const std::string& from,
                   const std::string& to);

  /// What is due; returns when the next is. For the port's thread.
  std::chrono::steady_clock::time_point tick();

  /// Whether guards tell us what they refuse.
  [[nodiscard]] bool is_subscribed() const;

  // What the node said, told by our actor.
  void on_subscribed();
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
  mutable std::mutex mutex_; // for all below
  bool wants_refusals_ = false;
  bool hears_refusals_ = false; // the node has said so
  std::map<http_port::stream_id, listener> listeners_;
  event_ring ring_;
  rejection_sums rejections_;
  sample_cache samples_;
  bool asked_ = false; // for figures
  clock::time_point rejections_due_ = clock::time_point::max();
  clock::time_point comment_due_{};
  clock::time_point leave_due_ = clock::time_point::max(); // the last listener has gone

  void tell_actor(caf::message what) const;
  void tell_all(const event_frame& frame);
  void drop_gone(clock::time_point now);
  [[nodiscard]] clock::time_point next_due() const;
};

} // namespace bulwarkd
