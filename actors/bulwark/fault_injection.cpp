#include "bulwark/fault_injection.hpp"

#include "bulwark/classification.hpp"
#include "bulwark/protocol.hpp"

#include <caf/all.hpp>

#include <string>
#include <utility>

namespace bulwark {

policy_mistakes find_mistakes(const chaos_policy& policy, bool on_other_node) {
  auto result = find_mistakes(policy);
  if (on_other_node)
    check_range(result, "chaos.kill_rate (of a target on another node)", policy.kill_rate, 0, 0);
  return result;
}

void deliver_with(fault what, bool transient_errors, attempt_delivery attempt,
                  const caf::strong_actor_ptr& guard, compat::enqueue_context* context) {
  switch (what) {
  case fault::none:
    compat::deliver(attempt.target, std::move(attempt.reply_to), attempt.id,
                    std::move(attempt.content), context);
    return;
  case fault::error: {
    const auto mark = transient_errors ? error_mark::transient : error_mark::permanent;
    auto reason = caf::make_error(caf::sec::runtime_error, std::string{"injected by chaos"}, mark);
    compat::deliver(guard, attempt.target, attempt.id.response_id(),
                    caf::make_message(std::move(reason)), context);
    return;
  }
  case fault::lost_reply: // from nobody: what it replies all the same has nowhere to go
    compat::deliver(attempt.target, nullptr, caf::make_message_id(), std::move(attempt.content),
                    context);
    return;
  case fault::kill:
    compat::deliver(attempt.target, std::move(attempt.reply_to), attempt.id,
                    std::move(attempt.content), context);
    caf::anon_send_exit(attempt.target, caf::exit_reason::kill);
    return;
  }
}

} // namespace bulwark
