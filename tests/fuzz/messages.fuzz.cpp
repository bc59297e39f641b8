// Messages of all types of the protocol, read from bytes as CAF reads them from another node: what
// can be read is written and read again, and sent to live actors of all kinds. Afterwards each of
// them is there, honest calls get their one answer, and books balance.
#include "fuzz/house.hpp"

#include "bulwark/envelope.hpp"

using namespace bulwark;
using namespace bulwark_tests;

namespace {

constexpr auto first = caf::id_block::bulwark::begin;
constexpr auto count = caf::id_block::bulwark::end - first;

// Beside the protocol's own: what its messages carry.
const std::vector<caf::type_id_t>& types_of_caf() {
  static const std::vector<caf::type_id_t> result{caf::type_id_v<bool>,
                                                  caf::type_id_v<std::int32_t>,
                                                  caf::type_id_v<std::uint32_t>,
                                                  caf::type_id_v<std::uint64_t>,
                                                  caf::type_id_v<std::string>,
                                                  caf::type_id_v<caf::timespan>,
                                                  caf::type_id_v<caf::message>,
                                                  caf::type_id_v<caf::error>,
                                                  caf::type_id_v<caf::actor>,
                                                  caf::type_id_v<caf::actor_addr>,
                                                  caf::type_id_v<caf::strong_actor_ptr>,
                                                  caf::type_id_v<caf::down_msg>};
  return result;
}

// Messages of several parts that bytes would hardly meet.
const std::vector<std::vector<caf::type_id_t>>& known() {
  static const std::vector<std::vector<caf::type_id_t>> result{
      types_of<call_atom, caf::actor, caf::message>(),
      types_of<call_atom, call_context, caf::actor, caf::message>(),
      types_of<call_atom, std::string, call_context, caf::message>(),
      types_of<execute_atom, work>(),
      types_of<execute_atom, work, caf::timespan>(),
      types_of<run_atom, caf::actor, caf::timespan, caf::message>(),
      types_of<schedule_atom, caf::timespan, caf::message>(),
      types_of<cancel_atom, std::uint64_t>(),
      types_of<create_atom, std::string, bulkhead_policy>(),
      types_of<get_atom, std::string>(),
      types_of<get_stats_atom, std::string>(),
      types_of<change_policy_atom, circuit_breaker_policy>(),
      types_of<change_policy_atom, bulkhead_policy>(),
      types_of<change_policy_atom, cluster_policy>(),
      types_of<std::string, share_report>(),
      types_of<std::string, circuit_report>(),
      types_of<std::string, circuit_probe_request>(),
      types_of<std::string, outcome_report>(),
      types_of<std::string, circuit_command>(),
  };
  return result;
}

std::vector<caf::type_id_t> types_from(bytes& input) {
  const auto how = input.byte();
  if (how % 3 == 0)
    return known()[how / 3 % known().size()];
  std::vector<caf::type_id_t> result;
  for (auto more = 1 + how / 3 % 3; more > 0; --more) {
    const auto which = input.below(count + 32U);
    result.push_back(which < count ? static_cast<caf::type_id_t>(first + which)
                                   : types_of_caf()[which % types_of_caf().size()]);
  }
  return result;
}

// To end is what such a message is for.
bool ends_something(const caf::message& content) {
  if (is_for_caf(content))
    return true;
  for (std::size_t i = 0; i < content.size(); ++i)
    if (content.match_element<shutdown_atom>(i) || content.match_element<shutdown_all_atom>(i))
      return true;
  return false;
}

struct talk {
  house all;
  std::shared_ptr<told_to_stranger> log;
  std::vector<caf::actor> receivers;

  talk() {
    for (auto* node : {&all.owner, &all.other})
      for (const auto& each : {(*node)->registry(), (*node)->cluster(), (*node)->front_door(),
                               (*node)->timeout_manager(), (*node)->bulkhead_registry()})
        receivers.push_back(each);
    for (const auto& each : {all.breaker, all.bulkhead, all.shared_bulkhead, all.shared_circuit,
                             all.owner_of_bulkhead, all.owner_of_circuit, all.far_bulkhead,
                             all.far_circuit, all.plain, all.whole, all.near, all.far})
      receivers.push_back(each);
  }

  // Whether the house is as it was.
  bool run(bytes& input) {
    const auto how = input.byte();
    const auto& to = receivers[input.byte() % receivers.size()];
    const auto types = types_from(input);
    const auto content = message_from(*all.sys, types, input.rest());
    if (!content)
      return true;
    if (!is_readable(*content))
      return true; // CAF can't print it: see front_door_actor
    check_bytes(*all.sys, *content);
    if (ends_something(*content))
      return true;
    say(to, *content, how);
    restore();
    return check();
  }

  void say(const caf::actor& to, const caf::message& content, unsigned how) {
    log = std::make_shared<told_to_stranger>(); // answers to earlier ones may still come
    auto guest = all.sys->spawn<stranger>(log);
    const auto id =
        how % 2 == 0
            ? caf::make_message_id()
            : caf::make_message_id(std::uint64_t{1} | caf::message_id::default_async_value);
    compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(to),
                    caf::actor_cast<caf::strong_actor_ptr>(guest), id, content, nullptr);
    all.sys.run();
    if (how % 8 >= 6)
      all.sys.advance((how / 8) * 100ms);
    MUST(log->replies <= how % 2);
    all.sys.kill(guest); // what it held comes back
  }

  // By an operator's hand: what a stranger may say in the house holds.
  void restore() {
    for (const auto& each : {all.breaker, all.shared_circuit}) {
      all.sys.ask(each, change_policy_atom_v, house::circuit_policy());
      all.sys.ask(each, reset_atom_v);
    }
    for (const auto& each : {all.bulkhead, all.shared_bulkhead})
      all.sys.ask(each, change_policy_atom_v, house::bulkhead_policy());
  }

  bool check() {
    for (const auto& each : receivers)
      MUST(!compat::has_ended(caf::actor_cast<caf::strong_actor_ptr>(each)));
    if (compat::has_ended(caf::actor_cast<caf::strong_actor_ptr>(all.target)))
      return false; // by an error as the content of a call: who is inside may do that
    MUST(all.call(all.plain));
    auto as_it_was = true;
    for (const auto& guard : {all.whole, all.near, all.far})
      as_it_was = all.call(guard) && as_it_was;
    all.check_books();
    return as_it_was;
  }
};

} // namespace

BULWARK_FUZZ(input) {
  // Another house where a lie has lasted, and now and then.
  static auto& one = *new std::unique_ptr<talk>; // not to be ended by exit(), after CAF's own
  static int talks = 0;
  if (!one || ++talks % 500 == 0) {
    one = nullptr;
    one = std::make_unique<talk>();
  }
  if (!one->run(input))
    one = nullptr;
}
