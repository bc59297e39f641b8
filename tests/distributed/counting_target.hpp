#pragma once

#include "bulwark/caf_compat.hpp"
#include "bulwark/fence.hpp"
#include "bulwark/protocol.hpp"

#include <caf/all.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

namespace bulwark_tests {

/// What the target of several nodes sees. Thread-safe.
class target_view {
  template <class F>
  auto read(F f) const {
    std::lock_guard hold{mutex_};
    return f();
  }

public:
  struct visit {
    bool fails;
    std::uint64_t life; ///< Of the node.
  };

  /// A call of node `number` has come.
  visit begin(std::int32_t number, const bulwark::permit_token& token) {
    std::lock_guard hold{mutex_};
    ++begun_[number];
    most_ = std::max(most_, ++running_);
    ++running_of_[number];
    newest_[number] = std::max(newest_[number], token.number);
    if (!fence_.admit(token))
      ++stale_[number];
    changed_.notify_all();
    return {failing_.contains(number), lives_[number]};
  }

  void end(std::int32_t number, std::uint64_t life) {
    std::lock_guard hold{mutex_};
    if (lives_[number] != life)
      return;
    --running_;
    --running_of_[number];
    changed_.notify_all();
  }

  /// Of a node that was killed: what it has begun is nobody's any more.
  void forget(std::int32_t number) {
    std::lock_guard hold{mutex_};
    running_ -= running_of_[number];
    running_of_[number] = 0;
    ++lives_[number];
    changed_.notify_all();
  }

  void fail_for(std::int32_t number, bool on) {
    std::lock_guard hold{mutex_};
    if (on)
      failing_.insert(number);
    else
      failing_.erase(number);
  }

  /// Calls stay with the target from now on.
  void hang(bool on) {
    std::lock_guard hold{mutex_};
    hangs_ = on;
  }
  [[nodiscard]] bool hangs() const {
    return read([this] { return hangs_; });
  }

  [[nodiscard]] std::int64_t most() const {
    return read([this] { return most_; });
  }
  void forget_most() {
    std::lock_guard hold{mutex_};
    most_ = running_;
  }
  [[nodiscard]] std::int64_t running() const {
    return read([this] { return running_; });
  }
  [[nodiscard]] std::uint64_t begun(std::int32_t number) const {
    return read([&] { return count(begun_, number); });
  }
  /// Calls on a permit that others had since been told to be taken back.
  [[nodiscard]] std::uint64_t stale(std::int32_t number) const {
    return read([&] { return count(stale_, number); });
  }

  /// The newest permit of the node: the owner's numbers rise, over its restarts too.
  [[nodiscard]] std::uint64_t newest(std::int32_t number) const {
    return read([&] { return count(newest_, number); });
  }

  /// Waits for it; how long that took. Throws after a minute.
  template <class Condition>
  std::chrono::nanoseconds wait_until(Condition holds) {
    const auto began = std::chrono::steady_clock::now();
    std::unique_lock hold{mutex_};
    if (!changed_.wait_for(hold, std::chrono::minutes{1}, [&] { return holds(*this, running_); }))
      throw std::runtime_error{"the target has waited for a minute"};
    return std::chrono::steady_clock::now() - began;
  }

  // For conditions of wait_until() only: the lock is held.
  [[nodiscard]] std::uint64_t newest_of(std::int32_t number) { return newest_[number]; }
  [[nodiscard]] std::int64_t running_of(std::int32_t number) { return running_of_[number]; }
  [[nodiscard]] std::uint64_t begun_of(std::int32_t number) { return begun_[number]; }

private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t running_ = 0;
  std::int64_t most_ = 0;
  bool hangs_ = false;
  std::map<std::int32_t, std::int64_t> running_of_;
  std::map<std::int32_t, std::uint64_t> begun_;
  std::map<std::int32_t, std::uint64_t> stale_;
  std::map<std::int32_t, std::uint64_t> lives_;
  std::map<std::int32_t, std::uint64_t> newest_;
  std::set<std::int32_t> failing_;
  bulwark::fence fence_;

  static std::uint64_t count(const std::map<std::int32_t, std::uint64_t>& of, std::int32_t number) {
    auto i = of.find(number);
    return i == of.end() ? 0 : i->second;
  }
};

/// Answers `get, number` after `service`, or fails, or keeps it, as the view says. A time only lets
/// calls overlap; nothing is guessed by it.
inline caf::behavior counting_target(caf::event_based_actor* self,
                                     std::shared_ptr<target_view> view,
                                     std::chrono::microseconds service) {
  return {[=, kept = std::vector<caf::response_promise>{}](const bulwark::permit_token& token,
                                                           const caf::message& content) mutable {
    const auto number = content.get_as<std::int32_t>(1);
    const auto [fails, life] = view->begin(number, token);
    auto promise = self->make_response_promise();
    if (view->hangs()) {
      kept.push_back(promise);
      return promise;
    }
    bulwark::compat::schedule(self, self->system().clock().now() + service,
                              [view, number, fails = fails, life = life, promise]() mutable {
                                view->end(number, life);
                                if (fails)
                                  promise.deliver(caf::make_error(caf::sec::runtime_error));
                                else
                                  promise.deliver(std::int32_t{1});
                              });
    return promise;
  }};
}

} // namespace bulwark_tests
