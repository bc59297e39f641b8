#include "bulwarkd/targets.hpp"

#include "bulwark/protocol.hpp"

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

} // namespace

target_table ready_made_targets() {
  return {{"echo", [](caf::actor_system& system) { return system.spawn(echo); }},
          {"failing", [](caf::actor_system& system) { return system.spawn(failing); }},
          {"slow", [](caf::actor_system& system) { return system.spawn(slow); }}};
}

} // namespace bulwarkd
