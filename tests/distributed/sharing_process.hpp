#pragma once

#include "support/spoken_process.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace bulwark_tests {

/// tests/distributed/sharing_node.cpp as a process, driven by its input and output. It ends with
/// this object, or with us, whatever ends us.
class sharing_process {
public:
  /// What its callers have sent and got.
  struct books {
    std::uint64_t sent = 0;
    std::uint64_t answered = 0;
    std::uint64_t succeeded = 0;
    std::map<std::string, std::uint64_t> errors;
  };

  /// A transition of the circuit there, and when, by the host's steady clock.
  struct transition {
    std::chrono::nanoseconds when;
    std::string to;
  };

  explicit sharing_process(std::vector<std::string> options) : options_(std::move(options)) {
    start();
  }
  sharing_process(const sharing_process&) = delete;
  sharing_process& operator=(const sharing_process&) = delete;
  ~sharing_process() { kill(); }

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] pid_t id() const noexcept { return id_; }
  [[nodiscard]] const std::vector<transition>& transitions() const noexcept { return transitions_; }

  void call(int callers) {
    tell("call " + std::to_string(callers));
    expect("calling");
  }

  /// The same, without waiting for it: for a process that is stopped.
  void call_when_it_wakes(int callers) { tell("call " + std::to_string(callers)); }

  /// No more calls; waits until all are answered.
  void stop() {
    tell("stop");
    expect("stopped");
  }

  books get_books() {
    tell("books");
    std::istringstream words{expect("books ")};
    books result;
    std::string word;
    words >> word >> result.sent >> result.answered >> result.succeeded;
    while (words >> word) {
      const auto sign = word.find('=');
      result.errors[word.substr(0, sign)] = std::stoull(word.substr(sign + 1));
    }
    return result;
  }

  /// The state of the circuit there.
  std::string state() {
    tell("state");
    return expect("state ").substr(6);
  }

  void signal(int number) const { ::kill(id_, number); }

  /// SIGKILL, and waits until it is gone.
  void kill() {
    if (id_ == 0)
      return;
    ::kill(id_, SIGKILL);
    ::waitpid(id_, nullptr, 0);
    ::close(input_);
    ::close(output_);
    id_ = 0;
  }

  /// Another process at the same port.
  void restart() {
    kill();
    start();
  }

private:
  std::vector<std::string> options_;
  pid_t id_ = 0;
  int input_ = -1;
  int output_ = -1;
  std::uint16_t port_ = 0;
  std::string unread_;
  std::vector<transition> transitions_;

  void start() {
    std::vector<std::string> words{TEST_SHARING_NODE, "--port=" + std::to_string(port_)};
    words.insert(words.end(), options_.begin(), options_.end());
    const auto node = speak_to(std::move(words));
    id_ = node.id;
    input_ = node.input;
    output_ = node.output;
    unread_.clear();
    port_ = static_cast<std::uint16_t>(std::stoi(expect("port ").substr(5)));
  }

  void tell(const std::string& line) const {
    const auto text = line + "\n";
    if (::write(input_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
      throw std::runtime_error{"the node takes no command"};
  }

  /// The next line that begins so; what it says unasked is kept. A minute is a safety net.
  std::string expect(const std::string& beginning) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes{2};
    while (true) {
      for (auto end = unread_.find('\n'); end != std::string::npos; end = unread_.find('\n')) {
        auto line = unread_.substr(0, end);
        unread_.erase(0, end + 1);
        if (line.rfind(beginning, 0) == 0)
          return line;
        keep(line);
      }
      pollfd waiting{.fd = output_, .events = POLLIN, .revents = 0};
      char some[4096];
      if (std::chrono::steady_clock::now() > give_up || ::poll(&waiting, 1, 120'000) <= 0)
        throw std::runtime_error{"the node is silent, expected: " + beginning};
      const auto count = ::read(output_, some, sizeof some);
      if (count <= 0)
        throw std::runtime_error{"the node has ended, expected: " + beginning};
      unread_.append(some, static_cast<std::size_t>(count));
    }
  }

  void keep(const std::string& line) {
    std::istringstream words{line};
    std::string word;
    std::int64_t when = 0;
    std::string to;
    if (words >> word >> when >> to && word == "at")
      transitions_.push_back({std::chrono::nanoseconds{when}, to});
  }
};

} // namespace bulwark_tests
