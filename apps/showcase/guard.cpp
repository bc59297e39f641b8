#include "showcase/database.hpp"
#include "showcase/scenes.hpp"

namespace showcase {

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

database_actor make_guard(stage& on, const database_actor& db) {
  return on.node().guard("db", db,
                         {
                             .deadline = 2s,
                             .attempt_timeout = 150ms,
                             .retry = retry_policy{.max_attempts = 3, .base_delay = 20ms},
                             .breaker = circuit_breaker_policy{.failure_threshold = 5,
                                                               .success_threshold = 1,
                                                               .open_for = 500ms},
                             .bulkhead = bulkhead_policy{.max_workers = 4, .queue_size = 4},
                         });
}

void hide_what_passes(stage& on, const database_actor& safe_db, mood& feels) {
  auto healthy = on.ask(safe_db, read_atom_v, 42);
  on.say("read 42: " + to_text(healthy));
  on.claim(healthy.has_value() && *healthy == "row 42",
           "safe_db has the type of db, and its answers are db's");
  feels.fail_next = 2;
  on.claim(on.ask(safe_db, read_atom_v, 43).has_value(), "two failures that pass stay unseen");
}

void bound_what_hangs(stage& on, const database_actor& safe_db, mood& feels) {
  feels.delay_ms = 400;
  on.say("the database takes 400ms, an attempt may take 150ms");
  const auto hung = on.ask(safe_db, read_atom_v, 44);
  on.say("read 44: " + to_text(hung));
  on.claim(is(hung, errc::retries_exhausted) && last_error_of(hung.error()) == errc::timed_out,
           "three attempts of 150ms each, then an error");
  on.ask(safe_db, read_atom_v, 45); // two failures more
  on.await("db", circuit_state::open);
  on.claim(is(on.ask(safe_db, read_atom_v, 46), errc::circuit_open),
           "five in a row: now it answers at once");
  feels.delay_ms = 0;
  on.await("db", circuit_state::half_open);
  on.claim(on.ask(safe_db, read_atom_v, 47).has_value(), "it is fast again: the probe finds out");
  on.await("db", circuit_state::closed);
}

void bound_the_crowd(stage& on, const database_actor& safe_db, mood& feels) {
  feels.delay_ms = 60;
  const auto crowd = on.ask_at_once(20, safe_db, read_atom_v, 48);
  on.say("20 at once: " + to_text(crowd));
  on.claim(crowd.at("ok") == 8 && crowd.at("bulkhead_full") == 12, "4 run, 4 wait, 12 are refused");
  const auto registry = on.node().registry();
  on.claim(on.ask<node_stats>(registry, get_atom_v, std::string{"db"})->circuit_breakers.at(0).state
               == circuit_state::closed,
           "a refusal says nothing about the database: the breaker stays closed");
  feels.delay_ms = 0;
}

void survive_its_death(stage& on, const database_actor& safe_db, const database_actor& db) {
  caf::anon_send_exit(db, caf::exit_reason::kill);
  on.say("the database is killed");
  const auto lost = on.ask(safe_db, read_atom_v, 49);
  on.say("read 49: " + to_text(lost));
  on.claim(is(lost, errc::retries_exhausted) && last_error_of(lost.error()) == errc::target_lost,
           "a dead target is an error, not silence");
}

} // namespace

void guard_scene(stage& on) {
  const auto feels = std::make_shared<mood>();
  const auto db = on.system().spawn(database, feels);
  const auto safe_db = on.keep(make_guard(on, db));
  hide_what_passes(on, safe_db, *feels);
  bound_what_hangs(on, safe_db, *feels);
  bound_the_crowd(on, safe_db, *feels);
  survive_its_death(on, safe_db, db);
}

} // namespace showcase
