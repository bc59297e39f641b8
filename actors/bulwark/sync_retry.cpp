#include "bulwark/sync_retry.hpp"

#include <random>
#include <utility>

namespace bulwark::sync {

retry::retry(retry_policy policy, retry_options options)
    : policy_(std::move(policy)), options_(std::move(options)), seed_(std::random_device{}()) {
  auto mistakes = find_mistakes(policy_);
  if (options_.deadline)
    check_range(mistakes, "retry.deadline", *options_.deadline, timespan{1}, longest_timespan);
  if (!mistakes.empty())
    throw policy_error{errc::invalid_policy, {.last_error = to_string(mistakes)}};
  if (policy_.budget)
    budget_ = std::make_shared<shared_retry_budget>(*policy_.budget);
}

bool retry::retryable(const std::exception_ptr& thrown) const {
  return options_.retry_on ? options_.retry_on(thrown) : policy_.retry_on(to_error(thrown));
}

attempt::attempt(const retry& owner)
    : owner_(&owner),
      started_(owner.options_.time.now()),
      random_(owner.seed_.fetch_add(0x9e3779b97f4a7c15U, std::memory_order_relaxed)) {
  if (owner.options_.deadline)
    deadline_ = saturating_add(started_, *owner.options_.deadline);
  if (owner.budget_)
    owner.budget_->on_call(started_);
}

void attempt::on_exception(std::exception_ptr thrown) {
  if (!owner_->retryable(thrown))
    std::rethrow_exception(thrown);
  last_ = std::move(thrown);
  failed_ = true;
  const auto& policy = owner_->policy_;
  if (number_ >= policy.max_attempts)
    give_up();
  delay_ = backoff_delay(limits_of(policy), number_, delay_, random_);
  // Said at once: waiting for a moment at which nothing may start any more would change nothing.
  const auto now = owner_->options_.time.now();
  if (saturating_add(now, delay_) >= deadline_)
    give_up();
  if (owner_->budget_ && !owner_->budget_->try_spend(now))
    std::rethrow_exception(last_);
}

void attempt::next() {
  if (delay_ > timespan::zero())
    owner_->options_.time.sleep(delay_);
  if (owner_->options_.time.now() >= deadline_) // overslept
    give_up();
  ++number_;
  failed_ = false;
}

void attempt::give_up() const {
  throw retry_error{{.attempts = number_,
                     .elapsed = owner_->options_.time.now() - started_,
                     .last_error = to_text(last_)},
                    last_};
}

} // namespace bulwark::sync
