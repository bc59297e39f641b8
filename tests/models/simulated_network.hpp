#pragma once

#include "bulwark/random.hpp"
#include "bulwark/time.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <queue>
#include <stdexcept>
#include <utility>
#include <vector>

/// @file Time that only passes when something happens, and a network that does what networks do.

namespace bulwark_tests {

using namespace bulwark;

struct network_settings {
  timespan least_delay = std::chrono::microseconds{100};
  timespan most_delay = std::chrono::milliseconds{5};
  bool in_order = true; // as TCP has it; else messages overtake each other
  double lost = 0;      // share of messages that are
  double doubled = 0;
  timespan timers_late{0}; // at most: a busy machine's clocks ring when they come to it
};

/// What worlds of many nodes are made of. The same seed gives the same history.
class simulation {
public:
  simulation(std::uint64_t seed, const network_settings& settings)
      : network(settings), chance(seed) {}

  instant now{};
  network_settings network;
  random_stream chance;
  std::uint64_t events = 0;
  std::uint64_t messages = 0; // sent between nodes and owner, the lost ones included

  timespan between(timespan low, timespan high) {
    return low + timespan{static_cast<std::int64_t>(chance.unit() * double((high - low).count()))};
  }
  std::uint32_t any(std::uint32_t count) {
    return static_cast<std::uint32_t>(chance.next() % count);
  }

  /// From now on the network loses nothing.
  void mend_the_network() {
    network.lost = 0;
    network.doubled = 0;
  }

protected:
  void at(instant when, std::function<void()> f) {
    queue_.push({.at = std::max(when, now), .number = ++last_event_, .happen = std::move(f)});
  }

  /// When a timer rings that is set to `due`.
  instant rings(instant due) {
    const auto on_time = std::max(due, now);
    return network.timers_late > timespan{0} ? on_time + between(timespan{0}, network.timers_late)
                                             : on_time;
  }

  /// Lets the next thing happen, if there is one until `end`.
  bool step(instant end) {
    if (queue_.empty() || queue_.top().at > end)
      return false;
    auto next = std::move(const_cast<event&>(queue_.top()));
    queue_.pop();
    at_once_ = next.at == now ? at_once_ + 1 : 0;
    if (at_once_ > most_at_once)
      throw std::logic_error{"time stands still: things happen at one moment without an end"};
    now = next.at;
    ++events;
    next.happen();
    return true;
  }

  /// `last`: when what was last sent this way arrives.
  template <class F>
  void transmit(instant& last, F arrive) {
    ++messages;
    if (chance.unit() < network.lost)
      return;
    const auto copies = chance.unit() < network.doubled ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      auto when = now + between(network.least_delay, network.most_delay);
      if (network.in_order)
        when = last = std::max(when, last);
      at(when, arrive);
    }
  }

private:
  struct event {
    instant at;
    std::uint64_t number;
    std::function<void()> happen;
    friend bool operator<(const event& a, const event& b) {
      return std::pair{a.at, a.number} > std::pair{b.at, b.number};
    }
  };

  static constexpr std::uint64_t most_at_once = 100'000;

  std::priority_queue<event> queue_;
  std::uint64_t at_once_ = 0;
  std::uint64_t last_event_ = 0;
};

} // namespace bulwark_tests
