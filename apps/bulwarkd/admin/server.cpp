#include "bulwarkd/admin/server.hpp"

#include "bulwarkd/admin/api.hpp"
#include "bulwarkd/admin/event_hub.hpp"
#include "bulwarkd/admin/http_port.hpp"
#include "bulwarkd/admin/http_server.hpp"
#include "bulwarkd/admin/listening_socket.hpp"
#include "bulwarkd/admin/metrics_mirror.hpp"

#include <utility>

namespace bulwarkd {

class admin_server::server {
public:
  server(bulwark::node& node, control& steering, const admin_settings& settings,
         journal_reader journal, page_lookup page)
      : events_(node, steering,
                {.max_listeners = settings.max_listeners, .linger = settings.event_linger}),
        api_(node, steering, events_, settings, std::move(journal), std::move(page)),
        http_([this](const auto& request, auto& response) { return api_.pass(request, response); },
              [this](exchange& with) { api_.handle(with); }) {
    auto listening = listen_at(settings.address, settings.port);
    port_number_ = port_of(listening);
    port_ = std::make_unique<http_port>(
        std::move(listening),
        http_port::settings{.workers = static_cast<std::size_t>(settings.max_calls) + 4,
                            .max_connections = settings.max_connections},
        [this](int fd, http_port::stream_id id, std::string already) {
          return http_.serve(fd, id, std::move(already));
        },
        [this] { return events_.tick(); });
    events_.write_to(*port_);
    if (metrics_mirror::is_wanted(node.system()))
      mirror_.emplace(node, settings.mirror_interval);
    port_->start();
  }
  server(const server&) = delete;
  server& operator=(const server&) = delete;
  ~server() { events_.stop(); }

  [[nodiscard]] std::uint16_t port() const noexcept { return port_number_; }
  void start_draining() { api_.start_draining(); }
  event_hub& events() noexcept { return events_; }

private:
  std::optional<metrics_mirror> mirror_;
  event_hub events_;
  admin_api api_;
  http_server http_;
  std::uint16_t port_number_ = 0;
  std::unique_ptr<http_port> port_; // its threads use all the others
};

admin_server::admin_server(bulwark::node& node, control& steering, const admin_settings& settings,
                           journal_reader journal, page_lookup page)
    : server_(
        std::make_unique<server>(node, steering, settings, std::move(journal), std::move(page))) {}

admin_server::~admin_server() = default;

std::uint16_t admin_server::port() const noexcept {
  return server_->port();
}

void admin_server::tell_transition(const bulwark::circuit_event& event) {
  server_->events().tell_transition(event);
}

void admin_server::tell_change(const std::string& who, const std::string& what,
                               const std::string& from, const std::string& to) {
  server_->events().tell_change(who, what, from, to);
}

bool admin_server::is_subscribed() const {
  return server_->events().is_subscribed();
}

void admin_server::start_draining() {
  server_->start_draining();
}

} // namespace bulwarkd
