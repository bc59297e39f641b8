#include "models/circuit_breaker_history.hpp"
#include "support/catch.hpp"

#include <rapidcheck.h>

#include <cmath>
#include <cstdlib>
#include <vector>

// Random histories for the model in circuit_breaker_history.hpp.

using namespace bulwark;
using namespace bulwark_tests::circuit_breaker_model;
using namespace std::chrono_literals;

namespace {

rc::Gen<command> any_command() {
  auto what = rc::gen::weightedElement<action>({{60, action::admit},
                                                {40, action::succeed},
                                                {24, action::fail},
                                                {8, action::cancel},
                                                {4, action::see_success},
                                                {3, action::see_failure},
                                                {10, action::tell_batch},
                                                {10, action::tick},
                                                {24, action::sleep_until_due},
                                                {1, action::force_open},
                                                {1, action::disable},
                                                {2, action::show},
                                                {5, action::reset},
                                                {2, action::trip},
                                                {2, action::follow},
                                                {8, action::stop_following},
                                                {4, action::change_policy}});
  auto wait = rc::gen::weightedElement<int>({{12, 0}, {4, 1}, {3, 2}, {1, 5}});
  return rc::gen::construct<command>(what, wait, rc::gen::inRange(0, 144),
                                     rc::gen::inRange(0, 9 * 128));
}

rc::Gen<history> any_history() {
  return rc::gen::construct<history>(
      rc::gen::inRange(0, 144), rc::gen::element(instant{}, instant{1h}, end_of_time - 20ms),
      rc::gen::scale(6.0, rc::gen::container<std::vector<command>>(any_command())),
      rc::gen::oneOf(rc::gen::just(0), rc::gen::inRange(0, 9 * 128)));
}

} // namespace

TEST_CASE("the breaker does in every history what the book of what happened says",
          "[circuit_breaker]") {
  coverage met;
  // Many histories a case, none very long: what fails shrinks to one of them, soon.
  auto histories = rc::gen::container<std::vector<history>>(any_history());
  auto ok = rc::check("circuit breaker and model agree", [&] {
    for (const auto& each : *histories)
      run(each, met);
  });
  CHECK(ok);
  CHECK(std::abs(double(met.ramped) - met.ramps_refuse) <= 1 + 5 * std::sqrt(met.ramps_variance));
  // The seed is another each time (RC_PARAMS="seed=…" repeats one): were these rare, nothing above
  // would have been tested.
  if (std::getenv("RC_PARAMS") == nullptr) {
    CHECK(met.steps >= 100'000);
    CHECK(met.outdated >= 500);
    CHECK(met.late >= 500);
    CHECK(met.given_back >= 500);
    CHECK(met.full >= 500);
    CHECK(met.ramped >= 100);
    CHECK(met.causes.size() == 15);
    for (auto [cause, times] : met.causes) {
      CAPTURE(to_string(cause));
      CHECK(times >= 100);
    }
  }
}
