#include "bulwark/registry_actor.hpp"

#include <algorithm>
#include <utility>

// Longer than 200 lines: who is there, sums, events and the order of the end.

namespace bulwark {

registry_actor::registry_actor(caf::actor_config& config, std::string node,
                               std::uint64_t incarnation)
    : caf::event_based_actor(config), node_(std::move(node)), incarnation_(incarnation) {}

const char* registry_actor::name() const {
  return "bulwark.registry";
}

// Longer than 40 lines: the table of all that it answers.
caf::behavior registry_actor::make_behavior() {
  compat::ignore_errors(this);
  compat::set_down_handler(this, [this](const caf::down_msg& down) { on_down(down); });
  return {
      [this](attach_atom, const part_info& part) { take_in(part); },
      [this](list_atom) {
        std::vector<part_info> result;
        for (const auto& [address, part] : parts_)
          result.push_back(part);
        std::sort(result.begin(), result.end(), [](const part_info& a, const part_info& b) {
          return std::tie(a.name, a.kind) < std::tie(b.name, b.kind);
        });
        return result;
      },
      [this](get_atom, const std::string& name) { return collect(&name); },
      [this](get_all_stats_atom) { return collect(nullptr); },
      [this](get_stats_atom) { return collect(nullptr); },
      [this](const stats_request& request, const caf::actor_addr& from, const guard_stats& stats) {
        add_guard(request, from, stats);
      },
      [this](const stats_request& request, const caf::actor_addr& from,
             const circuit_breaker_stats& stats) {
        add(request, from, stats, &node_stats::circuit_breakers);
      },
      [this](const stats_request& request, const caf::actor_addr& from,
             const bulkhead_stats& stats) { add(request, from, stats, &node_stats::bulkheads); },
      [this](const stats_request& request, const caf::actor_addr& from,
             const timeout_manager_stats& stats) {
        add(request, from, stats, &node_stats::timeout_managers);
      },
      [this](const circuit_event& event) { subscribers_.tell(event); },
      [this](const rejection_event& event) { subscribers_.tell(event); },
      [this](subscribe_atom) {
        subscribers_.add_sender(this);
        want_rejections();
      },
      [this](unsubscribe_atom) {
        subscribers_.remove_sender(this, is_part(current_sender()));
        want_rejections();
      },
      [this](shutdown_all_atom) { return shut_all_down(false); },
      [this](shutdown_all_atom, bool wait) { return shut_all_down(wait); },
      [this](shutdown_atom) { quit(caf::exit_reason::user_shutdown); },
      [this](shutdown_atom, bool) { quit(caf::exit_reason::user_shutdown); },
  };
}

bool registry_actor::is_part(const caf::strong_actor_ptr& whom) const {
  return whom && parts_.count(caf::actor_cast<caf::actor_addr>(whom)) > 0;
}

void registry_actor::take_in(const part_info& part) {
  const auto strong = caf::actor_cast<caf::strong_actor_ptr>(part.address);
  if (!strong)
    return; // it has ended
  parts_.insert_or_assign(part.address, part);
  compat::watch(this, strong);
  if (part.kind == part_kind::guard && !subscribers_.empty())
    compat::tell(strong, watch_rejections_atom_v, true);
  // Made while all are shut down: it must not keep the others waiting.
  const auto is_part = part.kind == part_kind::circuit_breaker || part.kind == part_kind::bulkhead;
  if (!shutdowns_.empty() && (part.kind == part_kind::guard || (shutting_parts_down_ && is_part)))
    compat::tell(strong, shutdown_atom_v, false);
}

// -- statistics -----------------------------------------------------------------------------

/// All parts, or those called `*only`.
caf::response_promise registry_actor::collect(const std::string* only) {
  auto promise = make_response_promise();
  std::vector<caf::actor_addr> asked;
  auto known = only == nullptr;
  for (const auto& [address, part] : parts_) {
    if (only != nullptr && part.name != *only)
      continue;
    known = true;
    if (part.kind != part_kind::registry && part.kind != part_kind::bulkhead_registry)
      asked.push_back(address);
  }
  if (!known) {
    promise.deliver(make_failure(errc::unknown_name, {.part = *only}));
    return promise;
  }
  auto result = std::make_shared<node_stats>();
  result->node = node_;
  result->incarnation = incarnation_;
  auto round = std::make_shared<std::uint64_t>(0);
  if (only == nullptr) {
    result->total = ended_calls_;
    result->latency = ended_latency_;
  }
  gathering_.ask(
      this, asked,
      [this, result, round](std::uint64_t number) {
        *round = number;
        answers_[number] = result;
        return stats_request{.round = number};
      },
      [this, result, round, promise]() mutable {
        answers_.erase(*round);
        promise.deliver(std::move(*result));
      });
  return promise;
}

template <class Stats>
void registry_actor::add(const stats_request& request, const caf::actor_addr& from,
                         const Stats& stats, std::vector<Stats> node_stats::*where) {
  if (gathering_.awaits(request.round, from))
    (answers_.at(request.round).get()->*where).push_back(stats);
  gathering_.answered(request.round, from);
}

void registry_actor::add_guard(const stats_request& request, const caf::actor_addr& from,
                               const guard_stats& stats) {
  if (request.round == 0) { // a farewell
    ended_calls_ += stats.calls;
    ended_latency_ += stats.latency;
    // Who waits for its answer gets the farewell instead.
    for (auto& [round, answer] : answers_) {
      if (gathering_.awaits(round, from)) {
        answer->total += stats.calls;
        answer->latency += stats.latency;
      }
    }
    return;
  }
  if (gathering_.awaits(request.round, from)) {
    auto& answer = *answers_.at(request.round);
    answer.total += stats.calls;
    answer.latency += stats.latency;
  }
  add(request, from, stats, &node_stats::guards);
}

// -- events -----------------------------------------------------------------------------------

void registry_actor::want_rejections() {
  for (const auto& [address, part] : parts_) {
    if (part.kind == part_kind::guard)
      compat::tell(caf::actor_cast<caf::strong_actor_ptr>(address), watch_rejections_atom_v,
                   !subscribers_.empty());
  }
}

void registry_actor::on_down(const caf::down_msg& down) {
  if (subscribers_.on_down(down.source))
    want_rejections();
  if (parts_.erase(down.source) > 0)
    gathering_.lost(down.source);
  if (!shutdowns_.empty())
    go_on_shutting_down();
}

// -- the end ------------------------------------------------------------------------------------

/// `wait`: what is in progress is finished first. Who asks later without it cuts that short.
caf::response_promise registry_actor::shut_all_down(bool wait) {
  auto promise = make_response_promise();
  shutdowns_.push_back(promise);
  finish_work_ = wait;
  tell_to_end({part_kind::guard});
  if (shutting_parts_down_)
    tell_to_end({part_kind::circuit_breaker, part_kind::bulkhead});
  go_on_shutting_down();
  return promise;
}

void registry_actor::tell_to_end(std::initializer_list<part_kind> kinds) {
  for (const auto& [address, part] : parts_) {
    if (std::find(kinds.begin(), kinds.end(), part.kind) != kinds.end())
      compat::tell(caf::actor_cast<caf::strong_actor_ptr>(address), shutdown_atom_v, finish_work_);
  }
}

/// Guards first: they answer their callers, and need their parts for it. Then breakers and
/// bulkheads. The timeout manager and the registries stay: the node ends them.
void registry_actor::go_on_shutting_down() {
  const auto any = [this](auto... kinds) {
    return std::any_of(parts_.begin(), parts_.end(),
                       [&](const auto& entry) { return ((entry.second.kind == kinds) || ...); });
  };
  if (any(part_kind::guard))
    return;
  if (!shutting_parts_down_) {
    shutting_parts_down_ = true;
    tell_to_end({part_kind::circuit_breaker, part_kind::bulkhead});
  }
  if (any(part_kind::circuit_breaker, part_kind::bulkhead))
    return;
  shutting_parts_down_ = false;
  for (auto& promise : std::exchange(shutdowns_, {}))
    promise.deliver(caf::unit);
}

} // namespace bulwark
