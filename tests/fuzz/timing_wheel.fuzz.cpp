// The timing wheel against a sorted map: see models/timing_wheel_model.hpp.
#include "fuzz/bytes.hpp"
#include "models/timing_wheel_model.hpp"

using namespace bulwark_tests;
using namespace bulwark_tests::timing_wheel_model;

namespace {

constexpr std::array starts{instant{},           instant{1h + 1ns},
                            instant{-90s},       instant::min() + 1ms,
                            end_of_time - 100ms, end_of_time - 24h};
constexpr std::array actions{action::insert, action::insert,           action::insert,
                             action::cancel, action::expire,           action::insert_past,
                             action::end,    action::sleep_until_next, action::sleep_almost};

// Near, at a level's border, or any at all.
timespan length_from(bytes& input) {
  const auto kind = input.byte();
  if (kind < 128)
    return kind * 500us;
  if (kind < 224) {
    const auto level = kind % 6;
    const auto more = input.byte();
    return timespan{1ms * ((1 + more % 3) * (std::int64_t{1} << (6 * level)))
                    + (more / 4 % 5 - 2) * 500us};
  }
  return timespan{static_cast<timespan::rep>(input.any<std::uint64_t>() % century.count())};
}

} // namespace

BULWARK_FUZZ(input) {
  static coverage met;
  history all{.start = input.one_of(starts), .commands = {}};
  while (!input.empty())
    all.commands.push_back(
        {.what = input.one_of(actions),
         .length = length_from(input),
         .choice = input.byte(),
         .then = static_cast<deed>(std::max(0, static_cast<int>(input.below(12)) - 6))});
  play(all, met);
}
