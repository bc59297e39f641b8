#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace bulwark_tests {

/// A line between two programs that a test can break: listens on a port of loopback and forwards
/// each connection to another port, in a thread of its own. Who dials `port()` reaches the target.
///
///     relay line{peer.port()};
///     auto remote = connect(node, "127.0.0.1", line.port());
///     line.lose(way::to_target);    // one way; line.lose() for both
///     line.resume();
///
/// Ways to break it, which last until `resume`, and hold for connections that come meanwhile:
/// - `hold`: bytes wait, and arrive when the line is whole again. What TCP does over a network that
///   is gone for a while.
/// - `lose`: bytes are swallowed, ends too; the connection stays. What lost a byte never carries one
///   again that way, not even after `resume`: a firewall that forgot the connection. New
///   connections do.
/// - `refuse`: nobody listens any more; what is connected stays.
/// - `drop_all`: all connections are reset, once.
///
/// Thread-safe. Each call holds from its return on.
class relay {
public:
  enum class way { to_target, to_dialler };

  explicit relay(std::uint16_t target_port, std::string target_host = "127.0.0.1");
  relay(const relay&) = delete;
  relay& operator=(const relay&) = delete;
  ~relay();

  [[nodiscard]] std::uint16_t port() const noexcept;

  /// Each byte arrives that much later; zero: at once. Bytes under way keep their time.
  void delay(way direction, std::chrono::milliseconds by);

  void hold(way direction);
  void hold();
  void lose(way direction);
  void lose();
  void refuse();
  void drop_all();

  /// Everything passes, and new connections are taken. Delays stay.
  void resume();

  /// How many connections have been taken since the start, and how many are open.
  [[nodiscard]] std::size_t taken() const;
  [[nodiscard]] std::size_t open() const;

  /// All bytes that came from one side, of all connections together, since `record`.
  void record();
  [[nodiscard]] std::vector<std::uint8_t> recorded(way direction) const;

private:
  class engine;
  std::unique_ptr<engine> engine_;
};

} // namespace bulwark_tests
