#include "bulwark/circuit_breaker.hpp"

#include <cstdlib>
#include <iostream>

#if __has_include("bulwark/all.hpp") && defined(CAF_ADD_TYPE_ID)
#error "the cores brought CAF along"
#endif

using namespace std::chrono_literals;

struct printer final : bulwark::circuit_observer {
  void on_transition(const bulwark::circuit_transition& change) override {
    std::cout << "the circuit is " << to_string(change.to) << '\n';
  }
};

int main() {
  printer out;
  bulwark::instant now{};
  bulwark::circuit_breaker breaker{{.failure_threshold = 1, .open_for = 60s}, out, now};
  breaker.record_failure(now);
  now += 60s;
  breaker.on_tick(now);
  return breaker.state() == bulwark::circuit_state::half_open ? EXIT_SUCCESS : EXIT_FAILURE;
}
