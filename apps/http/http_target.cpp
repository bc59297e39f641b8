#include "http/http_target.hpp"

#include <functional>
#include <memory>
#include <utility>

namespace apps {

namespace {

http_errc code_of(not_fetched::reason why) {
  switch (why) {
  case not_fetched::unavailable:
    return http_errc::unavailable;
  case not_fetched::unreachable:
    return http_errc::unreachable;
  case not_fetched::broken_off:
    return http_errc::broken_off;
  case not_fetched::unusable:
    break;
  }
  return http_errc::unusable;
}

caf::message answer_of(std::variant<fetched, not_fetched> result) {
  if (auto* found = std::get_if<fetched>(&result))
    return caf::make_message(
        http_response{.status = found->status, .body = std::move(found->body)});
  auto& why = std::get<not_fetched>(result);
  return caf::make_message(caf::make_error(code_of(why.why),
                                           why.is_transient() ? bulwark::error_mark::transient
                                                              : bulwark::error_mark::permanent,
                                           std::move(why.text)));
}

} // namespace

http_actor::behavior_type http_target(http_actor::pointer self, std::string server,
                                      caf::actor sockets, bulwark::timespan patience) {
  return {
      [=](const http_request& request) -> caf::result<http_response> {
        auto job = bulwark::work{std::make_shared<std::function<caf::message()>>(
            [server, path = request.path, patience] {
              return answer_of(fetch(server, path, patience));
            })};
        // Handed on: the bulkhead answers whoever asked us.
        const auto& element = *self->current_mailbox_element();
        bulwark::compat::deliver(
            caf::actor_cast<caf::strong_actor_ptr>(sockets), element.sender, element.mid,
            caf::make_message(bulwark::execute_atom_v, std::move(job), patience), self->context());
        return caf::delegated<http_response>{};
      },
  };
}

} // namespace apps
