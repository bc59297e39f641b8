#pragma once

#include "fuzz/bytes.hpp"
#include "models/must.hpp"
#include "support/virtual_system.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/byte_buffer.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// @file A house of live actors for fuzzers to talk to, all in virtual time: two nodes, the second of
/// which uses a bulkhead and a circuit breaker of the first.

namespace bulwark_tests {

using namespace std::chrono_literals;

template <class... Ts>
std::vector<caf::type_id_t> types_of() {
  return {caf::type_id_v<Ts>...};
}

/// A message of values of these types, as CAF reads them from the other side of a line; nullopt:
/// the bytes are none.
inline std::optional<caf::message> message_from(caf::actor_system& sys,
                                                const std::vector<caf::type_id_t>& types,
                                                const std::string& content) {
  caf::byte_buffer buffer;
  caf::binary_serializer sink{sys, buffer};
  // As CAF begins a message: how many, and their types.
  MUST(sink.begin_sequence(types.size()));
  for (auto each : types)
    MUST(sink.value(each));
  for (auto each : content)
    buffer.push_back(static_cast<caf::byte_buffer::value_type>(each));
  caf::binary_deserializer source{sys, buffer};
  caf::message result;
  if (!source.apply(result))
    return std::nullopt;
  return result;
}

/// What can be read can be written, and comes back the same. `work` can't be, for it is local.
inline void check_bytes(caf::actor_system& sys, const caf::message& content) {
  caf::byte_buffer once;
  caf::binary_serializer sink{sys, once};
  if (!sink.apply(content))
    return;
  caf::message copy;
  caf::binary_deserializer source{sys, once};
  MUST(source.apply(copy));
  caf::byte_buffer twice;
  caf::binary_serializer again{sys, twice};
  MUST(again.apply(copy));
  MUST(once == twice);
  MUST(!to_string(content).empty());
  MUST(to_string(copy) == to_string(content));
}

/// What a stranger was told.
struct told_to_stranger {
  std::size_t replies = 0;
  std::vector<caf::message> messages;
  std::vector<caf::actor_addr> senders;
};

/// Somebody from outside: says what he is told to, and remembers what comes back.
class stranger : public caf::event_based_actor {
public:
  stranger(caf::actor_config& config, std::shared_ptr<told_to_stranger> log)
      : caf::event_based_actor(config), log_(std::move(log)) {}

  bool enqueue(caf::mailbox_element_ptr element,
               bulwark::compat::enqueue_context* context) override {
    if (element->payload.match_elements<caf::exit_msg>())
      return caf::event_based_actor::enqueue(std::move(element), context);
    log_->replies += element->mid.is_response() ? 1 : 0;
    log_->messages.push_back(element->payload);
    log_->senders.push_back(caf::actor_cast<caf::actor_addr>(element->sender));
    return true;
  }

  const char* name() const override { return "tests.stranger"; }

protected:
  caf::behavior make_behavior() override {
    return {[](bulwark::cancel_atom) {}};
  }

private:
  std::shared_ptr<told_to_stranger> log_;
};

/// Hands on what a node's parts say to the owner of what they share: what a connection looks like
/// from the other side.
inline caf::behavior fuzz_line(caf::event_based_actor* self, caf::actor door) {
  const auto hand_on = [self, door](const std::string& part, const auto& said) {
    bulwark::compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(door), self->current_sender(),
                             caf::make_message_id(), caf::make_message(part, said),
                             self->context());
  };
  return {
      [=](const std::string& part, const bulwark::share_report& x) { hand_on(part, x); },
      [=](const std::string& part, const bulwark::circuit_report& x) { hand_on(part, x); },
      [=](const std::string& part, const bulwark::circuit_probe_request& x) { hand_on(part, x); },
      [=](const std::string& part, const bulwark::outcome_report& x) { hand_on(part, x); },
      [=](const std::string& part, const bulwark::circuit_command& x) { hand_on(part, x); },
  };
}

