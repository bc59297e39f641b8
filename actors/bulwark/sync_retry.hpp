#pragma once

#include "bulwark/classification.hpp"
#include "bulwark/random.hpp"
#include "bulwark/shared_retry_budget.hpp"
#include "bulwark/sync_exceptions.hpp"
#include "bulwark/sync_time_source.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace bulwark::sync {

class retry;

/// What a retry knows beside its policy.
struct retry_options {
  /// For all attempts and waits together: no attempt starts after it, and none is waited for that
  /// couldn't; 1 ns .. 100 years.
  std::optional<timespan> deadline = std::nullopt;
  /// After which exceptions to try again; where it is given, instead of the policy's retry_on.
  exception_predicate retry_on = nullptr;
  time_source time = {};
};

/// One attempt of a retry's loop.
class attempt {
public:
  /// Calls `f`. True: it returned, and the loop ends. False: it threw, and there will be another
  /// attempt. Throws what `f` threw where that isn't to be retried, and retry_error where this was
  /// the last attempt.
  template <class F>
  bool run(F&& f) {
    try {
      std::invoke(std::forward<F>(f));
    } catch (...) {
      on_exception(std::current_exception());
      return false;
    }
    failed_ = false;
    return true;
  }

  /// 1: the first.
  [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
  /// What the attempt before this one threw; null for the first.
  [[nodiscard]] const std::exception_ptr& last_exception() const noexcept { return last_; }

private:
  friend class retry;
  explicit attempt(const retry& owner);

  const retry* owner_;
  instant started_;
  instant deadline_ = end_of_time;
  random_stream random_;
  std::uint32_t number_ = 1;
  timespan delay_{0}; // the latest wait
  bool failed_ = false;
  std::exception_ptr last_;

  void on_exception(std::exception_ptr thrown);
  void next();
  [[noreturn]] void give_up() const;
};

/// Tries again: as a range of attempts, or for one function.
///
///     bulwark::sync::retry retry{{.max_attempts = 5, .base_delay = 100ms}};
///     for (auto& attempt : retry)
///       attempt.run([&] { upload(file); });
///     auto user = retry.call(fetch_user, 42);
///
/// How long it waits between two attempts: bulwark/retry.hpp. All attempts used, or no time left
/// for another: retry_error, which has the number of attempts, the time they took, and the last
/// exception, whole and in its text. An exception that isn't to be retried comes out unchanged.
///
/// Each loop and each call() counts for itself. But a budget is the retry's: loops and calls earn for
/// it, and where it is empty what was thrown comes out unchanged. (Its name means nothing here, nor
/// do `delays`, `max_retry_after` and `idempotent`, which are about messages.)
///
/// Thread safety: all members may be called from any thread; a range belongs to its loop.
class retry {
public:
  /// Throws policy_error where a field of the policy, or the deadline, is out of range.
  explicit retry(retry_policy policy = {}, retry_options options = {});

  /// Returns what `f(args…)` returns. The arguments are handed to every attempt anew, so none is
  /// moved from.
  template <class F, class... Ts>
  std::invoke_result_t<F&, const Ts&...> call(F&& f, const Ts&... args) const {
    using result = std::invoke_result_t<F&, const Ts&...>;
    attempt now{*this};
    for (;;) {
      try {
        return static_cast<result>(std::invoke(f, args...));
      } catch (...) {
        now.on_exception(std::current_exception());
      }
      now.next();
    }
  }

  class iterator {
  public:
    attempt& operator*() noexcept { return attempt_; }
    /// Waits, and begins the next attempt; none where the last one didn't fail.
    iterator& operator++() {
      if (attempt_.failed_)
        attempt_.next();
      else
        done_ = true;
      return *this;
    }
    friend bool operator!=(const iterator& i, std::default_sentinel_t) noexcept { return !i.done_; }

  private:
    friend class retry;
    explicit iterator(const retry& owner) : attempt_(owner) {}

    attempt attempt_;
    bool done_ = false;
  };

  /// A body that calls no run() ends the loop, as success does.
  [[nodiscard]] iterator begin() const { return iterator{*this}; }
  [[nodiscard]] static std::default_sentinel_t end() noexcept { return {}; }

  [[nodiscard]] const retry_policy& policy() const noexcept { return policy_; }

private:
  friend class attempt;

  retry_policy policy_;
  retry_options options_;
  std::shared_ptr<shared_retry_budget> budget_; // null: none
  mutable std::atomic<std::uint64_t> seed_;

  [[nodiscard]] bool retryable(const std::exception_ptr& thrown) const;
};

} // namespace bulwark::sync
