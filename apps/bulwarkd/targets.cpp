#include "bulwarkd/targets.hpp"

#include "bulwark/protocol.hpp"
#include "bulwark/work.hpp"
#include "http/fetch.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace bulwarkd {

namespace {

namespace compat = bulwark::compat;

caf::behavior echo() {
  return compat::make_behavior([](compat::result_visitor& answer, caf::message& content) {
    answer(content);
    return true;
  });
}

caf::behavior failing() {
  return compat::make_behavior([](compat::result_visitor& answer, caf::message&) {
    auto why = caf::make_error(caf::sec::runtime_error, bulwark::error_mark::transient,
                               "the target 'failing' always fails");
    answer(why);
    return true;
  });
}

caf::behavior slow(caf::event_based_actor* self) {
  return {[self](std::int32_t milliseconds) {
    const auto wait = std::chrono::milliseconds{std::clamp(milliseconds, 0, 3'600'000)};
    auto promise = self->make_response_promise();
    compat::schedule(self, self->system().clock().now() + wait,
                     [promise, milliseconds]() mutable { promise.deliver(milliseconds); });
    return promise;
  }};
}

caf::message web_answer(const std::string& url,
                        std::variant<apps::fetched, apps::not_fetched> result) {
  using bulwark::error_mark;
  const auto fail = [](error_mark mark, std::string text) {
    return caf::make_message(caf::make_error(caf::sec::runtime_error, mark, std::move(text)));
  };
  if (auto* why = std::get_if<apps::not_fetched>(&result))
    return fail(why->is_transient() ? error_mark::transient : error_mark::permanent,
                std::move(why->text));
  auto& found = std::get<apps::fetched>(result);
  if (found.status >= 400)
    return fail(error_mark::permanent, "HTTP " + std::to_string(found.status) + " (" + url + ")");
  return caf::make_message(std::move(found.body));
}

caf::behavior web(caf::event_based_actor* self, const apps::http_url& base,
                  const caf::actor& sockets, bulwark::timespan first_patience) {
  auto shared = std::make_shared<bulwark::timespan>(first_patience);
  return {[shared](bulwark::timespan next) { *shared = next; },
          [=](const std::string& path) -> caf::result<std::string> {
            const auto from =
                (base.path == "/" ? "" : base.path) + (path.starts_with('/') ? "" : "/") + path;
            const auto patience = *shared;
            auto job = bulwark::work{std::make_shared<std::function<caf::message()>>(
                [server = base.server, from, patience] {
                  return web_answer(server + from, apps::fetch(server, from, patience));
                })};
            // Handed on: the bulkhead answers whoever asked us.
            const auto& element = *self->current_mailbox_element();
            compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(sockets), element.sender,
                            element.mid,
                            caf::make_message(bulwark::execute_atom_v, std::move(job), patience),
                            self->context());
            return caf::delegated<std::string>{};
          }};
}

} // namespace

bool is_web(const std::string& target) {
  return apps::parse_url(target).has_value();
}

caf::actor spawn_web(caf::actor_system& system, const std::string& target, caf::actor sockets,
                     bulwark::timespan patience) {
  return system.spawn(web, apps::parse_url(target).value(), std::move(sockets), patience);
}

target_table ready_made_targets() {
  return {{"echo", [](caf::actor_system& system) { return system.spawn(echo); }},
          {"failing", [](caf::actor_system& system) { return system.spawn(failing); }},
          {"slow", [](caf::actor_system& system) { return system.spawn(slow); }}};
}

} // namespace bulwarkd
