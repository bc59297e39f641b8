#include "report/events.hpp"

#include <fmt/format.h>

#include <utility>

namespace apps {

namespace {

caf::behavior listener(caf::event_based_actor* self, const caf::actor& registry,
                       event_handlers handlers) {
  return {
      [self, registry](bulwark::subscribe_atom) {
        auto promise = self->make_response_promise();
        bulwark::compat::request(self, registry, bulwark::subscribe_atom_v)
            .then([promise]() mutable { promise.deliver(caf::unit); });
        return promise;
      },
      [handlers](const bulwark::circuit_event& event) { handlers.on_transition(event); },
      [handlers](const bulwark::rejection_event& event) { handlers.on_rejection(event); },
  };
}

} // namespace

caf::actor listen(bulwark::node& node, event_handlers handlers) {
  auto result = node.system().spawn(listener, node.registry(), std::move(handlers));
  caf::scoped_actor self{node.system()};
  bulwark::compat::request(self, result, bulwark::subscribe_atom_v)
      .receive([] {}, [](const caf::error&) {});
  return result;
}

std::string to_text(const bulwark::circuit_event& event) {
  auto text =
      fmt::format("{} -> {} ({}", to_string(event.from), to_string(event.to), to_string(event.why));
  if (event.failures > 0)
    text += fmt::format(", {} failure{}", event.failures, event.failures == 1 ? "" : "s");
  if (event.successes > 0)
    text += fmt::format(", {} success{}", event.successes, event.successes == 1 ? "" : "es");
  if (const auto& window = event.window; window.calls > 0)
    text += fmt::format(", {} of {} failed, {} slow", window.failed, window.calls, window.slow);
  return text + ")";
}

} // namespace apps
