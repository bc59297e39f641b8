#include "flaky_service/service.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>

#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <thread>
#include <tuple>

namespace apps {

namespace {

constexpr auto json_type = "application/json";

// The library keeps the socket to itself, so it is found by whom it leads to. Dissolving the
// association of a connected TCP socket sends a reset.
void reset_connection(const httplib::Request& request) {
  const auto limit = ::sysconf(_SC_OPEN_MAX);
  for (int fd = 3; fd < limit && fd < 4096; ++fd) {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0
        || peer.sin_family != AF_INET || ntohs(peer.sin_port) != request.remote_port)
      continue;
    sockaddr nobody{};
    nobody.sa_family = AF_UNSPEC;
    std::ignore = ::connect(fd, &nobody, sizeof nobody);
    return;
  }
}

nlohmann::json record(const std::string& kind, std::uint32_t id) {
  if (kind == "users")
    return {{"id", id}, {"name", "user " + std::to_string(id)}};
  if (kind == "orders")
    return {{"id", id}, {"user", id / 10}, {"items", id % 7 + 1}};
  return {{"user", id}, {"language", id % 2 == 0 ? "en" : "de"}};
}

} // namespace

flaky_service::flaky_service(const fault_settings& settings, std::uint64_t seed,
                             std::size_t threads)
    : faults_(settings, seed) {
  server_.new_task_queue = [threads] { return new httplib::ThreadPool(threads); };
  // Back on the same port at once after a crash; but not beside somebody who listens there.
  server_.set_socket_options([this](socket_t socket) {
    listener_ = socket;
    const int on = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  });
  for (const auto* kind : {"users", "orders", "profile"})
    route_data(kind);
  route_control();
}

int flaky_service::bind(int port) {
  constexpr auto host = "127.0.0.1";
  const auto bound = port == 0                          ? server_.bind_to_any_port(host)
                     : server_.bind_to_port(host, port) ? port
                                                        : -1;
  // The library lets five connections wait. Where a sixth comes it waits a second and tries again,
  // which would be a fault that nobody ordered.
  if (bound > 0)
    ::listen(listener_, SOMAXCONN);
  return bound;
}

void flaky_service::serve() {
  server_.listen_after_bind();
}

void flaky_service::route_data(const std::string& kind) {
  server_.Get("/" + kind + R"(/(\d{1,9}))",
              [this, kind](const httplib::Request& request, httplib::Response& response) {
                answer(request, response, kind);
              });
}

void flaky_service::answer(const httplib::Request& request, httplib::Response& response,
                           const std::string& kind) {
  const auto verdict = faults_.draw();
  std::this_thread::sleep_for(std::chrono::milliseconds{verdict.delay_ms});
  switch (verdict.what) {
  case faults::lot::hang:
    count("hang");
    faults_.wait_for_change();
    response.status = 503; // nobody waits for it any more
    return;
  case faults::lot::reset:
    count("reset");
    reset_connection(request);
    return;
  case faults::lot::error:
    response.status = verdict.status;
    response.set_content(nlohmann::json{{"error", "as ordered"}}.dump(), json_type);
    break;
  case faults::lot::answer:
    const auto id = static_cast<std::uint32_t>(std::stoul(request.matches[1]));
    response.status = id < 1'000'000 ? 200 : 404;
    response.set_content(
        response.status == 200 ? record(kind, id).dump() : R"({"error": "unknown"})", json_type);
    break;
  }
  count(std::to_string(response.status));
}

void flaky_service::route_control() {
  server_.Get("/faults", [this](const httplib::Request&, httplib::Response& response) {
    response.set_content(to_json(faults_.settings()).dump(2), json_type);
  });
  server_.Post("/faults", [this](const httplib::Request& request, httplib::Response& response) {
    try {
      faults_.change(nlohmann::json::parse(request.body));
      response.set_content(to_json(faults_.settings()).dump(2), json_type);
    } catch (const std::exception& error) { // of the text, or of the values
      response.status = 400;
      response.set_content(error.what(), "text/plain");
    }
  });
  server_.Post("/death", [](const httplib::Request&, httplib::Response&) { std::_Exit(1); });
  server_.Get("/stats", [this](const httplib::Request&, httplib::Response& response) {
    std::lock_guard guard{mutex_};
    response.set_content(nlohmann::json{{"requests", requests_}, {"answers", answers_}}.dump(2),
                         json_type);
  });
}

void flaky_service::count(const std::string& how) {
  std::lock_guard guard{mutex_};
  ++requests_;
  ++answers_[how];
}

} // namespace apps
