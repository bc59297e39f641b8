#include "models/bulkhead_model.hpp"
#include "support/catch.hpp"

#include <rapidcheck.h>

#include <cstdlib>
#include <vector>

// Random histories for the model in bulkhead_model.hpp.

using namespace bulwark;
using namespace bulwark_tests::bulkhead_model;

namespace {

rc::Gen<command> any_command() {
  const auto what = rc::gen::weightedElement<action>({{80, action::begin_call},
                                                      {60, action::end_call},
                                                      {12, action::give_up},
                                                      {3, action::go_idle},
                                                      {90, action::reach_owner},
                                                      {90, action::reach_holder},
                                                      {6, action::reach_all},
                                                      {4, action::lose},
                                                      {4, action::recall_all},
                                                      {6, action::change_policy},
                                                      {60, action::let_time_pass},
                                                      {25, action::tell_samples},
                                                      {1, action::shut_down}});
  return rc::gen::construct<command>(what, rc::gen::inRange(0, 60),
                                     rc::gen::inRange(0, policy_choices));
}

rc::Gen<history> any_history() {
  return rc::gen::construct<history>(
      rc::gen::element(1, 2, 3, 5, 12), rc::gen::inRange(0, feature::all),
      rc::gen::inRange(0, policy_choices),
      rc::gen::scale(4.0, rc::gen::container<std::vector<command>>(any_command())));
}

} // namespace

TEST_CASE("in every history permits are kept count of and who waits is served in order [B1] [B2] "
          "[B8] [B10] [B13] [B16] [B17] [B18] [K2] [K3]",
          "[bulkhead]") {
  coverage met;
  // Many histories a case, none very long: what fails shrinks to one of them, soon.
  const auto histories = rc::gen::container<std::vector<history>>(any_history());
  CHECK(rc::check("bulkhead and waiting line agree", [&] {
    for (const auto& each : *histories)
      run(each, met);
  }));
  // The seed is another each time (RC_PARAMS="seed=…" repeats one): were these rare, nothing above
  // would have been tested.
  if (std::getenv("RC_PARAMS") == nullptr) {
    CHECK(met.steps >= 100'000);
    CHECK(met.granted >= 10'000);
    CHECK(met.full >= 500);
    CHECK(met.closing >= 500);
    CHECK(met.crossed >= 500);
    CHECK(met.recalls >= 500);
    CHECK(met.overdrawn >= 500);
    CHECK(met.shrunk >= 500);
    CHECK(met.queued_at_rest >= 100);
    CHECK(met.shed >= 200);
    CHECK(met.newest_first >= 50);
    CHECK(met.tenants >= 5'000);
    CHECK(met.importances >= 5'000);
    CHECK(met.limits_changed >= 100);
  }
}
