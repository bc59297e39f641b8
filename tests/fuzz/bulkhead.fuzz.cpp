// The bulkhead among many holders against a waiting line: see models/bulkhead_model.hpp.
#include "fuzz/bytes.hpp"
#include "models/bulkhead_model.hpp"

using namespace bulwark_tests;
using namespace bulwark_tests::bulkhead_model;

namespace {

constexpr std::array holders{1, 2, 3, 5, 12};
constexpr std::array actions{action::begin_call,    action::begin_call,    action::begin_call,
                             action::end_call,      action::end_call,      action::give_up,
                             action::go_idle,       action::reach_owner,   action::reach_owner,
                             action::reach_owner,   action::reach_holder,  action::reach_holder,
                             action::reach_holder,  action::reach_all,     action::lose,
                             action::recall_all,    action::change_policy, action::let_time_pass,
                             action::let_time_pass, action::tell_samples,  action::shut_down};

} // namespace

BULWARK_FUZZ(input) {
  static coverage met;
  history all{.holders = input.one_of(holders),
              .features = static_cast<int>(input.below(feature::all)),
              .policy = static_cast<int>(input.below(policy_choices)),
              .commands = {}};
  while (!input.empty())
    all.commands.push_back({.what = input.one_of(actions),
                            .who = static_cast<int>(input.below(60)),
                            .choice = static_cast<int>(input.below(policy_choices))});
  play(all, met);
}
