#include "soak/load.hpp"

#include "soak/sync_load.hpp"
#include "soak/targets.hpp"
#include "soak/types.hpp"

#include "bulwark/random.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>

namespace soak {

using namespace std::chrono_literals;

namespace {

// A function for a bulkhead's threads: some work long, some throw.
caf::message function_call(std::uint64_t chance) {
  auto f = [chance]() -> std::int32_t {
    if (chance % 16 == 0)
      throw std::runtime_error{"thrown by a function"};
    std::this_thread::sleep_for(std::chrono::microseconds{100 << (chance / 16 % 8)});
    return 1;
  };
  return caf::make_message(bulwark::execute_atom_v, bulwark::make_work(f), bulwark::timespan{10ms});
}

// Ticks of ten milliseconds.
std::uint32_t per_tick(std::uint32_t rate) {
  return std::max(1U, rate / 100);
}

} // namespace

std::function<caf::message()> rising_question() {
  return [x = std::int32_t{0}]() mutable {
    x = x == 1'000'000 ? 0 : x + 1;
    return caf::make_message(ask_atom_v, x);
  };
}

load::load(bulwark::node& node, const bulwark::remote_node& peer, std::uint32_t rate,
           std::uint64_t seed)
    : node_(node) {
  call_locally(rate, seed);
  call_remotely(peer, rate / 20);
  call_functions(seed);
  call_from_threads(seed);
}

load::~load() {
  *go_on_ = false;
  threads_.clear();
  for (const auto& who : {callers_, targets_})
    for (const auto& each : who)
      caf::anon_send_exit(each, caf::exit_reason::kill);
}

caf::actor load::add(call_plan plan) {
  return node_.system().spawn<caller>(std::move(plan), books_, go_on_);
}

const load::guarded& load::find(const std::string& name) const {
  const auto found = std::find_if(guards_.begin(), guards_.end(),
                                  [&](const auto& each) { return each.name == name; });
  if (found == guards_.end())
    throw std::logic_error{"no guard " + name};
  return *found;
}

bool load::stop(bulwark::timespan longest) {
  *go_on_ = false;
  const auto give_up = std::chrono::steady_clock::now() + longest;
  while (books_->waiting() != 0 && std::chrono::steady_clock::now() < give_up)
    std::this_thread::sleep_for(10ms);
  return books_->waiting() == 0;
}

// Its breaker and its bulkhead are named parts: their policies are changed in flight.
void load::add_guard(const std::string& name, const caf::actor& target, bulwark::timespan open_for,
                     std::uint32_t workers) {
  guarded result{.name = name,
                 .breaker = node_.circuit_breaker(name, {.open_for = open_for}),
                 .bulkhead = node_.bulkhead(name, {.max_workers = workers})};
  result.guard = node_.guard(name, target,
                             {.deadline = 1s,
                              .attempt_timeout = 60ms,
                              .retry = bulwark::retry_policy{.max_attempts = 3, .base_delay = 5ms},
                              .breaker = result.breaker,
                              .bulkhead = result.bulkhead});
  targets_.push_back(target);
  guards_.push_back(std::move(result));
}

void load::call_locally(std::uint32_t rate, std::uint64_t seed) {
  auto& system = node_.system();
  add_guard("steady", system.spawn(steady_target), 200ms, 200);
  add_guard("moody", system.spawn(moody_target, seed + 1), 50ms, 20);
  add_guard("hanging", system.spawn(hanging_target, seed + 2), 100ms, 20);
  add_guard("lying", system.spawn(lying_target, seed + 3), 50ms, 20);
  for (const auto& each : guards_) {
    const auto steady = each.name == "steady";
    callers_.push_back(add({.target = each.guard,
                            .question = rising_question(),
                            .per_tick = per_tick(steady ? rate : rate / 10),
                            .steady = steady}));
  }
  // The timeout manager as a part of its own.
  callers_.push_back(add({.target = node_.timeout_manager(),
                          .question =
                              [target = find("hanging").guard, ask = rising_question()] {
                                return caf::make_message(bulwark::run_atom_v, target,
                                                         bulwark::timespan{50ms}, ask());
                              },
                          .per_tick = per_tick(rate / 50)}));
}

void load::call_remotely(const bulwark::remote_node& peer, std::uint32_t rate) {
  const auto retry = bulwark::retry_policy{.max_attempts = 5, .base_delay = 20ms};
  const auto shared = peer.guard("db", {.deadline = 1s,
                                        .attempt_timeout = 300ms,
                                        .retry = retry,
                                        .breaker = peer.circuit_breaker("circuit"),
                                        .bulkhead = peer.bulkhead("pool")});
  const auto own = peer.guard("db",
                              {.deadline = 500ms,
                               .breaker = bulwark::circuit_breaker_policy{.open_for = 100ms},
                               .bulkhead = bulwark::bulkhead_policy{.max_workers = 20}},
                              "remote");
  for (const auto& guard : {shared, own})
    callers_.push_back(
        add({.target = guard, .question = rising_question(), .per_tick = per_tick(rate)}));
}

void load::call_functions(std::uint64_t seed) {
  const auto pool = node_.bulkhead("functions", {.max_workers = 4, .queue_size = 20});
  callers_.push_back(add({.target = pool,
                          .question =
                              [chance = bulwark::random_stream{seed + 4}]() mutable {
                                return function_call(chance.next());
                              },
                          .per_tick = 2,
                          .most_in_flight = 30}));
}

void load::call_from_threads(std::uint64_t seed) {
  for (std::uint64_t i = 0; i < 2; ++i)
    threads_.emplace_back([this, seed = seed + 5 + i](const std::stop_token& stop) {
      call_synchronously(node_, *books_, *go_on_, seed, stop);
    });
}

} // namespace soak
