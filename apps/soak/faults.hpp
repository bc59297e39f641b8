#pragma once

#include "soak/load.hpp"
#include "soak/peer.hpp"

#include "bulwark/random.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <string_view>
#include <thread>
#include <utility>

namespace soak {

/// What goes wrong beside what targets do by themselves, by chance, as long as this object lives:
/// guards come and go, with calls in flight; targets die; callers vanish; policies change; circuits
/// are forced open; who listens to the registry comes and goes; the other process is killed.
class faults {
public:
  /// `kill_every`: how often the other process.
  faults(bulwark::node& node, load& work, peer_process& peer, std::chrono::seconds kill_every,
         std::uint64_t seed);

  /// Ends what it has begun.
  ~faults();
  faults(const faults&) = delete;
  faults& operator=(const faults&) = delete;

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] std::uint64_t kills() const noexcept { return kills_; }
  /// Transitions and rejections that listeners were told.
  [[nodiscard]] std::uint64_t told() const noexcept { return *told_; }

private:
  struct passing_guard {
    caf::actor target;
    caf::actor guard;
  };

  bulwark::node& node_;
  load& work_;
  peer_process& peer_;
  std::chrono::seconds kill_every_;
  bulwark::random_stream chance_;
  std::atomic<std::uint64_t> count_ = 0;
  std::atomic<std::uint64_t> kills_ = 0;
  std::shared_ptr<std::atomic<std::uint64_t>> told_ =
      std::make_shared<std::atomic<std::uint64_t>>(0);
  std::uint64_t names_ = 0;
  std::deque<passing_guard> guards_;
  caf::actor listener_;
  std::jthread thread_; // last: it uses all the others

  void run(const std::stop_token& stop);
  void cause_one();
  void begin_guard();
  void end_guard();
  void vanish();
  void change_policy();
  void command_circuit();
  void change_listener();
  [[nodiscard]] caf::actor any_guard();
};

} // namespace soak
