#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace bulwark::sync {

/// A function with its arguments on its way to a thread, and the future that waits for it. Running
/// it and telling the future are apart, so that the books are right when the future is ready.
///
/// Thread safety: run() is called once, by one thread, and publish() after it; refuse() may be
/// called from any thread at any time.
class job {
public:
  virtual ~job() = default;

  /// Calls the function, unless it has been refused, and keeps what came of it. What the function
  /// holds is gone afterwards. The result: what it threw, null where it returned.
  std::exception_ptr run() noexcept;

  /// The future gets what run() kept, unless it was refused.
  void publish() noexcept;

  /// The future gets `why`, unless it has something already. What hasn't begun never will; what
  /// has goes on, and what comes of it is dropped.
  void refuse(std::exception_ptr why) noexcept;

  /// The same, but only for what hasn't begun.
  void refuse_unless_begun(std::exception_ptr why) noexcept;

  /// run() has come to its end, so that publish() has something to say.
  [[nodiscard]] bool has_run() const noexcept { return ran_.load(std::memory_order_acquire); }

protected:
  virtual std::exception_ptr call() noexcept = 0;
  virtual void set_result() noexcept = 0;
  virtual void set_exception(std::exception_ptr why) noexcept = 0;

private:
  std::atomic<bool> claimed_{false}; // by run() or by refuse()
  std::atomic<bool> ran_{false};
  std::atomic<bool> settled_{false}; // the future has got something
};

using job_ptr = std::shared_ptr<job>;

/// Rvalues throughout, as with std::thread: what was given is copied or moved once, never
/// referred to, except through std::ref.
template <class F, class... Ts>
using job_result = std::invoke_result_t<std::decay_t<F>, std::decay_t<Ts>...>;

template <class R, class F, class... Ts>
class job_of final : public job {
public:
  template <class... Us>
  explicit job_of(std::in_place_t, Us&&... call)
      : call_(std::in_place, std::forward<Us>(call)...) {}

  [[nodiscard]] std::future<R> future() { return promise_.get_future(); }

private:
  using kept =
      std::conditional_t<std::is_void_v<R>, std::monostate,
                         std::conditional_t<std::is_reference_v<R>, std::add_pointer_t<R>, R>>;

  std::optional<std::tuple<F, Ts...>> call_;
  std::promise<R> promise_;
  std::optional<kept> result_;
  std::exception_ptr thrown_;

  std::exception_ptr call() noexcept override {
    try {
      const auto invoke = [](auto&... all) -> R { return std::invoke(std::move(all)...); };
      if constexpr (std::is_void_v<R>) {
        std::apply(invoke, *call_);
        result_.emplace();
      } else if constexpr (std::is_reference_v<R>) {
        auto&& value = std::apply(invoke, *call_);
        result_.emplace(std::addressof(value));
      } else {
        result_.emplace(std::apply(invoke, *call_));
      }
    } catch (...) {
      thrown_ = std::current_exception();
    }
    call_.reset();
    return thrown_;
  }

  void set_result() noexcept override {
    try {
      if (thrown_)
        promise_.set_exception(thrown_);
      else if constexpr (std::is_void_v<R>)
        promise_.set_value(); // NOLINT(bugprone-branch-clone): for void the next is the same
      else if constexpr (std::is_reference_v<R>)
        promise_.set_value(static_cast<R>(**result_));
      else
        promise_.set_value(std::move(*result_));
    } catch (...) { // the result's own move
      promise_.set_exception(std::current_exception());
    }
  }

  void set_exception(std::exception_ptr why) noexcept override {
    promise_.set_exception(std::move(why));
  }
};

/// A job for `f(args…)`, and its future.
template <class F, class... Ts>
auto make_job(F&& f, Ts&&... args) {
  using result = job_result<F, Ts...>;
  auto made = std::make_shared<job_of<result, std::decay_t<F>, std::decay_t<Ts>...>>(
      std::in_place, std::forward<F>(f), std::forward<Ts>(args)...);
  auto future = made->future();
  return std::pair<job_ptr, std::future<result>>{std::move(made), std::move(future)};
}

} // namespace bulwark::sync
