#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace bulwark_tests {

/// A program that runs while we do something else. It ends with this object, or with us, whatever
/// ends us. What it says on stdout and stderr is its log, and read as it comes.
class child_process {
public:
  explicit child_process(std::vector<std::string> words) { start(words); }
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;
  ~child_process() {
    if (id_ != 0) {
      ::kill(id_, SIGKILL);
      ::waitpid(id_, nullptr, 0);
    }
    ::close(output_);
  }

  /// Reads the log until a line holds `text`, from the beginning or where the last such call ended;
  /// throws where it ends without. The time limit is for programs that hang.
  std::string wait_for(const std::string& text) {
    while (true) {
      for (auto end = log_.find('\n', seen_); end != log_.npos; end = log_.find('\n', seen_)) {
        const auto line = log_.substr(seen_, end - seen_);
        seen_ = end + 1;
        if (line.find(text) != line.npos)
          return line;
      }
      if (!read_more())
        throw std::runtime_error{"the program has not said '" + text + "', but:\n" + log_};
    }
  }

  /// The same from the beginning, and without a trace in what wait_for() does next.
  std::string first_line_with(const std::string& text) {
    const auto seen = std::exchange(seen_, 0);
    auto result = wait_for(text);
    seen_ = seen;
    return result;
  }

  void signal(int number) const { ::kill(id_, number); }
  [[nodiscard]] pid_t id() const noexcept { return id_; }

  /// Waits until it has ended. Its exit code, or that of a shell where a signal has ended it.
  int wait() {
    while (read_more())
      continue;
    int status = 0;
    ::waitpid(id_, &status, 0);
    id_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  /// All that it has said so far.
  [[nodiscard]] const std::string& log() const { return log_; }

  [[nodiscard]] bool says(const std::string& text) const { return log_.find(text) != log_.npos; }

  /// How many lines hold `text`.
  [[nodiscard]] int count(const std::string& text) const {
    auto result = 0;
    for (auto at = log_.find(text); at != log_.npos; at = log_.find(text, at + 1))
      ++result;
    return result;
  }

private:
  pid_t id_ = 0;
  int output_ = -1;
  std::string log_;
  std::size_t seen_ = 0;

  void start(std::vector<std::string>& words) {
    std::vector<char*> arguments;
    for (auto& each : words)
      arguments.push_back(each.data());
    arguments.push_back(nullptr);
    int output[2];
    if (::pipe2(output, O_CLOEXEC) != 0)
      throw std::runtime_error{"no pipe for a program"};
    id_ = ::fork();
    if (id_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(output[1], STDERR_FILENO);
      ::dup2(output[1], STDOUT_FILENO);
      ::execv(arguments[0], arguments.data());
      ::_exit(127);
    }
    ::close(output[1]);
    output_ = output[0];
  }

  // False: the log has ended.
  bool read_more() {
    constexpr int longest = 60'000;
    pollfd ready{.fd = output_, .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, longest) != 1)
      throw std::runtime_error{"the program says nothing and doesn't end; it has said:\n" + log_};
    std::array<char, 4096> buffer{};
    const auto count = ::read(output_, buffer.data(), buffer.size());
    if (count <= 0)
      return false;
    log_.append(buffer.data(), static_cast<std::size_t>(count));
    return true;
  }
};

} // namespace bulwark_tests
