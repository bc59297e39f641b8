#include "soak/sync_load.hpp"

#include "bulwark/random.hpp"
#include "bulwark/sync.hpp"

#include <chrono>
#include <exception>
#include <stdexcept>
#include <thread>

namespace soak {

namespace {

using namespace std::chrono_literals;

int work_for(std::chrono::microseconds span) {
  std::this_thread::sleep_for(span);
  return 1;
}

int work_or_throw(std::uint64_t chance) {
  if (chance % 8 == 0)
    throw std::runtime_error{"thrown by a function"};
  return work_for(100us);
}

class calls {
public:
  calls(bulwark::node& node, std::uint64_t seed)
      : pool_(node, "functions", {.max_workers = 4, .queue_size = 20}),
        breaker_(node, "moody", {.open_for = 50ms}),
        timeouts_(node),
        retry_({.max_attempts = 3, .base_delay = 1ms}),
        chance_(seed) {}

  /// Threads of timeout managers stay, as many as ever were busy at once: here a number that chance
  /// won't exceed. Else it were a matter of luck when the last one is started.
  void make_threads() {
    for (auto i = 0; i < 16; ++i) {
      try_one([this] { timeouts_.run(1ms, work_for, 50ms); });
      try_one([] { bulwark::sync::wait_for(1ms, work_for, 50ms); });
    }
  }

  void make_one() {
    const auto chance = chance_.next();
    switch (chance % 6) {
    case 0:
      pool_.execute(work_or_throw, chance / 8).get();
      break;
    case 1:
      breaker_.call(work_or_throw, chance / 8);
      break;
    case 2:
      retry_.call(work_or_throw, chance / 8 % 9);
      break;
    case 3:
      timeouts_.run(2ms, work_for, std::chrono::microseconds{chance / 8 % 4000});
      break;
    case 4:
      bulwark::sync::wait_for(2ms, work_for, std::chrono::microseconds{chance / 8 % 4000});
      break;
    default:
      bulwark::sync::bulkhead{{.max_workers = 1}}.execute(work_or_throw, chance / 8).get();
    }
  }

private:
  template <class F>
  static void try_one(F f) {
    try {
      f();
    } catch (const bulwark::timeout_error&) {
    }
  }

  bulwark::sync::bulkhead pool_;
  bulwark::sync::circuit_breaker breaker_;
  bulwark::sync::timeout_manager timeouts_;
  bulwark::sync::retry retry_;
  bulwark::random_stream chance_;
};

} // namespace

void call_synchronously(bulwark::node& node, ledger& books, const std::atomic<bool>& go_on,
                        std::uint64_t seed, const std::stop_token& stop) {
  calls all{node, seed};
  all.make_threads();
  while (go_on && !stop.stop_requested()) {
    books.ask();
    auto error = false;
    try {
      all.make_one();
    } catch (const std::exception&) {
      error = true;
    }
    books.answer(error, false, {});
    std::this_thread::sleep_for(5ms);
  }
}

} // namespace soak
