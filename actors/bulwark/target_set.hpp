#pragma once

#include "bulwark/replica_set.hpp"
#include "bulwark/restarts.hpp"

#include <caf/actor_addr.hpp>
#include <caf/actor_control_block.hpp>
#include <caf/error.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace bulwark {

/// The targets of a guard that has several, or that makes them itself.
class target_set {
public:
  using factory = std::function<caf::strong_actor_ptr()>;

  struct settings {
    std::vector<caf::strong_actor_ptr> targets = {};
    /// Of as many as there are targets, or none: then who ends is gone.
    std::vector<factory> factories = {};
    replica_policy replicas = {};
    restart_policy restart = {};
  };

  target_set(settings init, std::uint64_t seed, instant now);

  void change_policy(const replica_policy& replicas, const restart_policy& restart) noexcept {
    replicas_.change_policy(replicas);
    if (restarts_)
      restarts_->change_policy(restart);
  }

  [[nodiscard]] const std::vector<caf::strong_actor_ptr>& targets() const noexcept {
    return self_.targets;
  }

  /// Room for the call in `slot`, which begins. What may throw comes before all else.
  void begin(std::uint32_t slot);
  /// Whom its next attempt goes to; null: there is nobody. on_end() has to follow.
  [[nodiscard]] caf::strong_actor_ptr choose(std::uint32_t slot, instant now);
  /// The call in `from` gets a second copy in `to`: it had better go to somebody else.
  void copy(std::uint32_t from, std::uint32_t to);
  /// What became of that attempt.
  void on_end(std::uint32_t slot, replica_outcome outcome, instant now);
  /// Whether there is somebody whom the call in `slot` hasn't asked.
  [[nodiscard]] bool has_another(std::uint32_t slot) const noexcept;

  /// Whether it was one of these that has ended. Then others that are to be stopped have been told,
  /// and due() may have changed.
  bool on_down(const caf::actor_addr& which, instant now);
  /// When make_due() is to be called.
  [[nodiscard]] instant due() const noexcept { return restarts_ ? restarts_->due() : end_of_time; }
  /// The same, where nobody has been told so yet.
  [[nodiscard]] std::optional<instant> take_alarm() noexcept;
  /// Makes those anew that are due, and returns them: they have to be watched.
  std::vector<caf::strong_actor_ptr> make_due(instant now);

  /// Why there is nobody and will be nobody; empty: as long as there is hope.
  [[nodiscard]] std::string_view gave_up() const noexcept;
  [[nodiscard]] std::uint64_t restarted() const noexcept {
    return restarts_ ? restarts_->count() : 0;
  }

  /// Ends those that were made here.
  void end();

private:
  struct attempt {
    std::uint64_t tried = 0;
    std::uint32_t replica = 0;
    bool under_way = false;
    instant started{};
  };

  settings self_;
  replica_set replicas_;
  std::optional<restarts> restarts_;
  random_stream random_;
  instant told_ = end_of_time;    // of due()
  std::vector<attempt> attempts_; // by slot

  void take(const restart_decision& decision);
  void stop(std::uint32_t which);
};

} // namespace bulwark
