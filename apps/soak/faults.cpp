#include "soak/faults.hpp"

#include "soak/targets.hpp"

#include "report/events.hpp"

#include <condition_variable>
#include <mutex>
#include <string>

namespace soak {

using namespace std::chrono_literals;

namespace {

template <class... Ts>
void tell(const caf::actor& whom, Ts&&... xs) {
  bulwark::compat::tell(caf::actor_cast<caf::strong_actor_ptr>(whom), std::forward<Ts>(xs)...);
}

} // namespace

faults::faults(bulwark::node& node, load& work, peer_process& peer, std::chrono::seconds kill_every,
               std::uint64_t seed)
    : node_(node),
      work_(work),
      peer_(peer),
      kill_every_(kill_every),
      chance_(seed),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

faults::~faults() {
  thread_.request_stop();
  thread_.join();
  while (!guards_.empty())
    end_guard();
  if (listener_)
    caf::anon_send_exit(listener_, caf::exit_reason::user_shutdown);
}

void faults::run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  auto next_kill = std::chrono::steady_clock::now() + kill_every_;
  for (;;) {
    std::unique_lock hold{mutex};
    if (never.wait_for(hold, stop, 20ms, [&] { return stop.stop_requested(); }))
      return;
    cause_one();
    ++count_;
    if (std::chrono::steady_clock::now() < next_kill)
      continue;
    peer_.restart();
    ++kills_;
    next_kill += kill_every_;
  }
}

void faults::cause_one() {
  switch (chance_.next() % 8) {
  case 0:
  case 1:
  case 2:
    begin_guard();
    if (guards_.size() > 10)
      end_guard();
    break;
  case 3:
  case 4:
    vanish();
    break;
  case 5:
    change_policy();
    break;
  case 6:
    command_circuit();
    break;
  default:
    change_listener();
  }
}

// A guard that nobody has had before, whose target will end.
void faults::begin_guard() {
  passing_guard result;
  result.target = node_.system().spawn(mortal_target, chance_.next());
  result.guard =
      node_.guard("passing " + std::to_string(++names_), result.target,
                  {.deadline = 500ms,
                   .retry = bulwark::retry_policy{.max_attempts = 2, .base_delay = 1ms},
                   .breaker = bulwark::circuit_breaker_policy{.open_for = 20ms},
                   .bulkhead = bulwark::bulkhead_policy{.max_workers = 4, .queue_size = 10}});
  work_.add({.target = result.guard,
             .question = rising_question(),
             .per_tick = 1 + static_cast<std::uint32_t>(chance_.next() % 20),
             .ticks = 5});
  guards_.push_back(std::move(result));
}

// By each way that there is; the last is that nobody has it any more.
void faults::end_guard() {
  const auto [target, guard] = std::move(guards_.front());
  guards_.pop_front();
  switch (chance_.next() % 4) {
  case 0:
    tell(guard, bulwark::shutdown_atom_v);
    break;
  case 1:
    tell(guard, bulwark::shutdown_atom_v, true);
    break;
  case 2:
    caf::anon_send_exit(guard, caf::exit_reason::kill);
    break;
  default:
    break;
  }
  caf::anon_send_exit(target, caf::exit_reason::kill);
}

caf::actor faults::any_guard() {
  constexpr std::array names{"steady", "moody", "hanging", "lying"};
  return work_.find(names[chance_.next() % names.size()]).guard;
}

void faults::vanish() {
  work_.add({.target = any_guard(),
             .question = rising_question(),
             .per_tick = 1 + static_cast<std::uint32_t>(chance_.next() % 10),
             .ticks = 1,
             .vanishes = true});
}

// To one as good as another, or to one that is refused.
void faults::change_policy() {
  constexpr std::array names{"moody", "hanging", "lying"};
  const auto name = std::string{names[chance_.next() % names.size()]};
  const auto some = static_cast<std::uint32_t>(chance_.next() % 4);
  const auto breaker =
      bulwark::circuit_breaker_policy{.failure_threshold = 4 * some, .open_for = 50ms * (some + 1)};
  const auto bulkhead = bulwark::bulkhead_policy{.max_workers = 10 * some, .queue_size = 50};
  const auto& whose = work_.find(name);
  tell(whose.breaker, bulwark::change_policy_atom_v, breaker);
  tell(whose.bulkhead, bulwark::change_policy_atom_v, bulkhead);
}

void faults::command_circuit() {
  constexpr std::array names{"moody", "hanging", "lying"};
  const auto circuit = work_.find(names[chance_.next() % names.size()]).breaker;
  switch (chance_.next() % 4) {
  case 0:
    tell(circuit, bulwark::force_open_atom_v);
    break;
  case 1:
    tell(circuit, bulwark::disable_atom_v);
    break;
  default:
    break;
  }
  tell(circuit, bulwark::reset_atom_v);
}

void faults::change_listener() {
  if (listener_)
    caf::anon_send_exit(listener_, caf::exit_reason::user_shutdown);
  listener_ = apps::listen(node_, {.on_transition = [told = told_](const auto&) { ++*told; },
                                   .on_rejection = [told = told_](const auto&) { ++*told; }});
}

} // namespace soak
