// Supervisors, a circuit breaker and a bulkhead, and clerks beside them: see
// models/supervisor_model.hpp.
#include "fuzz/bytes.hpp"
#include "models/supervisor_model.hpp"

using namespace bulwark_tests;
using namespace bulwark_tests::supervisor_model;

namespace {

constexpr std::array actions{action::call,
                             action::call,
                             action::call,
                             action::call,
                             action::call,
                             action::reply,
                             action::reply,
                             action::reply,
                             action::deliver,
                             action::deliver,
                             action::deliver,
                             action::deliver,
                             action::deliver,
                             action::deliver_all,
                             action::deliver_all,
                             action::wait,
                             action::wait,
                             action::wait,
                             action::tick,
                             action::stale_reply,
                             action::lose_attempt,
                             action::lose_target,
                             action::cancel,
                             action::change_policy,
                             action::operate_breaker,
                             action::shut_down,
                             action::shut_down_bulkhead,
                             action::lose_part};

} // namespace

BULWARK_FUZZ(input) {
  static coverage met;
  history all{.policy = input.any<std::uint32_t>() % (1U << 30U), .commands = {}};
  while (!input.empty()) {
    const auto what = input.one_of(actions);
    // Two bytes are enough for all but policies.
    const auto choice =
        what == action::change_policy ? input.any<std::uint32_t>() : input.any<std::uint16_t>();
    all.commands.push_back({.what = what, .choice = choice % (1U << 30U)});
  }
  play(all, met);
}
