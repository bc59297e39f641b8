#include "soak/caller.hpp"

#include "soak/types.hpp"

#include <utility>

namespace soak {

caller::caller(caf::actor_config& config, call_plan plan, std::shared_ptr<ledger> books,
               std::shared_ptr<const std::atomic<bool>> go_on)
    : caf::event_based_actor(config),
      plan_(std::move(plan)),
      books_(std::move(books)),
      go_on_(std::move(go_on)) {}

caf::behavior caller::make_behavior() {
  tick();
  return {[](caf::unit_t) {}}; // stays
}

bool caller::enqueue(caf::mailbox_element_ptr element, bulwark::compat::enqueue_context* context) {
  if (!element->mid.is_response())
    return caf::event_based_actor::enqueue(std::move(element), context);
  take(*element);
  return true;
}

void caller::on_exit() {
  plan_.target = nullptr;
  std::lock_guard hold{mutex_};
  gone_ = true;
  books_->forget(open_.size());
  open_.clear();
}

void caller::tick() {
  if (!*go_on_)
    return;
  for (std::uint32_t i = 0; i < plan_.per_tick; ++i)
    call();
  if (--plan_.ticks > 0)
    bulwark::compat::schedule(this, system().clock().now() + plan_.tick, [this] { tick(); });
  else if (plan_.vanishes)
    quit();
}

void caller::call() {
  const auto id = new_request_id(caf::message_priority::normal);
  {
    std::lock_guard hold{mutex_};
    if (open_.size() >= plan_.most_in_flight)
      return;
    open_.emplace(id.response_id().integer_value(), clock::now());
  }
  books_->ask();
  bulwark::compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(plan_.target), ctrl(), id,
                           plan_.question(), context());
}

void caller::take(const caf::mailbox_element& answer) {
  std::lock_guard hold{mutex_};
  if (gone_)
    return;
  const auto found = open_.find(answer.mid.integer_value());
  if (found == open_.end()) {
    books_->stray();
    return;
  }
  const auto took = clock::now() - found->second;
  open_.erase(found);
  books_->answer(answer.payload.match_elements<caf::error>(), plan_.steady, took);
}

} // namespace soak
