#include "showcase/database.hpp"
#include "showcase/scenes.hpp"

namespace showcase {

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

// A part works alone: `call` carries the target and the message.
answer<std::string> read_through(stage& on, const caf::actor& breaker, const database_actor& db,
                                 std::int32_t row) {
  auto result = on.ask(breaker, call_atom_v, caf::actor_cast<caf::actor>(db),
                       caf::make_message(read_atom_v, row));
  on.say("read " + std::to_string(row) + ": " + to_text(result));
  return result;
}

void trip(stage& on, const caf::actor& breaker, const database_actor& db, mood& feels) {
  feels.broken = true;
  on.say("the disk breaks");
  for (std::int32_t row = 1; row <= 3; ++row)
    read_through(on, breaker, db, row);
  on.await("ledger", circuit_state::open);
  const auto asked = feels.asked.load();
  const auto refused = read_through(on, breaker, db, 4);
  on.claim(is(refused, errc::circuit_open) && feels.asked == asked,
           "after 3 failures in a row it refuses at once, and the database is left alone");
  const auto report = report_of(refused.error());
  on.claim(report && report->retry_after > 0s && report->retry_after <= 300ms,
           "the refusal says when to come again");
}

void recover(stage& on, const caf::actor& breaker, const database_actor& db, mood& feels) {
  feels.broken = false;
  on.say("the disk is mended; nobody calls");
  on.await("ledger", circuit_state::half_open);
  read_through(on, breaker, db, 5);
  on.claim(on.ask<bool>(breaker, is_half_open_atom_v).value(), "one good probe is not enough");
  read_through(on, breaker, db, 6);
  on.await("ledger", circuit_state::closed);
  on.claim(on.ask<bool>(breaker, is_closed_atom_v).value(), "two are: it is closed again");
}

void operate(stage& on, const caf::actor& breaker, const database_actor& db) {
  on.tell(breaker, force_open_atom_v);
  on.await("ledger", circuit_state::forced_open);
  on.claim(is(read_through(on, breaker, db, 7), errc::circuit_open),
           "an operator can force it open, for maintenance");
  on.tell(breaker, reset_atom_v);
  on.await("ledger", circuit_state::closed);
  on.claim(read_through(on, breaker, db, 8).has_value(), "and reset it");
}

} // namespace

void circuit_breaker_scene(stage& on) {
  const auto feels = std::make_shared<mood>();
  const auto db = on.system().spawn(database, feels);
  const auto breaker = on.node().circuit_breaker(
      "ledger",
      {.failure_threshold = 3, .success_threshold = 2, .open_for = 300ms, .half_open_calls = 1});
  on.claim(read_through(on, breaker, db, 0).has_value(), "closed, it lets calls through");
  trip(on, breaker, db, *feels);
  recover(on, breaker, db, *feels);
  operate(on, breaker, db);
}

} // namespace showcase
