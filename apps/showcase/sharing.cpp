#include "showcase/database.hpp"
#include "showcase/scenes.hpp"

namespace showcase {

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

// What the node answers when it refuses; empty where it doesn't.
template <class F>
std::string refusal(stage& on, errc code, F f) {
  try {
    f();
  } catch (const policy_error& error) {
    on.say(std::string{"refused: "} + error.what());
    return error.code() == code ? error.what() : "";
  }
  return "";
}

} // namespace

void sharing_scene(stage& on) {
  const auto feels = std::make_shared<mood>();
  const auto db = on.system().spawn(database, feels);
  auto& node = on.node();
  const auto breaker = node.circuit_breaker("disk", {.failure_threshold = 2, .open_for = 60s});
  const auto cables = node.bulkhead("cables", {.max_workers = 1, .queue_size = 1});
  const auto readers = on.keep(node.guard("readers", db, {.breaker = breaker, .bulkhead = cables}));
  const auto reports = on.keep(node.guard("reports", db, {.breaker = breaker, .bulkhead = cables}));

  feels->broken = true;
  for (std::int32_t row = 1; row <= 2; ++row)
    on.say("readers read: " + to_text(on.ask(readers, read_atom_v, row)));
  on.await("disk", circuit_state::open);
  const auto refused = on.ask(reports, read_atom_v, 3);
  on.say("reports read: " + to_text(refused));
  on.claim(is(refused, errc::circuit_open), "what one guard learned the other knows");
  on.tell(breaker, reset_atom_v);
  on.await("disk", circuit_state::closed);

  on.claim(node.bulkhead("cables", {.max_workers = 1, .queue_size = 1}) == cables,
           "the same name and policy again is the same part");
  on.claim(refusal(on, errc::duplicate_name,
                   [&] { static_cast<void>(node.bulkhead("cables", {.max_workers = 7})); })
               != "",
           "the same name with another policy is refused");
  on.claim(refusal(
               on, errc::invalid_policy,
               [&] {
                 static_cast<void>(node.circuit_breaker("wrong", {.failure_threshold = 0}));
               }).find("circuit_breaker.failure_threshold is 0, permitted: 1 .. 1000000")
               != std::string::npos,
           "a policy out of range too, with field, value and range");
}

} // namespace showcase
