#include "bulwark/cluster_statistics_actor.hpp"

#include "bulwark/reply_port_actor.hpp"

#include <algorithm>
#include <utility>

// Longer than 200 lines: who is there, questions, answers and what they come to.

namespace bulwark {

cluster_statistics_actor::cluster_statistics_actor(caf::actor_config& config, caf::actor registry,
                                                   const cluster_policy& policy)
    : caf::event_based_actor(config), core_(policy) {
  nodes_[""].whom = caf::actor_cast<caf::strong_actor_ptr>(registry);
}

const char* cluster_statistics_actor::name() const {
  return "bulwark.cluster_statistics";
}

instant cluster_statistics_actor::now() const {
  return instant{home_system().clock().now().time_since_epoch()};
}

bool cluster_statistics_actor::enqueue(caf::mailbox_element_ptr element,
                                       compat::enqueue_context* context) {
  if (element->mid.is_response()) {
    auto answer = node_answer{.question = element->mid.request_id().integer_value(),
                              .from = caf::actor_cast<caf::actor_addr>(element->sender),
                              .content = std::move(element->payload)};
    element =
        compat::make_element(nullptr, caf::make_message_id(), caf::make_message(std::move(answer)));
  }
  return caf::event_based_actor::enqueue(std::move(element), context);
}

caf::behavior cluster_statistics_actor::make_behavior() {
  compat::ignore_errors(this);
  compat::set_down_handler(this, [this](const caf::down_msg& down) { on_down(down); });
  port_ = caf::actor_cast<caf::strong_actor_ptr>(
      home_system().spawn<reply_port_actor>(caf::weak_actor_ptr{ctrl()}));
  return {
      [this](attach_atom, const std::string& address, const caf::actor& connector) {
        add_connector(address, connector);
      },
      [this](const door_change& change) { change_door(change.door); },
      [this](node_answer& answer) { take(answer); },
      [this](get_cluster_stats_atom) { return read(); },
      [this](change_policy_atom, const cluster_policy& policy) { return change_policy(policy); },
      [this](shutdown_atom) { quit(caf::exit_reason::user_shutdown); },
  };
}

caf::result<void> cluster_statistics_actor::change_policy(const cluster_policy& policy) {
  if (const auto mistakes = find_mistakes(policy); !mistakes.empty())
    return make_failure(errc::invalid_policy, {.last_error = to_string(mistakes)});
  core_.change_policy(policy, now());
  go_on();
  return caf::unit;
}

// -- who is there -----------------------------------------------------------------------

void cluster_statistics_actor::add_connector(const std::string& address,
                                             const caf::actor& connector) {
  if (!connector || address.empty()) // the empty one is ours
    return;
  if (!connectors_.emplace(connector.address(), address).second)
    return;
  compat::watch(this, connector);
  nodes_.try_emplace(address);
  core_.add(address);
  compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(connector), ctrl(), caf::make_message_id(),
                  caf::make_message(attach_atom_v), context());
}

/// By the connector who says it.
void cluster_statistics_actor::change_door(const caf::strong_actor_ptr& door) {
  const auto& by = current_sender();
  const auto i = by ? connectors_.find(caf::actor_cast<caf::actor_addr>(by)) : connectors_.end();
  if (i == connectors_.end() || !door)
    return;
  auto& of = nodes_.at(i->second);
  if (of.whom == door)
    return; // another connector for the same address
  set_door(of, door);
  core_.on_connected(i->second, now());
  go_on();
}

/// Each door is watched once, for all addresses that lead to it.
void cluster_statistics_actor::set_door(node& of, const caf::strong_actor_ptr& door) {
  if (!is_watched(door))
    compat::watch(this, door); // one that has been lost meanwhile is told at once
  const auto old = std::exchange(of.whom, door);
  if (!is_watched(old))
    compat::unwatch(this, old);
}

bool cluster_statistics_actor::is_watched(const caf::strong_actor_ptr& door) const {
  return std::any_of(nodes_.begin(), nodes_.end(), [&door](const auto& each) {
    return !each.first.empty() && each.second.whom == door;
  });
}

