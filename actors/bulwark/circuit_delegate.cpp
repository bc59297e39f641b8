#include "bulwark/circuit_delegate.hpp"

#include <optional>

namespace bulwark {

circuit_delegate::circuit_delegate(caf::event_based_actor* self, circuit_breaker& own,
                                   owner_line::settings line, owner_lost when_lost,
                                   policy_handler on_policy, instant now)
    : self_(self),
      when_lost_(when_lost),
      line_(self, std::move(line)),
      on_policy_(std::move(on_policy)),
      share_(own, *this, when_lost, now) {}

bool circuit_delegate::ask(const probe_request& request, const caf::strong_actor_ptr& from) {
  if (!share_.owner_decides())
    return false;
  asked_[++last_number_] = {request, from};
  line_.send(circuit_probe_request{.number = last_number_, .hold_for = request.hold_for});
  return true;
}

bool circuit_delegate::tell(const outcome_report& report) {
  given_.erase(report.held.probe);
  const auto owners = share_.to_owners(report.held);
  if (owners)
    line_.send(outcome_report{.held = *owners,
                              .failed = report.failed,
                              .slow = report.slow,
                              .retry_after = report.retry_after});
  return owners.has_value();
}

bool circuit_delegate::command(circuit_state wish) {
  if (!share_.leased())
    return false;
  line_.send(circuit_command{.wish = wish});
  return true;
}

void circuit_delegate::take_answer(const circuit_probe_answer& answer) {
  const auto asked = asked_.find(answer.number);
  const auto own = answer.granted ? share_.to_own(answer.given) : std::nullopt;
  if (answer.granted && (asked == asked_.end() || !own)) // nobody can use it any more
    line_.send(outcome_report{.held = answer.given});
  if (asked == asked_.end())
    return;
  const auto [request, from] = std::move(asked->second);
  asked_.erase(asked);
  if (own && own->probe != 0)
    given_[own->probe] = {*own, caf::actor_cast<caf::actor_addr>(from)};
  compat::deliver(from, caf::strong_actor_ptr{self_->ctrl()}, caf::make_message_id(),
                  caf::make_message(probe_decision{.attempt = request.attempt,
                                                   .granted = own.has_value(),
                                                   .given = own.value_or(permit{}),
                                                   .refused = answer.refused}),
                  self_->context());
}

void circuit_delegate::lose(const caf::actor_addr& holder) {
  std::erase_if(asked_, [&](const auto& each) { return each.second.second == holder; });
  std::vector<permit> back;
  for (const auto& [number, given] : given_) {
    if (given.second == holder)
      back.push_back(given.first);
  }
  for (const auto& each : back)
    tell({.held = each, .failed = std::nullopt});
}

std::vector<circuit_delegate::asker> circuit_delegate::left_over() {
  std::vector<asker> result;
  if (share_.owner_decides())
    return result;
  for (auto& [number, each] : std::exchange(asked_, {}))
    result.push_back(std::move(each));
  given_.clear(); // the owner takes back what a lost node had
  return result;
}

void circuit_delegate::report(const circuit_report& report) {
  line_.send(report);
}

void circuit_delegate::policy_changed(const circuit_breaker_limits& policy) {
  on_policy_(policy);
}

} // namespace bulwark
