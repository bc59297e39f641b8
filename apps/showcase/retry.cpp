#include "showcase/database.hpp"
#include "showcase/scenes.hpp"

namespace showcase {

using namespace bulwark;
using namespace std::chrono_literals;

void retry_scene(stage& on) {
  const auto feels = std::make_shared<mood>();
  const auto db = on.system().spawn(database, feels);
  // A guard with nothing but retry. Without jitter, so that the waits can be told.
  const auto patient = on.keep(on.node().guard(
      "patient", db,
      {.retry = retry_policy{.max_attempts = 3, .base_delay = 40ms, .jitter = jitter_kind::none}}));
  const auto read = [&](std::int32_t row) {
    feels->asked = 0;
    const auto before = on.now();
    auto result = on.ask(patient, read_atom_v, row);
    on.say("read " + std::to_string(row) + ": " + to_text(result));
    on.say("  the database was asked " + std::to_string(feels->asked) + " times in "
           + bulwark::to_text(on.now() - before));
    return std::pair{result, on.now() - before};
  };

  feels->fail_next = 2;
  const auto [answered, took] = read(1);
  on.claim(answered.has_value() && feels->asked == 3,
           "two failures that will pass are hidden from the caller");
  on.claim(took >= 40ms + 80ms, "the waits were 40ms and 80ms: exponential");

  feels->fail_next = 3;
  const auto exhausted = read(2).first;
  const auto report = report_of(exhausted.error());
  on.claim(is(exhausted, errc::retries_exhausted) && report && report->attempts == 3
               && last_error_of(exhausted.error()) == caf::sec::runtime_error,
           "three are too many: the error carries the last one, whole");

  const auto refused = read(-1).first;
  on.claim(!refused && refused.error() == caf::sec::invalid_argument && feels->asked == 1,
           "the caller's own mistake is not tried again, and comes back unchanged");
}

} // namespace showcase
