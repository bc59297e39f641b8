#include "bulwark/sync_courier.hpp"

#include "bulwark/exceptions.hpp"
#include "bulwark/sync_exceptions.hpp"

#include <utility>

namespace bulwark::sync {

courier_actor::courier_actor(caf::actor_config& config, part_kind kind, std::string part)
    : caf::event_based_actor(config), kind_(kind), part_(std::move(part)) {}

caf::behavior courier_actor::make_behavior() {
  return {[this](shutdown_atom) { quit(); }};
}

void courier_actor::close() {
  std::lock_guard guard{mutex_};
  closed_ = true;
}

void courier_actor::refuse_pending() {
  std::vector<job_ptr> pending;
  {
    std::lock_guard guard{mutex_};
    for (const auto& [request, what] : under_way_)
      pending.push_back(what);
  }
  for (const auto& what : pending) {
    if (what)
      what->refuse_unless_begun(shut_down_error({.part = part_}));
  }
}

void courier_actor::wait_until_idle() {
  std::unique_lock guard{mutex_};
  idle_.wait(guard, [this] { return under_way_.empty(); });
}

bool courier_actor::enqueue(caf::mailbox_element_ptr element, compat::enqueue_context* context) {
  if (!element->mid.is_response())
    return caf::event_based_actor::enqueue(std::move(element), context);
  const auto request = element->mid.request_id().integer_value();
  job_ptr what;
  {
    std::lock_guard guard{mutex_};
    if (auto found = under_way_.find(request); found != under_way_.end())
      what = std::move(found->second);
  }
  if (!what)
    return true;
  settle(*what, element->payload);
  what = nullptr; // what it holds goes before anybody hears that all is done, and under no lock
  std::lock_guard guard{mutex_};
  under_way_.erase(request);
  if (under_way_.empty())
    idle_.notify_all();
  return true;
}

// The part must see a failure as one, but what it sees need not be what the future gets.
work courier_actor::wrap(const job_ptr& what) {
  return work{std::make_shared<std::function<caf::message()>>([what] {
    const auto thrown = what->run();
    return thrown ? caf::make_message(caf::make_error(caf::sec::runtime_error, to_text(thrown)))
                  : caf::make_message();
  })};
}

std::optional<caf::message_id> courier_actor::remember(job_ptr what) {
  std::lock_guard guard{mutex_};
  if (closed_)
    return std::nullopt;
  const auto id = caf::make_message_id(++last_request_ | caf::message_id::default_async_value);
  under_way_.emplace(id.request_id().integer_value(), std::move(what));
  return id;
}

void courier_actor::settle(job& what, const caf::message& answer) const {
  if (!answer.match_elements<caf::error>())
    return what.publish();
  const auto& reason = answer.get_as<caf::error>(0);
  if (reason == caf::sec::runtime_error && what.has_run())
    return what.publish(); // the function's own
  auto report = report_of(reason).value_or(failure_report{});
  if (report.part.empty())
    report.part = part_;
  if (reason == errc::timed_out)
    what.refuse(std::make_exception_ptr(timeout_error{errc::timed_out, std::move(report)}));
  else if (reason == errc::bulkhead_full)
    what.refuse(std::make_exception_ptr(bulkhead_error{errc::bulkhead_full, std::move(report)}));
  else if (reason == caf::sec::runtime_error) // no thread to be had
    what.refuse(std::make_exception_ptr(carried_error{reason}));
  else // the part has ended: how, is told differently before, while and after it does
    what.refuse(shut_down_error(std::move(report)));
}

std::exception_ptr courier_actor::shut_down_error(failure_report report) const {
  if (kind_ == part_kind::bulkhead)
    return std::make_exception_ptr(bulkhead_error{errc::shutting_down, std::move(report)});
  return std::make_exception_ptr(timeout_error{errc::shutting_down, std::move(report)});
}

} // namespace bulwark::sync
