#pragma once

#include <nlohmann/json.hpp>

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace showcase {

/// flaky_service as a child process. It ends with this object, or with us, whatever ends us.
class service_process {
public:
  /// `program` started on any free port. Throws std::runtime_error where that can't be done.
  explicit service_process(std::string program);
  service_process(const service_process&) = delete;
  service_process& operator=(const service_process&) = delete;
  ~service_process() { kill(); }

  /// "http://127.0.0.1:PORT"
  [[nodiscard]] const std::string& url() const noexcept { return url_; }
  [[nodiscard]] pid_t id() const noexcept { return id_; }

  /// SIGKILL, and waits until it is gone.
  void kill();

  /// Starts it again, on the same port.
  void restart();

  /// Changes the faults: {{"delay_ms", 100}}.
  void order(const nlohmann::json& faults) const;

  /// Requests that it has counted since its start.
  [[nodiscard]] std::uint64_t requests() const;

private:
  std::string program_;
  pid_t id_ = 0;
  std::string url_;

  void start(int port);
};

/// The flaky_service that lies beside our own program.
std::string flaky_service_beside_us();

} // namespace showcase
