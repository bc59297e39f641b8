// The circuit breaker against its model: see models/circuit_breaker_history.hpp.
#include "fuzz/bytes.hpp"
#include "models/circuit_breaker_history.hpp"

using namespace bulwark_tests;
using namespace bulwark_tests::circuit_breaker_model;

namespace {

constexpr std::array starts{instant{}, instant{1h}, end_of_time - 20ms};
// What ends generations is rarer, so that there is something in them.
constexpr std::array actions{
    action::admit,           action::admit,       action::admit,   action::succeed,
    action::succeed,         action::fail,        action::fail,    action::cancel,
    action::see_success,     action::see_failure, action::tick,    action::sleep_until_due,
    action::sleep_until_due, action::force_open,  action::disable, action::reset,
    action::change_policy,   action::tell_batch,  action::show};
constexpr std::array waits{0, 0, 0, 0, 1, 1, 2, 5};

} // namespace

BULWARK_FUZZ(input) {
  static coverage met;
  history all{.policy = static_cast<int>(input.below(144)),
              .start = input.one_of(starts),
              .commands = {},
              .manner = static_cast<int>(input.below(9 * 128))};
  while (!input.empty())
    all.commands.push_back({.what = input.one_of(actions),
                            .wait = input.one_of(waits),
                            .choice = static_cast<int>(input.below(144)),
                            .manner = static_cast<int>(input.below(9 * 128))});
  play(all, met);
}
