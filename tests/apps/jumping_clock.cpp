// Loaded before a program (LD_PRELOAD): its wall clock jumps, an hour forth, an hour back, a day
// forth, a day back, each 50 ms. All other clocks are left alone. A wait by the wall clock would be
// disturbed by that in ways that can't be shown from here: so it is told, on stderr.

#include <dlfcn.h>
#include <pthread.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

namespace {

time_t offset() {
  using read_clock = int (*)(clockid_t, timespec*);
  static const auto real = reinterpret_cast<read_clock>(::dlsym(RTLD_NEXT, "clock_gettime"));
  timespec steady{};
  real(CLOCK_MONOTONIC, &steady);
  constexpr time_t hour = 3600;
  constexpr time_t jumps[] = {0, hour, -hour, 24 * hour, -24 * hour};
  return jumps[(steady.tv_sec * 20 + steady.tv_nsec / 50'000'000) % 5];
}

void tell_once() {
  static std::atomic<bool> told = false;
  constexpr char line[] = "jumping clock: the program waits by the wall clock\n";
  if (!told.exchange(true) && ::write(STDERR_FILENO, line, sizeof line - 1) < 0)
    return;
}

} // namespace

extern "C" {

int clock_gettime(clockid_t which, timespec* result) noexcept {
  using function = int (*)(clockid_t, timespec*);
  static const auto real = reinterpret_cast<function>(::dlsym(RTLD_NEXT, "clock_gettime"));
  const auto failed = real(which, result);
  if (failed == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
    result->tv_sec += offset();
  return failed;
}

int gettimeofday(timeval* result, void* zone) noexcept {
  using function = int (*)(timeval*, void*);
  static const auto real = reinterpret_cast<function>(::dlsym(RTLD_NEXT, "gettimeofday"));
  const auto failed = real(result, zone);
  if (failed == 0)
    result->tv_sec += offset();
  return failed;
}

time_t time(time_t* result) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (result != nullptr)
    *result = now.tv_sec;
  return now.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                           const timespec* until) {
  using function = int (*)(pthread_cond_t*, pthread_mutex_t*, const timespec*);
  static const auto real = reinterpret_cast<function>(::dlsym(RTLD_NEXT, "pthread_cond_timedwait"));
  tell_once();
  return real(condition, mutex, until);
}

int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                           const timespec* until) {
  using function = int (*)(pthread_cond_t*, pthread_mutex_t*, clockid_t, const timespec*);
  static const auto real = reinterpret_cast<function>(::dlsym(RTLD_NEXT, "pthread_cond_clockwait"));
  if (clock == CLOCK_REALTIME)
    tell_once();
  return real(condition, mutex, clock, until);
}

} // extern "C"
