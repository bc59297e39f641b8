#include "models/supervisor_model.hpp"
#include "support/catch.hpp"

#include <rapidcheck.h>

#include <cstdlib>
#include <vector>

// Random histories for the model in supervisor_model.hpp.

using namespace bulwark;
using namespace bulwark_tests::supervisor_model;
using namespace std::chrono_literals;

namespace {

rc::Gen<history> any_history() {
  auto what = rc::gen::weightedElement<action>({{60, action::call},
                                                {40, action::reply},
                                                {5, action::stale_reply},
                                                {110, action::deliver},
                                                {12, action::deliver_all},
                                                {40, action::wait},
                                                {4, action::tick},
                                                {4, action::lose_attempt},
                                                {1, action::lose_target},
                                                {6, action::cancel},
                                                {2, action::change_policy},
                                                {2, action::operate_breaker},
                                                {1, action::shut_down},
                                                {1, action::shut_down_bulkhead},
                                                {1, action::lose_part}});
  auto any = rc::gen::noShrink(rc::gen::inRange(0U, 1U << 30U));
  return rc::gen::construct<history>(
      any, rc::gen::scale(5.0, rc::gen::container<std::vector<command>>(
                                   rc::gen::construct<command>(what, any))));
}

} // namespace

TEST_CASE("every call of every history gets one answer and the books balance after each step "
          "[G3 G5 G8 G9 G10 G11 G17 B1 B2 B10 C4 C11 C20 K1 K2 K3 K4 K5 M4 M5]",
          "[supervisor]") {
  coverage met;
  auto histories = rc::gen::container<std::vector<history>>(16, any_history());
  auto ok = rc::check("supervisors keep their promises", [&] {
    for (const auto& each : *histories)
      run(each, met);
  });
  CHECK(ok);
  CAPTURE(met.steps, met.calls, met.succeeded, met.probes, met.reopened, met.crossed, met.abandoned,
          met.late, met.budget_refused, met.left_to_others, met.not_idempotent, met.told_not_to,
          met.saved, met.batched, met.copies, met.copies_refused, met.copies_won,
          met.left_to_copies);
  if (std::getenv("RC_PARAMS") == nullptr) {
    CHECK(met.steps >= 100'000);
    CHECK(met.calls >= 10'000);
    CHECK(met.succeeded >= 1'000);
    CHECK(met.probes >= 100);
    CHECK(met.reopened >= 100);
    CHECK(met.crossed >= 100);
    CHECK(met.abandoned >= 100);
    CHECK(met.late >= 100);
    CHECK(met.budget_refused >= 100);
    CHECK(met.left_to_others >= 100);
    CHECK(met.not_idempotent >= 100);
    CHECK(met.told_not_to >= 100);
    CHECK(met.saved >= 100);
    CHECK(met.batched >= 200);
    CHECK(met.slow >= 20);
    CHECK(met.copies >= 300);
    CHECK(met.copies_refused >= 50);
    CHECK(met.copies_won >= 20);
    CHECK(met.left_to_copies >= 20);
    for (auto code :
         {errc::circuit_open, errc::retries_exhausted, errc::timed_out, errc::bulkhead_full,
          errc::cancelled, errc::shutting_down, errc::target_lost}) {
      CAPTURE(to_string(code));
      CHECK(met.errors[code] >= 50);
    }
  }
}
