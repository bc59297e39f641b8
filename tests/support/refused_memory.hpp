#pragma once

#include <dlfcn.h>
#include <execinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

/// @file A program's own allocator, of which one allocation fails. Included by one file of a
/// program: it replaces malloc, from which C++'s and CAF's memory come, or, where a sanitizer has
/// malloc, operator new, from which all but CAF's messages come.

namespace bulwark_tests {

/// The allocation from now that fails, in whichever thread; 0 or less: none does.
inline std::atomic<std::int64_t> fails_at = 0;

/// Where it was made, and whether it was let through: see below.
inline constexpr int most_frames = 48;
inline void* refused_at[most_frames];
inline int refused_depth = 0;
inline bool let_through = false;

/// What CAF can't survive, in 0.18.7 as in 1.1, and nobody can mend from outside:
///
/// - scheduled_actor::enqueue: the message is in the mailbox, and then there is no memory for the
///   scheduler's queue. The exception comes out, and the actor is never run again.
/// - the actor clock: its thread tells the actor whose alarm is due. The exception ends the process.
///   (virtual_system::pass is that thread where the test has the time.)
inline bool is_in_caf_alone() {
  for (int i = 0; i < refused_depth; ++i)
    if (Dl_info place{}; ::dladdr(refused_at[i], &place) != 0 && place.dli_sname != nullptr
                         && (::strstr(place.dli_sname, "scheduled_actor7enqueue") != nullptr
                             || ::strstr(place.dli_sname, "_actor_clock") != nullptr
                             || ::strstr(place.dli_sname, "virtual_system4pass") != nullptr))
      return true;
  return false;
}

inline void begin_refusing(std::int64_t n) noexcept {
  fails_at = n;
}

/// Memory is given again. Whether an allocation has failed.
inline bool end_refusing() noexcept {
  return fails_at.exchange(0) <= 0;
}

inline bool fails_now() noexcept {
  return fails_at.load(std::memory_order_relaxed) > 0
         && fails_at.fetch_sub(1, std::memory_order_relaxed) == 1;
}

/// Whether this allocation is the one that fails.
inline bool refuses() noexcept {
  if (!fails_now())
    return false;
  refused_depth = ::backtrace(refused_at, most_frames);
  let_through = is_in_caf_alone();
  return !let_through;
}

} // namespace bulwark_tests

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
void* operator new(std::size_t size) {
  if (bulwark_tests::refuses())
    throw std::bad_alloc{};
  if (auto* result = std::malloc(size == 0 ? 1 : size))
    return result;
  throw std::bad_alloc{};
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return bulwark_tests::refuses() ? nullptr : std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}
#else
// The C library's own entry, behind the name that we take over. glibc keeps it for this purpose.
extern "C" void* __libc_malloc(std::size_t size); // NOLINT(bugprone-reserved-identifier)

extern "C" void* malloc(std::size_t size) {
  return bulwark_tests::refuses() ? nullptr : __libc_malloc(size);
}
#endif

namespace bulwark_tests {

/// What became of a trial.
struct trial_end {
  bool refused = false;       ///< An allocation has failed,
  bool by_caf = false;        ///< or would have, but CAF can't survive it.
  std::string complaint = {}; ///< Empty: all that must hold has held.
  std::string crash = {};     ///< Where the process ended, if it did.
};

/// The pipe to the process that looks on.
inline int trial_output = -1;

inline void say_to_onlooker(const std::string& text) {
  if (::write(trial_output, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    std::_Exit(3);
}

/// Says so, and where memory was refused, and ends.
[[noreturn]] inline void end_of_trial(const std::string& how) {
  fails_at = 0;
  say_to_onlooker("C" + how);
  ::backtrace_symbols_fd(refused_at, refused_depth, trial_output);
  std::_Exit(2);
}

/// Runs `trial` in a process of its own: it may end by a failed allocation, or hang.
inline trial_end run_trial(const std::function<trial_end()>& trial) {
  int ends[2];
  if (::pipe(ends) != 0)
    throw std::runtime_error{"no pipe for a trial"};
  const auto child = ::fork();
  if (child == 0) {
    trial_output = ends[1];
    void* places[1];
    ::backtrace(places, 1); // loads what it needs
    ::signal(SIGALRM, [](int) { end_of_trial("hangs\n"); });
    ::alarm(30); // whoever waits for an answer that doesn't come
    std::set_terminate([] { end_of_trial("ends the process\n"); });
    const auto end = [&]() -> trial_end {
      try {
        return trial();
      } catch (const std::exception& why) {
        return {.refused = true, .complaint = why.what()};
      }
    }();
    say_to_onlooker((let_through ? "K" : end.refused ? "R" : "-") + end.complaint);
    std::_Exit(0);
  }
  ::close(ends[1]);
  std::string text;
  char some[4096];
  for (ssize_t count = 0; (count = ::read(ends[0], some, sizeof some)) > 0;)
    text.append(some, static_cast<std::size_t>(count));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status) || text.empty())
    return {.refused = true, .crash = "status " + std::to_string(status) + " " + text};
  if (text.starts_with("C"))
    return {.refused = true, .crash = text.substr(1)};
  return {.refused = text[0] != '-', .by_caf = text[0] == 'K', .complaint = text.substr(1)};
}

} // namespace bulwark_tests
