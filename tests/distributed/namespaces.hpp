#pragma once

#include <cstddef>
#include <string>
#include <sys/types.h>
#include <vector>

namespace bulwark_tests {

/// Hosts of the test's own: network namespaces, each with one link to a bridge in another one. Their
/// addresses, 10.77.0.1 and on, exist nowhere else. Needs root and iproute2.
///
///     if (const auto why = network::forbidden(); !why.empty())
///       return skip(why);
///     network hosts{2};
///     const auto peer = hosts.command(1, {program, "--address=" + hosts.address(1)});
///     hosts.link_down(1);   // both ways, and nobody is told
///     hosts.link_up(1);
///
/// All is taken away with this object; what a killed test has left behind, at the next one's start.
/// Not thread-safe. Throws std::runtime_error where a command fails.
class network {
public:
  /// Why there can be no namespaces here; empty: there can.
  static std::string forbidden();

  explicit network(std::size_t hosts);
  network(const network&) = delete;
  network& operator=(const network&) = delete;
  ~network();

  [[nodiscard]] std::string address(std::size_t host) const;

  /// The command line that runs a program on a host: for posix_spawn and its like.
  [[nodiscard]] std::vector<std::string> command(std::size_t host,
                                                 const std::vector<std::string>& program) const;

  /// Moves the calling thread to a host: sockets and threads that it makes from now on are there.
  /// A system whose threads were made before stays where it is.
  void enter(std::size_t host) const;

  /// Takes the host's link off the bridge's side: packets vanish, the host's own side stays up.
  void link_down(std::size_t host);
  void link_up(std::size_t host);

private:
  std::string prefix_;
  std::size_t hosts_;

  [[nodiscard]] std::string name(std::size_t host) const;
  [[nodiscard]] std::string bridge() const;
  void add(std::size_t host) const;
  void remove() const noexcept;
};

} // namespace bulwark_tests
