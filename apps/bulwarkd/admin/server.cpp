#include "bulwarkd/admin/server.hpp"

#include "bulwarkd/admin/api.hpp"
#include "bulwarkd/admin/http_port.hpp"
#include "bulwarkd/admin/http_server.hpp"
#include "bulwarkd/admin/listening_socket.hpp"

#include <utility>

namespace bulwarkd {

class admin_server::server {
public:
  server(bulwark::node& node, control& steering, const admin_settings& settings,
         journal_reader journal, page_lookup page)
      : api_(node, steering, settings, std::move(journal), std::move(page)),
        http_([this](const auto& request, auto& response) { return api_.pass(request, response); },
              [this](exchange& with) { api_.handle(with); }) {
    auto listening = listen_at(settings.address, settings.port);
    port_number_ = port_of(listening);
    port_ = std::make_unique<http_port>(
        std::move(listening), http_port::settings{.max_connections = settings.max_connections},
        [this](int fd, http_port::stream_id id, std::string already) {
          return http_.serve(fd, id, std::move(already));
        },
        [] { return std::chrono::steady_clock::time_point::max(); });
  }

  [[nodiscard]] std::uint16_t port() const noexcept { return port_number_; }
  void start_draining() { api_.start_draining(); }

private:
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

void admin_server::start_draining() {
  server_->start_draining();
}

} // namespace bulwarkd
