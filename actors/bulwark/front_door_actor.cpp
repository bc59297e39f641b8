#include "bulwark/front_door_actor.hpp"

#include <utility>
#include <vector>

namespace bulwark {

namespace {

// A guard hands it on, and its target may be a part.
bool ends_something(const caf::message& content) {
  return !content.empty()
         && (content.match_element<shutdown_atom>(0)
             || content.match_element<shutdown_all_atom>(0));
}

} // namespace

front_door_actor::front_door_actor(caf::actor_config& config,
                                   std::shared_ptr<const part_directory> directory,
                                   caf::actor registry)
    : caf::event_based_actor(config),
      directory_(std::move(directory)),
      registry_(std::move(registry)) {}

const char* front_door_actor::name() const {
  return "bulwark.front_door";
}

bool front_door_actor::enqueue(caf::mailbox_element_ptr element, compat::enqueue_context* context) {
  if (element->payload.match_elements<caf::exit_msg>()) {
    // A link's names the one who ended; one that is meant for us names us, or nobody.
    const auto& source = element->payload.get_as<caf::exit_msg>(0).source;
    if (source && source != address())
      return true;
  }
  return caf::event_based_actor::enqueue(std::move(element), context);
}

caf::behavior front_door_actor::make_behavior() {
  compat::ignore_errors(this);
  compat::set_down_handler(this,
                           [](const caf::down_msg&) {}); // of whoever says so: we watch nobody
  return {
      [this](call_atom, const std::string& name, const call_context& context,
             caf::message& content) { return call(name, context, std::move(content)); },
      [this](list_atom) { return list(); },
      [this](get_stats_atom, const std::string& name) {
        return compat::forward(this, registry_, caf::make_message(get_atom_v, name));
      },
      [this](get_all_stats_atom what) {
        return compat::forward(this, registry_, caf::make_message(what));
      },
      [this](subscribe_atom what) {
        return compat::forward(this, registry_, caf::make_message(what));
      },
      [this](unsubscribe_atom what) {
        return compat::forward(this, registry_, caf::make_message(what));
      },
  };
}

caf::result<caf::message>
front_door_actor::call(const std::string& name, const call_context& context, caf::message content) {
  if (ends_something(content))
    return caf::make_error(caf::sec::unexpected_message, "not through the front door");
  if (auto guard = directory_->find_guard(name))
    return compat::forward(this, guard,
                           caf::make_message(call_atom_v, context, std::move(content)));
  return make_failure(directory_->closed() ? errc::shutting_down : errc::unknown_name,
                      {.guard = name});
}

/// The registry's, without addresses: who has a part's address can send it anything.
caf::response_promise front_door_actor::list() {
  auto promise = make_response_promise();
  compat::request(this, registry_, list_atom_v)
      .then(
          [promise](std::vector<part_info>& parts) mutable {
            for (auto& part : parts)
              part.address = {};
            promise.deliver(std::move(parts));
          },
          [promise](caf::error& why) mutable { promise.deliver(std::move(why)); });
  return promise;
}

void front_door_actor::on_exit() {
  directory_ = nullptr;
  registry_ = nullptr;
}

} // namespace bulwark
