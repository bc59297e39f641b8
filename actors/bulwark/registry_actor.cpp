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
          result.push_back(part.info);
        std::sort(result.begin(), result.end(), [](const part_info& a, const part_info& b) {
          return std::tie(a.name, a.kind) < std::tie(b.name, b.kind);
        });
        return result;
      },
      [this](get_atom, const std::string& name) { return collect(&name); },
      [this](get_all_stats_atom) { return collect(nullptr); },
      [this](get_stats_atom) { return collect(nullptr); },
      [this](const stats_request& request, const caf::actor_addr& from, const guard_stats& stats) {
        if (request.round == 0)
          take_farewell(from, stats);
        else
          take_answer(request, from);
      },
      [this](const stats_request& request, const caf::actor_addr& from,
             const circuit_breaker_stats&) { take_answer(request, from); },
      [this](const stats_request& request, const caf::actor_addr& from, const bulkhead_stats&) {
        take_answer(request, from);
      },
      [this](const stats_request& request, const caf::actor_addr& from,
             const timeout_manager_stats&) { take_answer(request, from); },
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

instant registry_actor::now() const {
  return instant{home_system().clock().now().time_since_epoch()};
}

void registry_actor::take_in(const part_info& part) {
  const auto strong = caf::actor_cast<caf::strong_actor_ptr>(part.address);
  if (!strong)
    return; // it has ended
  parts_.insert_or_assign(part.address, known_part{.info = part});
  compat::watch(this, strong);
  if (part.kind == part_kind::guard && !subscribers_.empty())
    compat::tell(strong, watch_rejections_atom_v, true);
  // Made while all are shut down: it must not keep the others waiting.
  const auto is_part = part.kind == part_kind::circuit_breaker || part.kind == part_kind::bulkhead;
  if (!shutdowns_.empty() && (part.kind == part_kind::guard || (shutting_parts_down_ && is_part)))
    compat::tell(strong, shutdown_atom_v, false);
}

// -- statistics -----------------------------------------------------------------------------

namespace {

void pass_time(bulkhead_stats&, timespan) {} // nothing of it moves with time
void pass_time(timeout_manager_stats&, timespan) {}

template <class Stats>
Stats* add_if(const caf::message& answer, timespan age, std::vector<Stats>& to) {
  if (!answer.match_element<Stats>(2))
    return nullptr;
  auto& added = to.emplace_back(answer.get_as<Stats>(2));
  pass_time(added, age);
  return &added;
}

/// `answer`: what a part said, so long ago.
void add(node_stats& to, const caf::message& answer, timespan age) {
  if (const auto* guard = add_if(answer, age, to.guards)) {
    to.total += guard->calls;
    to.latency += guard->latency;
  }
  add_if(answer, age, to.circuit_breakers);
  add_if(answer, age, to.bulkheads);
  add_if(answer, age, to.timeout_managers);
}

} // namespace

/// What has ended is asked all the same: its end is about to be told.
bool registry_actor::would_say_the_same(known_part& part) {
  const auto alive = caf::actor_cast<caf::strong_actor_ptr>(part.info.address);
  if (!alive || compat::has_ended(alive))
    return false;
  if (!part.figures)
    part.figures = std::make_unique<known_figures>(
        known_figures{.part = dynamic_cast<marked_actor*>(alive->get())});
  const auto& known = *part.figures;
  return known.part != nullptr && !known.part->clear_marks() && !known.last.empty();
}

/// All parts, or those called `*only`.
caf::response_promise registry_actor::collect(const std::string* only) {
  auto promise = make_response_promise();
  auto result = std::make_shared<node_stats>();
  result->node = node_;
  result->incarnation = incarnation_;
  if (only == nullptr) {
    result->total = ended_calls_;
    result->latency = ended_latency_;
  }
  std::vector<caf::actor_addr> asked;
  auto known = only == nullptr;
  for (auto& [address, part] : parts_) {
    if (only != nullptr && part.info.name != *only)
      continue;
    known = true;
    if (part.info.kind == part_kind::registry || part.info.kind == part_kind::bulkhead_registry)
      continue;
    if (would_say_the_same(part)) {
      add(*result, part.figures->last, now() - part.figures->answered);
      continue;
    }
    if (part.figures) {
      part.figures->last = caf::message{};
      ++part.figures->asked;
    }
    asked.push_back(address);
  }
  if (known)
    ask(asked, std::move(result), promise);
  else
    promise.deliver(make_failure(errc::unknown_name, {.part = *only}));
  return promise;
}

void registry_actor::ask(const std::vector<caf::actor_addr>& parts,
                         std::shared_ptr<node_stats> result, caf::response_promise promise) {
  auto round = std::make_shared<std::uint64_t>(0);
  gathering_.ask(
      this, parts,
      [this, result, round](std::uint64_t number) {
        *round = number;
        answers_[number] = result;
        return stats_request{.round = number};
      },
      [this, result, round, promise]() mutable {
        answers_.erase(*round);
        promise.deliver(std::move(*result));
      });
}

/// Kept only where it answers the last question: what was said to the part before an earlier one has
/// been cleared from its mark since.
void registry_actor::take_answer(const stats_request& request, const caf::actor_addr& from) {
  const auto found = from ? parts_.find(from) : parts_.end();
  if (found != parts_.end() && gathering_.awaits(request.round, from)) {
    const auto& answer = current_mailbox_element()->payload;
    add(*answers_.at(request.round), answer, timespan{0});
    if (const auto& known = found->second.figures; known && --known->asked == 0 && known->part) {
      known->last = answer;
      known->answered = now();
    }
  }
  gathering_.answered(request.round, from);
}

/// What the guard said before is part of it, and isn't told any more: the farewell has set its mark.
void registry_actor::take_farewell(const caf::actor_addr& from, const guard_stats& stats) {
  ended_calls_ += stats.calls;
  ended_latency_ += stats.latency;
  // Who waits for its answer gets the farewell instead.
  for (auto& [round, answer] : answers_) {
    if (gathering_.awaits(round, from)) {
      answer->total += stats.calls;
      answer->latency += stats.latency;
    }
  }
}

// -- events -----------------------------------------------------------------------------------

void registry_actor::want_rejections() {
  for (const auto& [address, part] : parts_) {
    if (part.info.kind == part_kind::guard)
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
    if (std::find(kinds.begin(), kinds.end(), part.info.kind) != kinds.end())
      compat::tell(caf::actor_cast<caf::strong_actor_ptr>(address), shutdown_atom_v, finish_work_);
  }
}

/// Guards first: they answer their callers, and need their parts for it. Then breakers and
/// bulkheads. The timeout manager and the registries stay: the node ends them.
void registry_actor::go_on_shutting_down() {
  const auto any = [this](auto... kinds) {
    return std::any_of(parts_.begin(), parts_.end(), [&](const auto& entry) {
      return ((entry.second.info.kind == kinds) || ...);
    });
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