/// Answers at once, and does nothing that would end it.
inline caf::behavior house_target() {
  return {
      [](ask_atom, std::int32_t x) { return static_cast<std::int32_t>(std::int64_t{x} * 2); },
      [](const payload& x) { return x; },
  };
}

struct house {
  virtual_system sys;
  virtual_node owner{sys};
  virtual_node other{sys};
  caf::actor target = sys->spawn(house_target);
  caf::actor line;
  // Of the first node: what is its own, and what it shares.
  caf::actor breaker, bulkhead, shared_bulkhead, shared_circuit, owner_of_bulkhead,
      owner_of_circuit;
  // Of the second one: what stands there for them.
  caf::actor far_bulkhead, far_circuit;
  // Guards: with nothing, with all of its own, with what is shared, on either node.
  caf::actor plain, whole, near, far;

  static bulwark::circuit_breaker_policy circuit_policy() {
    return {.failure_threshold = 5, .success_threshold = 1, .open_for = 1s};
  }
  static bulwark::bulkhead_policy bulkhead_policy() { return {.max_workers = 4, .queue_size = 16}; }

  house() {
    using bulwark::part_kind;
    breaker = owner->circuit_breaker("breaker", circuit_policy());
    bulkhead = owner->bulkhead("bulkhead", bulkhead_policy());
    shared_bulkhead = owner->shared_bulkhead("pool", bulkhead_policy(), {.lease_time = 1h});
    shared_circuit = owner->shared_circuit_breaker(
        "circuit", circuit_policy(), {.lease_time = 1h, .trips_for = bulwark::trip_scope::any});
    owner_of_bulkhead = owner->directory()->find_shared(part_kind::bulkhead, "pool");
    owner_of_circuit = owner->directory()->find_shared(part_kind::circuit_breaker, "circuit");
    line = sys->spawn(fuzz_line, owner->front_door());
    const auto door = caf::actor_cast<caf::strong_actor_ptr>(line);
    far_bulkhead = other->directory()->bulkhead_of(
        "owner/pool", {.line = {.part = "pool", .door = door}, .when_lost = {}});
    far_circuit = other->directory()->circuit_breaker_of(
        "owner/circuit", {}, {.line = {.part = "circuit", .door = door}, .when_lost = {}});
    plain = owner->guard("plain", target, {});
    bulwark::guard_policy policy{.deadline = 5s, .attempt_timeout = 1s};
    policy.retry = bulwark::retry_policy{.max_attempts = 2, .base_delay = 10ms};
    policy.breaker = breaker;
    policy.bulkhead = bulkhead;
    whole = owner->guard("whole", target, policy);
    policy.breaker = shared_circuit;
    policy.bulkhead = shared_bulkhead;
    near = owner->guard("near", target, policy);
    policy.breaker = far_circuit;
    policy.bulkhead = far_bulkhead;
    far = other->guard("far", target, policy);
    sys.run();
  }

  house(const house&) = delete;
  house& operator=(const house&) = delete;

  ~house() { sys.kill(line); }

  /// An honest call, which has exactly one answer, in time. Whether it is the target's.
  bool call(const caf::actor& guard) {
    const auto answer = sys.ask(guard, ask_atom_v, std::int32_t{21});
    if (answer->count() == 0)
      sys.advance(5s + 100ms); // its deadline
    MUST(answer->count() == 1);
    if (answer->is_error())
      return false;
    MUST(answer->as<std::int32_t>() == 42);
    return true;
  }

  /// What the guards have counted balances.
  void check_books() {
    for (const auto& guard : {plain, whole, near, far}) {
      const auto stats = sys.get<bulwark::guard_stats>(guard, bulwark::get_stats_atom_v);
      MUST(stats.calls.balanced());
      MUST(stats.attempts <= stats.calls.calls + stats.retries);
    }
  }
};

} // namespace bulwark_tests
