#pragma once

#include "support/spoken_process.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace bulwark_tests {

/// tests/distributed/peer.cpp as a process: a node on a port of loopback. It ends with this object,
/// or with us, whatever ends us.
class peer_process {
public:
  /// `options`: on its command line, CAF's own for example. `errors_to`: a file for what it writes
  /// to its standard error, else that is ours.
  /// `through`: a command that runs it, on another host for example.
  explicit peer_process(std::vector<std::string> options = {}, std::string errors_to = {},
                        std::vector<std::string> through = {})
      : options_(std::move(options)),
        errors_to_(std::move(errors_to)),
        through_(std::move(through)) {
    start(false);
  }
  peer_process(const peer_process&) = delete;
  peer_process& operator=(const peer_process&) = delete;
  ~peer_process() { kill(); }

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] pid_t id() const noexcept { return id_; }

  /// Whether it still runs.
  [[nodiscard]] bool alive() {
    if (id_ != 0 && ::waitpid(id_, nullptr, WNOHANG) == id_) {
      ::close(input_);
      id_ = 0;
    }
    return id_ != 0;
  }

  /// Memory that it has in use, resident, in KiB. 0 where it does not run.
  [[nodiscard]] std::size_t memory() const {
    std::ifstream status{"/proc/" + std::to_string(id_) + "/status"};
    for (std::string word; status >> word;)
      if (std::size_t kib = 0; word == "VmRSS:" && status >> kib)
        return kib;
    return 0;
  }

  /// How many files and sockets it has open.
  [[nodiscard]] std::size_t descriptors() const {
    std::error_code none;
    std::filesystem::directory_iterator all{"/proc/" + std::to_string(id_) + "/fd", none};
    return none ? 0
                : static_cast<std::size_t>(
                    std::distance(all, std::filesystem::directory_iterator{}));
  }

  /// SIGKILL, and waits until it is gone.
  void kill() {
    if (id_ == 0)
      return;
    ::kill(id_, SIGKILL);
    ::waitpid(id_, nullptr, 0);
    ::close(input_);
    id_ = 0;
  }

  /// Another process at the same port. `serves`: it answers what its predecessor kept.
  void restart(bool serves) {
    kill();
    start(serves);
  }

private:
  std::vector<std::string> options_;
  std::string errors_to_;
  std::vector<std::string> through_;
  pid_t id_ = 0;
  int input_ = -1;
  std::uint16_t port_ = 0;

  void start(bool serves) {
    std::vector<std::string> words{TEST_PEER, "--port=" + std::to_string(port_),
                                   serves ? "--serves=1" : "--serves=0"};
    words.insert(words.begin(), through_.begin(), through_.end());
    words.insert(words.end(), options_.begin(), options_.end());
    const auto peer = speak_to(std::move(words), errors_to_);
    id_ = peer.id;
    input_ = peer.input;
    std::string line;
    for (char c = 0; ::read(peer.output, &c, 1) == 1 && c != '\n';)
      line += c;
    ::close(peer.output);
    if (line.empty())
      throw std::runtime_error{"the peer does not start"};
    port_ = static_cast<std::uint16_t>(std::stoi(line));
  }
};

} // namespace bulwark_tests
