#pragma once

#include <fcntl.h>
#include <spawn.h>
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

extern char** environ;

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
    int input[2];
    int output[2];
    if (::pipe2(input, O_CLOEXEC) != 0 || ::pipe2(output, O_CLOEXEC) != 0)
      throw std::runtime_error{"no pipes for the peer"};
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
    if (!errors_to_.empty())
      ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors_to_.c_str(),
                                         O_CREAT | O_WRONLY | O_APPEND, 0600);
    std::vector<std::string> words{TEST_PEER, "--port=" + std::to_string(port_),
                                   serves ? "--serves=1" : "--serves=0"};
    words.insert(words.begin(), through_.begin(), through_.end());
    words.insert(words.end(), options_.begin(), options_.end());
    std::vector<char*> arguments;
    for (auto& word : words)
      arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const auto failed =
        ::posix_spawnp(&id_, arguments[0], &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(input[0]);
    ::close(output[1]);
    input_ = input[1];
    std::string line;
    for (char c = 0; failed == 0 && ::read(output[0], &c, 1) == 1 && c != '\n';)
      line += c;
    ::close(output[0]);
    if (line.empty())
      throw std::runtime_error{"the peer does not start"};
    port_ = static_cast<std::uint16_t>(std::stoi(line));
  }
};

} // namespace bulwark_tests
