// What a guard answers where memory is refused.
#include "bulwark/supervisor_actor.hpp"

#include <new>

namespace bulwark {

namespace {

constexpr auto what_is_said = "no memory left";

} // namespace

/// One for all guards of the process, hence without a name, for each its own would be a sixteenth of an
/// idle guard; never destroyed, as nobody knows who is the last to send it.
const caf::message& supervisor_actor::ready_for_no_memory() {
  static const auto* const answer = new caf::message{
      caf::make_message(make_failure(errc::bulkhead_full, {.last_error = what_is_said}))};
  return *answer;
}

/// With our name where there is memory for it by now.
caf::message supervisor_actor::no_memory() const {
  try {
    return caf::make_message(
        make_failure(errc::bulkhead_full, {.guard = self_.name, .last_error = what_is_said}));
  } catch (const std::bad_alloc&) {
    return ready_for_no_memory();
  }
}

/// A refusal like that of a full bulkhead: it cost nothing, and coming again later may help.
void supervisor_actor::refuse_for_memory(const caf::strong_actor_ptr& door) {
  auto& element = *current_mailbox_element();
  core_.count_refused();
  if (element.mid.is_request())
    compat::deliver(element.sender, door ? door : caf::strong_actor_ptr{ctrl()},
                    element.mid.response_id(), no_memory(), context());
  element.mid.mark_as_answered();
}

} // namespace bulwark
