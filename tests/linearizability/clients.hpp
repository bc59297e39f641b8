#pragma once

#include "linearizability/checker.hpp"

#include "bulwark/random.hpp"

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

/// @file Threads that do something at once, and what they write down.

namespace bulwark_tests {

inline moment clock_now() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

/// How many histories; BULWARK_HISTORIES asks for more, or fewer.
inline std::uint64_t histories_wanted(std::uint64_t without_wish) {
  const char* wish = std::getenv("BULWARK_HISTORIES");
  return wish != nullptr ? std::strtoull(wish, nullptr, 10) : without_wish;
}

/// Whole numbers by chance.
class dice {
public:
  explicit dice(std::uint64_t seed) : chance_(seed) {}

  std::uint32_t below(std::uint32_t count) {
    return static_cast<std::uint32_t>(chance_.next() % count);
  }
  std::uint64_t seed() { return chance_.next(); }

private:
  bulwark::random_stream chance_;
};

/// Some threads that begin together, again and again.
class client_threads {
public:
  explicit client_threads(std::size_t count)
      : errors_(count), begin_(all_of(count)), end_(all_of(count)) {
    for (std::size_t i = 0; i < count; ++i)
      threads_.emplace_back([this, i] { serve(i); });
  }

  ~client_threads() {
    task_ = nullptr;
    begin_.arrive_and_wait();
    for (auto& each : threads_)
      each.join();
  }

  client_threads(const client_threads&) = delete;
  client_threads& operator=(const client_threads&) = delete;

  /// Calls `f(i)` on each thread, and waits for all. What one throws comes through. Each has to
  /// meet() the others once.
  void run(std::function<void(std::size_t)> f) {
    task_ = std::move(f);
    ++meetings_;
    begin_.arrive_and_wait();
    end_.arrive_and_wait();
    for (auto& each : errors_) {
      if (auto error = std::exchange(each, nullptr))
        std::rethrow_exception(error);
    }
  }

  /// On each of the threads, within run(): returns when all are here, at once on all.
  void meet() {
    const auto all = meetings_ * threads_.size();
    for (++here_; here_ < all;)
      std::this_thread::yield();
  }

  [[nodiscard]] std::size_t count() const { return threads_.size(); }

private:
  std::function<void(std::size_t)> task_;
  std::atomic<std::size_t> here_{0};
  std::size_t meetings_ = 0;
  std::vector<std::exception_ptr> errors_;
  std::barrier<> begin_;
  std::barrier<> end_;
  std::vector<std::thread> threads_;

  // With the one who waits for them.
  static std::ptrdiff_t all_of(std::size_t count) { return static_cast<std::ptrdiff_t>(count) + 1; }

  void serve(std::size_t i) {
    for (;;) {
      begin_.arrive_and_wait();
      if (!task_)
        return;
      try {
        task_(i);
      } catch (...) {
        errors_[i] = std::current_exception();
      }
      end_.arrive_and_wait();
    }
  }
};

/// What one client writes down of the messages that it sends to one actor, and of the answers.
template <class What>
class notebook {
public:
  explicit notebook(std::vector<operation<What>>& into) : into_(into) {}

  /// Something that is sent and not answered: it has happened when a later answer shows that it has.
  void sent(const What& what) { into_.push_back({what, clock_now(), no_end}); }

  /// What began at `invoked` has been answered, and so has all that was sent before.
  void answered(const What& what, moment invoked) {
    const auto now = clock_now();
    into_.push_back({what, invoked, now});
    has_happened(into_.size(), now);
  }

  /// What happened between the two.
  void happened(const What& what, moment invoked, moment by) {
    into_.push_back({what, invoked, by});
  }

  /// The first `count` that were written down have happened by `now`.
  void has_happened(std::size_t count, moment now) {
    for (; happened_ < count; ++happened_)
      into_[happened_].returned = std::min(into_[happened_].returned, now);
  }

  [[nodiscard]] std::size_t size() const { return into_.size(); }

private:
  std::vector<operation<What>>& into_;
  std::size_t happened_ = 0;
};

/// The history as a reader wants it: by client, with the times since the first, and a mark where the
/// longest order that could be found ends.
template <class What>
std::string to_text(const history<What>& clients, const verdict& result) {
  auto first = no_end;
  for (const auto& each : clients)
    for (const auto& one : each)
      first = std::min(first, one.invoked);
  std::string text;
  for (std::size_t i = 0; i < clients.size(); ++i) {
    text += "\nclient " + std::to_string(i);
    for (std::size_t j = 0; j < clients[i].size(); ++j) {
      const auto& one = clients[i][j];
      text += j == result.longest[i] ? "\n  -- no further --" : "";
      text += "\n  " + std::to_string((one.invoked - first) / 1000) + " .. "
              + (one.returned == no_end ? "?" : std::to_string((one.returned - first) / 1000))
              + " us: " + to_text(one.what);
    }
  }
  return text;
}

} // namespace bulwark_tests
