#include "bulwark/change_mark.hpp"

#include "bulwark/protocol.hpp"

#include <utility>

namespace bulwark {

namespace {

// Whether it changes no figures: a question for them, or what a holder says because it was asked.
// (What the holder tells there, it has set the mark for when it counted it.)
bool only_asks(const caf::message& content) noexcept {
  if (content.size() != 1)
    return false;
  const auto type = content.type_at(0);
  return type
             == caf::type_id_v<
                 stats_request> || type == caf::type_id_v<books_request> || type == caf::type_id_v<books_report> || type == caf::type_id_v<get_stats_atom>;
}

} // namespace

bool marked_actor::enqueue(caf::mailbox_element_ptr element, compat::enqueue_context* context) {
  set_marks_for(element->payload);
  return caf::event_based_actor::enqueue(std::move(element), context);
}

void marked_actor::set_marks_for(const caf::message& content) noexcept {
  if (!only_asks(content))
    set_marks();
}

caf::behavior marked_actor::marking(caf::behavior table) {
  return compat::make_behavior([this, table = std::move(table)](compat::result_visitor& visitor,
                                                                caf::message& content) mutable {
    set_marks_for(content);
    return table(visitor, content);
  });
}

} // namespace bulwark
