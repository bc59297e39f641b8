#include "bulwark/front_door_actor.hpp"

#include "bulwark/envelope.hpp"

#include <type_traits>
#include <utility>
#include <vector>

namespace bulwark {

namespace {

// A guard hands it on, and its target may be a part. A bare error or an exit message ends any actor,
// as CAF has it.
bool ends_something(const caf::message& content) {
  return is_for_caf(content)
         || (!content.empty()
             && (content.match_element<shutdown_atom>(0)
                 || content.match_element<shutdown_all_atom>(0)));
}

void remove_addresses(node_stats&) {} // it has none
void remove_addresses(cluster_stats&) {}
void remove_addresses(std::vector<part_info>& parts) {
  for (auto& part : parts)
    part.address = {};
}

} // namespace

front_door_actor::front_door_actor(caf::actor_config& config,
                                   std::shared_ptr<const part_directory> directory,
                                   caf::actor registry, caf::actor cluster)
    : caf::event_based_actor(config),
      directory_(std::move(directory)),
      registry_(std::move(registry)),
      cluster_(std::move(cluster)) {}

const char* front_door_actor::name() const {
  return "bulwark.front_door";
}

void front_door_actor::end(const caf::actor& door) {
  caf::actor_cast<front_door_actor*>(door)->let_go_ = true;
  caf::anon_send_exit(door, caf::exit_reason::user_shutdown);
}

bool front_door_actor::enqueue(caf::mailbox_element_ptr element, compat::enqueue_context* context) {
  if (!let_go_ && element->payload.match_elements<caf::exit_msg>())
    return true;
  // CAF prints what an actor doesn't expect: here, or where a call's target doesn't.
  if (!is_readable(element->payload))
    element->payload = caf::message{};
  return caf::event_based_actor::enqueue(std::move(element), context);
}

caf::behavior front_door_actor::make_behavior() {
  compat::ignore_errors(this);
  compat::set_down_handler(this,
                           [](const caf::down_msg&) {}); // of whoever says so: we watch nobody
  return {
      [this](call_atom, const std::string& name, const call_context& context,
             caf::message& content) { return call(name, context, std::move(content)); },
      [this](cancel_atom, const std::string& name, std::uint64_t request) {
        // In the sender's name: a guard takes back only what its own caller has asked for.
        compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(directory_->find_guard(name)),
                        current_sender(), caf::make_message_id(),
                        caf::make_message(cancel_atom_v, request), context());
      },
      [this](const std::string& part, const share_report& said) { tell_owner(part, said); },
      [this](const std::string& part, const circuit_report& said) { tell_owner(part, said); },
      [this](const std::string& part, const circuit_probe_request& said) {
        tell_owner(part, said);
      },
      [this](const std::string& part, const outcome_report& said) { tell_owner(part, said); },
      [this](const std::string& part, const circuit_command& said) { tell_owner(part, said); },
      [this](list_atom what) { return ask<std::vector<part_info>>(registry_, what); },
      [this](get_stats_atom, const std::string& name) {
        return ask<node_stats>(registry_, get_atom_v, name);
      },
      [this](get_all_stats_atom what) { return ask<node_stats>(registry_, what); },
      [this](get_cluster_stats_atom what) { return ask<cluster_stats>(cluster_, what); },
      [this](subscribe_atom what) { tell_registry(caf::make_message(what)); },
      [this](unsubscribe_atom what) { tell_registry(caf::make_message(what)); },
  };
}

caf::result<caf::message>
front_door_actor::call(const std::string& name, const call_context& context, caf::message content) {
  if (ends_something(content))
    return caf::make_error(caf::sec::unexpected_message, "not through the front door");
  if (directory_->closed())
    return make_failure(errc::shutting_down, {.guard = name});
  if (auto guard = directory_->find_guard(name))
    return compat::forward(
        this, guard, caf::make_message(call_atom_v, context, caf::actor{this}, std::move(content)));
  return make_failure(errc::unknown_name, {.guard = name});
}

/// What a node's part says to the one that owns what they share. One that isn't there (yet) is
/// silent: the node goes by its policy for a lost owner, and says it again.
template <class Said>
void front_door_actor::tell_owner(const std::string& part, const Said& said) {
  constexpr auto kind =
      std::is_same_v<Said, share_report> ? part_kind::bulkhead : part_kind::circuit_breaker;
  compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(directory_->find_shared(kind, part)),
                  current_sender(), caf::make_message_id(), caf::make_message(part, said),
                  context());
}

/// The registry's answer in our name: who gets an answer knows its sender, and can send it anything.
template <class Answer, class... Question>
caf::response_promise front_door_actor::ask(const caf::actor& whom, Question... question) {
  auto promise = make_response_promise();
  compat::request(this, whom, std::move(question)...)
      .then(
          [promise](Answer& answer) mutable {
            remove_addresses(answer);
            promise.deliver(std::move(answer));
          },
          [promise](caf::error& why) mutable { promise.deliver(std::move(why)); });
  return promise;
}

/// In the sender's name, who is meant, and without an answer to it, which is ours.
void front_door_actor::tell_registry(caf::message content) {
  compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(registry_), current_sender(),
                  caf::make_message_id(), std::move(content), context());
}

void front_door_actor::on_exit() {
  directory_ = nullptr;
  registry_ = nullptr;
  cluster_ = nullptr;
}

} // namespace bulwark