void cluster_statistics_actor::on_down(const caf::down_msg& down) {
  if (const auto i = connectors_.find(down.source); i != connectors_.end()) {
    const auto address = std::move(i->second);
    connectors_.erase(i);
    forget_unconnected(address);
  }
  for (auto& [address, each] : nodes_) {
    if (!address.empty() && each.whom && down.source == each.whom) {
      each.whom = nullptr;
      core_.on_lost(address);
    }
  }
  go_on();
}

/// One connector for the address less: nobody may be left who is interested in it.
void cluster_statistics_actor::forget_unconnected(const std::string& address) {
  if (std::any_of(connectors_.begin(), connectors_.end(),
                  [&address](const auto& each) { return each.second == address; }))
    return;
  set_door(nodes_.at(address), nullptr);
  nodes_.erase(address);
  core_.remove(address);
}

// -- questions and answers ----------------------------------------------------------------

void cluster_statistics_actor::go_on() {
  for (const auto& each : core_.due(now()))
    ask(each);
  for (const auto reader : core_.finished(now())) {
    readers_.at(reader).deliver(stats());
    readers_.erase(reader);
  }
  if (const auto next = core_.next_wake())
    wake_at(*next);
}

void cluster_statistics_actor::ask(const cluster_statistics::question& question) {
  compat::deliver(nodes_.at(question.node).whom, port_,
                  caf::make_message_id(question.number | caf::message_id::default_async_value),
                  caf::make_message(get_all_stats_atom_v), context());
}

/// Figures count only from whom they were asked. From nobody comes CAF's word that the question
/// reached nobody.
void cluster_statistics_actor::take(node_answer& answer) {
  const auto* address = core_.asked(answer.question);
  if (address == nullptr)
    return; // too late
  auto& of = nodes_.at(*address);
  const auto from_asked = answer.from && answer.from == of.whom;
  if (answer.from && !from_asked)
    return;
  if (from_asked && answer.content.match_elements<node_stats>()) {
    auto stats = std::move(answer.content.get_mutable_as<node_stats>(0));
    auto figures = guard_figures{.calls = stats.total, .latency = std::move(stats.latency)};
    if (core_.on_answer(answer.question, stats.incarnation, std::move(figures)))
      of.parts = std::move(stats);
  } else {
    core_.on_no_answer(answer.question);
  }
  go_on();
}

caf::response_promise cluster_statistics_actor::read() {
  auto promise = make_response_promise();
  readers_.emplace(++last_reader_, promise);
  core_.read(last_reader_, now());
  go_on();
  return promise;
}

/// One timer at a time. One that comes too early does no harm.
void cluster_statistics_actor::wake_at(instant when) {
  if (when >= timer_at_)
    return;
  timer_.dispose();
  timer_at_ = when;
  timer_ = compat::schedule(this, caf::actor_clock::time_point{when.time_since_epoch()}, [this] {
    timer_at_ = end_of_time;
    go_on();
  });
}

cluster_stats cluster_statistics_actor::stats() const {
  cluster_stats result;
  for (const auto& address : core_.nodes()) {
    auto known = core_.of(address, now());
    auto& added = result.nodes.emplace_back(cluster_node{
        .address = address,
        .state = known.state,
        .age = known.age,
        .stats = nodes_.at(address).parts,
        .restarts = known.restarts,
        .earlier = known.earlier.calls,
        .earlier_latency = std::move(known.earlier.latency),
    });
    added.stats.total = known.figures.calls;
    added.stats.latency = std::move(known.figures.latency);
    added.name = added.stats.node.empty() ? address : added.stats.node;
  }
  auto total = core_.total();
  result.total = total.figures.calls;
  result.latency = std::move(total.figures.latency);
  result.unresolved = total.unresolved;
  return result;
}

void cluster_statistics_actor::on_exit() {
  timer_.dispose();
  for (auto& [address, each] : nodes_) {
    if (!address.empty())
      compat::unwatch(this, each.whom); // or what outlives us would remember us
  }
  nodes_.clear();
  for (auto& [reader, promise] : std::exchange(readers_, {}))
    promise.deliver(make_failure(errc::shutting_down, {}));
  if (port_)
    caf::anon_send_exit(port_, caf::exit_reason::user_shutdown);
  port_ = nullptr;
}

} // namespace bulwark
