#pragma once

#include "soak/caller.hpp"
#include "soak/ledger.hpp"

#include "bulwark/all.hpp"
#include "bulwark/distributed.hpp"

#include <caf/all.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace soak {

/// Callers, guards and targets that are there all the time.
class load {
public:
  /// Begins at once. `rate`: calls a second of the steady stream; the others have less.
  load(bulwark::node& node, const bulwark::remote_node& peer, std::uint32_t rate,
       std::uint64_t seed);
  load(const load&) = delete;
  load& operator=(const load&) = delete;
  ~load();

  [[nodiscard]] ledger& books() noexcept { return *books_; }

  /// One more caller, for what comes and goes.
  caf::actor add(call_plan plan);

  /// A guard, and its parts.
  struct guarded {
    std::string name = {};
    caf::actor guard = {};
    caf::actor breaker = {};
    caf::actor bulkhead = {};
  };

  /// By its name: "steady", "moody", "hanging", "lying".
  [[nodiscard]] const guarded& find(const std::string& name) const;

  /// No more calls. Waits until all have their answer, `longest` at most; returns whether they have.
  bool stop(bulwark::timespan longest);

private:
  bulwark::node& node_;
  std::shared_ptr<ledger> books_ = std::make_shared<ledger>();
  std::shared_ptr<std::atomic<bool>> go_on_ = std::make_shared<std::atomic<bool>>(true);
  std::vector<caf::actor> targets_;
  std::vector<guarded> guards_;
  std::vector<caf::actor> callers_;
  std::vector<std::jthread> threads_;

  void add_guard(const std::string& name, const caf::actor& target, bulwark::timespan open_for,
                 std::uint32_t workers);
  void call_locally(std::uint32_t rate, std::uint64_t seed);
  void call_remotely(const bulwark::remote_node& peer, std::uint32_t rate);
  void call_functions(std::uint64_t seed);
  void call_from_threads(std::uint64_t seed);
};

/// `ask` with a number that rises.
std::function<caf::message()> rising_question();

} // namespace soak
