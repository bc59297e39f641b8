// Longer than 200 lines: what has been decided is carried out also where memory is short.
#include "bulwark/sync_own_workers.hpp"

#include "bulwark/exceptions.hpp"
#include "bulwark/with_memory.hpp"

#include <utility>

namespace bulwark::sync {

namespace {

constexpr holder_id only_holder = 1;

// Room for one more: what has been decided is not given up for want of memory.
template <class T>
void make_room(std::vector<T>& list) {
  with_memory([&] { list.reserve(list.size() + 1); });
}

template <class Error>
std::exception_ptr refusal(errc why, const std::string& part, timespan elapsed = timespan{0}) {
  return with_memory([&] {
    return std::make_exception_ptr(Error{why, {.part = part, .elapsed = elapsed}});
  });
}

} // namespace

own_workers::own_workers(const bulkhead_policy& policy, std::string name)
    : name_(std::move(name)), core_(policy, *this) {
  if (policy.queue_timeout)
    timer_ = std::thread{[this] { watch_queue(); }};
}

own_workers::~own_workers() {
  shut_down(true);
  {
    std::lock_guard guard{mutex_};
    ending_ = true;
  }
  timer_wakes_.notify_all();
  if (timer_.joinable())
    timer_.join();
  pool_.join(); // the last job may still be on its way out
}

// -- jobs ---------------------------------------------------------------------------------

void own_workers::submit(job_ptr what) {
  std::unique_lock lock{mutex_};
  const auto ticket = ++last_ticket_;
  const auto timeout = core_.policy().queue_timeout;
  const auto due =
      timeout ? saturating_add(instant{clock::now().time_since_epoch()}, *timeout) : end_of_time;
  waiting_.emplace(ticket, waiter{std::move(what), clock::time_point{due.time_since_epoch()}});
  ++books_.calls;
  ++books_.in_flight;
  try {
    core_.ask(only_holder, ticket);
  } catch (const std::bad_alloc&) { // nothing has changed there
    waiting_.erase(ticket);
    --books_.calls;
    --books_.in_flight;
    throw;
  }
  auto wanted = take_wishes();
  const auto is_first = waiting_.size() == 1;
  lock.unlock();
  if (is_first)
    timer_wakes_.notify_one();
  fulfil(std::move(wanted));
}

void own_workers::work_on(const job_ptr& what) {
  const auto thrown = what->run();
  std::unique_lock lock{mutex_};
  ++(thrown ? books_.failed : books_.succeeded);
  auto wanted = end_of_job();
  ++untold_;
  lock.unlock();
  what->publish();
  fulfil(std::move(wanted));
  told();
}

// A permit comes home: the next one's turn.
own_workers::wishes own_workers::end_of_job() {
  --books_.in_flight;
  give_back(1);
  return take_wishes();
}

void own_workers::told() {
  {
    std::lock_guard guard{mutex_};
    --untold_;
  }
  changed_.notify_all();
}

void own_workers::fulfil(wishes wanted) {
  for (auto& [what, why] : wanted.refuse)
    what->refuse(refusal<bulkhead_error>(why, name_));
  // By index: where a thread is not to be had, it is the next one's turn at once.
  for (std::size_t i = 0; i < wanted.start.size(); ++i) {
    const auto what = std::move(wanted.start[i]);
    try {
      pool_.submit([this, what] { work_on(what); });
    } catch (...) {
      const auto why = std::current_exception();
      for (const auto& more : give_up_start()) {
        make_room(wanted.start);
        wanted.start.push_back(more);
      }
      what->refuse(why);
      told();
    }
  }
}

std::vector<job_ptr> own_workers::give_up_start() {
  std::lock_guard guard{mutex_};
  ++books_.failed;
  ++untold_;
  return end_of_job().start; // giving back refuses nobody
}

// -- the queue's time -----------------------------------------------------------------------

void own_workers::watch_queue() {
  std::unique_lock lock{mutex_};
  while (!ending_) {
    if (waiting_.empty()) {
      timer_wakes_.wait(lock);
    } else if (const auto due = waiting_.begin()->second.due; clock::now() < due) {
      timer_wakes_.wait_until(lock, due);
    } else {
      const auto late = waiting_.extract(waiting_.begin());
      core_.withdraw(only_holder, late.key());
      --books_.in_flight;
      ++books_.timed_out;
      ++untold_;
      lock.unlock();
      late.mapped().what->refuse(
          refusal<timeout_error>(errc::timed_out, name_, *core_.policy().queue_timeout));
      told();
      lock.lock();
    }
  }
}

// -- the core's wishes, under the lock ----------------------------------------------------

/// The permits are back in any case; whose turn it is then is looked at until there is memory for it.
void own_workers::give_back(std::uint32_t permits) {
  try {
    core_.give_back(only_holder, permits);
  } catch (const std::bad_alloc&) {
    with_memory([this] { core_.hand_on(true); });
  }
}

own_workers::wishes own_workers::take_wishes() {
  while (unasked_ > 0 || !recalls_.empty()) {
    give_back(std::exchange(unasked_, 0));
    for (auto round : std::exchange(recalls_, {}))
      core_.on_recalled(only_holder, round, 0);
  }
  return std::exchange(wishes_, {});
}

void own_workers::grant(holder_id, ticket_id ticket, std::uint32_t extra, bool) {
  unasked_ += extra;
  make_room(wishes_.start);
  wishes_.start.push_back(std::move(waiting_.extract(ticket).mapped().what));
}

void own_workers::refuse(holder_id, ticket_id ticket, errc why) {
  --books_.in_flight;
  ++books_.rejected;
  make_room(wishes_.refuse);
  wishes_.refuse.emplace_back(std::move(waiting_.extract(ticket).mapped().what), why);
}

void own_workers::recall(holder_id, std::uint64_t round) {
  make_room(recalls_);
  recalls_.push_back(round);
}

// -- from outside ---------------------------------------------------------------------------

void own_workers::shut_down(bool wait) {
  std::unique_lock lock{mutex_};
  core_.shut_down(wait);
  auto wanted = take_wishes();
  lock.unlock();
  fulfil(std::move(wanted));
  if (!wait)
    return;
  lock.lock();
  changed_.wait(lock,
                [this] { return core_.leased() == 0 && core_.queued() == 0 && untold_ == 0; });
}

std::uint32_t own_workers::available_capacity() {
  std::lock_guard guard{mutex_};
  return core_.free();
}

bulkhead_stats own_workers::stats() {
  std::lock_guard guard{mutex_};
  return {.name = name_,
          .max_workers = core_.policy().max_workers,
          .queue_size = core_.policy().queue_size,
          .active = core_.leased(),
          .queued = core_.queued(),
          .completed = books_.succeeded,
          .failed = books_.failed,
          .rejected = books_.rejected,
          .timed_out = books_.timed_out,
          .cancelled = books_.cancelled,
          .abandoned = 0, // nothing that runs is timed out
          .calls = books_.calls};
}

} // namespace bulwark::sync
