// The same patterns for code outside of actors: plain calls that block, and exceptions.

#include "bulwark/all.hpp"

#include <cstdlib>
#include <iostream>
#include <system_error>

using namespace std::chrono_literals;

namespace {

// Refuses the first two connections.
int fetch(int key) {
  static int calls = 0;
  if (++calls < 3)
    throw std::system_error{std::make_error_code(std::errc::connection_refused)};
  return key * 100;
}

} // namespace

int main() {
  auto fetched = 0;
  // [sync]
  namespace sync = bulwark::sync;
  sync::circuit_breaker breaker{{.failure_threshold = 5, .open_for = 60s}};
  sync::retry retry{{.max_attempts = 3, .base_delay = 10ms}};
  sync::bulkhead pool{{.max_workers = 4, .queue_size = 20}}; // shut down at the end of the scope
  try {
    for (auto& attempt : retry)
      attempt.run([&] { fetched = breaker.call([] { return sync::wait_for(2s, fetch, 42); }); });
    auto another = pool.execute(fetch, 7); // a future
    std::cout << fetched << " and " << another.get() << '\n';
  } catch (const bulwark::retry_error& error) {
    std::cerr << error.what() << '\n'; // all attempts failed; last_exception() has the last one
  } catch (const bulwark::resilience_error& error) {
    std::cerr << error.what() << '\n'; // circuit_breaker_error, timeout_error, bulkhead_error
  }
  // [/sync]
  return fetched == 4200 ? EXIT_SUCCESS : EXIT_FAILURE;
}
