#include "bulwark/sync_job.hpp"

namespace bulwark::sync {

std::exception_ptr job::run() noexcept {
  if (claimed_.exchange(true))
    return nullptr;
  auto thrown = call();
  ran_.store(true, std::memory_order_release);
  return thrown;
}

void job::publish() noexcept {
  if (has_run() && !settled_.exchange(true))
    set_result();
}

void job::refuse(std::exception_ptr why) noexcept {
  claimed_.store(true);
  if (!settled_.exchange(true))
    set_exception(std::move(why));
}

void job::refuse_unless_begun(std::exception_ptr why) noexcept {
  if (!claimed_.exchange(true))
    refuse(std::move(why));
}

} // namespace bulwark::sync
