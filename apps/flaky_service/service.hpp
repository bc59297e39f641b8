#pragma once

#include "flaky_service/faults.hpp"

#include <httplib.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace apps {

/// A small HTTP service to be guarded, on the loopback interface only.
///
/// | request                             | answer                                              |
/// | ----------------------------------- | --------------------------------------------------- |
/// | GET /users/N, /orders/N, /profile/N | JSON, 404 from 1000000 on, or what the faults say   |
/// | GET /faults                         | the faults that are on                              |
/// | POST /faults, {"delay_ms": 200}     | changes those that are named; 400 says why not      |
/// | POST /death                         | none: the process ends at once                      |
/// | GET /stats                          | how many were asked for, and how they were answered |
class flaky_service {
public:
  flaky_service(const fault_settings& settings, std::uint64_t seed, std::size_t threads);

  /// The port that is listened on, `port` or, for 0, any that is free; -1: it is not free.
  int bind(int port);

  /// Serves until the process ends.
  void serve();

private:
  httplib::Server server_;
  faults faults_;
  socket_t listener_ = INVALID_SOCKET;
  std::mutex mutex_;
  std::uint64_t requests_ = 0;
  std::map<std::string, std::uint64_t> answers_; // by status, or "hang", "reset"

  void route_data(const std::string& kind);
  void route_control();
  void answer(const httplib::Request& request, httplib::Response& response,
              const std::string& kind);
  void count(const std::string& how);
};

} // namespace apps
