#include "showcase/database.hpp"
#include "showcase/scenes.hpp"

namespace showcase {

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

void bound_one_call(stage& on, const caf::actor& db, mood& feels) {
  const auto manager = on.node().timeout_manager();
  const auto run = [&](timespan timeout) {
    const auto before = on.now();
    auto result = on.ask(manager, run_atom_v, db, timeout, caf::make_message(read_atom_v, 1));
    on.say("within " + bulwark::to_text(timeout) + ": " + to_text(result));
    return std::pair{result, on.now() - before};
  };
  feels.delay_ms = 20;
  on.say("the database takes 20ms");
  on.claim(run(200ms).first.has_value(), "what comes in time is the answer");
  feels.delay_ms = 150;
  on.say("the database takes 150ms");
  const auto [late, took] = run(50ms);
  on.claim(is(late, errc::timed_out) && took >= 50ms, "timed_out comes never before the timeout");
}

void bound_a_thousand(stage& on, const caf::actor& db, mood& feels) {
  feels.delay_ms = 1000;
  const auto before = on.now();
  const auto outcomes = on.ask_at_once(1000, on.node().timeout_manager(), run_atom_v, db,
                                       timespan{100ms}, caf::make_message(read_atom_v, 2));
  on.say("1000 calls at once: " + to_text(outcomes) + " in " + bulwark::to_text(on.now() - before));
  on.claim(outcomes.at("timed_out") == 1000, "each has its own timeout");
}

void take_a_timer_back(stage& on) {
  const auto manager = on.node().timeout_manager();
  const auto id = on.ask<std::uint64_t>(manager, schedule_atom_v, timespan{10s},
                                        caf::make_message(std::string{"tea is ready"}));
  on.claim(on.ask<bool>(manager, cancel_atom_v, id.value()).value(),
           "a message can be scheduled, and taken back");
}

} // namespace

void timeout_scene(stage& on) {
  const auto feels = std::make_shared<mood>();
  const auto db = caf::actor_cast<caf::actor>(on.system().spawn(database, feels));
  bound_one_call(on, db, *feels);
  bound_a_thousand(on, db, *feels);
  take_a_timer_back(on);
}

} // namespace showcase
