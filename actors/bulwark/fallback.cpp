#include "bulwark/fallback.hpp"

#include "bulwark/protocol.hpp"
#include "bulwark/supervisor_actor.hpp"

#include <caf/all.hpp>

#include <utility>

namespace bulwark {

policy_mistakes find_mistakes(const fallback_policy& policy) {
  policy_mistakes result;
  const auto add = [&](std::string what) {
    result.push_back({"fallback.to", std::move(what), "a message, a function, a guard"});
  };
  const auto* function = std::get_if<std::function<caf::message(const caf::error&)>>(&policy.to);
  const auto* other = std::get_if<caf::actor>(&policy.to);
  if (std::holds_alternative<std::monostate>(policy.to) || (function && !*function))
    add("nothing");
  else if (other && !*other)
    add("an invalid handle");
  else if (other
           && dynamic_cast<const supervisor_actor*>(caf::actor_cast<caf::abstract_actor*>(*other))
                  == nullptr)
    add("an actor that is no guard of this process");
  return result;
}

bool deserves_fallback(const caf::error& reason) {
  if (const auto mark = mark_of(reason))
    return *mark != error_mark::client;
  return reason != errc::cancelled && reason != caf::sec::unexpected_message
         && reason != caf::sec::invalid_argument;
}

bool fallback::take(guarded_call& call, const caf::strong_actor_ptr& door, caf::message& answer,
                    instant now, compat::enqueue_context* context) {
  if (!answer.match_elements<caf::error>() || !is_for(answer.get_as<caf::error>(0)))
    return false;
  if (hands_on()) {
    if (!hand_on(call, door, now, context))
      return false;
    ++count_;
    return true;
  }
  if (const auto* value = std::get_if<caf::message>(&policy_.to)) {
    answer = *value;
  } else {
    try {
      const auto& make = std::get<std::function<caf::message(const caf::error&)>>(policy_.to);
      answer = make(answer.get_as<caf::error>(0));
    } catch (...) {
      return false;
    }
  }
  ++count_;
  return false;
}

bool fallback::is_for(const caf::error& reason) const {
  try {
    return policy_.on ? (*policy_.on)(reason) : deserves_fallback(reason);
  } catch (...) {
    return false;
  }
}

/// Not where there is no time left: then our error says more than that of the other guard would.
bool fallback::hand_on(guarded_call& call, const caf::strong_actor_ptr& door, instant now,
                       compat::enqueue_context* context) const {
  if (now >= call.deadline || call.is_spent)
    return false;
  auto said = call.context ? std::move(*call.context) : call_context{};
  if (call.deadline != end_of_time)
    said.remaining = call.deadline - now;
  said.by_guard = call.by_guard;
  auto content = call.through_door
                     ? caf::make_message(call_atom_v, std::move(said),
                                         caf::actor_cast<caf::actor>(door), std::move(call.content))
                     : caf::make_message(call_atom_v, std::move(said), std::move(call.content));
  compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(std::get<caf::actor>(policy_.to)),
                  call.caller, call.id, std::move(content), context);
  return true;
}

void fallback::cancel(const caf::strong_actor_ptr& caller, std::uint64_t request,
                      compat::enqueue_context* context) const {
  if (hands_on())
    compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(std::get<caf::actor>(policy_.to)),
                    caller, caf::make_message_id(), caf::make_message(cancel_atom_v, request),
                    context);
}

} // namespace bulwark
