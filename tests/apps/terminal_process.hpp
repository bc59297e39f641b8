#pragma once

#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace bulwark_tests {

/// A program in a terminal of its own, whose keys we press and whose screen we read. It ends with this
/// object, or with us.
class terminal_process {
public:
  /// `settings`: NAME=VALUE, for its environment; TERM is xterm.
  explicit terminal_process(std::vector<std::string> words,
                            const std::vector<std::string>& settings = {},
                            unsigned short columns = 100, unsigned short rows = 12) {
    winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (auto& each : words)
      arguments.push_back(each.data());
    arguments.push_back(nullptr);
    // Ours, so that the terminal lives on when the program has ended, and shows how it was left.
    if (::openpty(&master_, &slave_, nullptr, nullptr, &size) != 0)
      throw std::runtime_error{"no terminal"};
    ::tcgetattr(slave_, &before_);
    id_ = ::fork();
    if (id_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::close(master_);
      ::login_tty(slave_);
      ::setenv("TERM", "xterm", 1);
      for (const auto& each : settings)
        ::setenv(each.substr(0, each.find('=')).c_str(), each.substr(each.find('=') + 1).c_str(),
                 1);
      ::execv(arguments[0], arguments.data());
      ::_exit(127);
    }
  }
  terminal_process(const terminal_process&) = delete;
  terminal_process& operator=(const terminal_process&) = delete;
  ~terminal_process() {
    if (id_ != 0) {
      ::kill(id_, SIGKILL);
      ::waitpid(id_, nullptr, 0);
    }
    ::close(slave_);
    ::close(master_);
  }

  void press(const std::string& keys) const {
    if (::write(master_, keys.data(), keys.size()) != static_cast<ssize_t>(keys.size()))
      throw std::runtime_error{"no key can be pressed"};
  }

  void resize(unsigned short columns, unsigned short rows) const {
    const winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    ::ioctl(master_, TIOCSWINSZ, &size);
  }

  void signal(int number) const { ::kill(id_, number); }

  /// Until the newest whole screen is as `wanted` says; returns it.
  std::string wait_for_screen(const std::function<bool(const std::string&)>& wanted) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes{1};
    for (auto now = screen(); std::chrono::steady_clock::now() < end; now = screen()) {
      if (wanted(now))
        return now;
      read_more();
    }
    throw std::runtime_error{"not the wanted screen, but:\n" + screen()};
  }

  std::string wait_for_screen(const std::string& text) {
    return wait_for_screen([&](const auto& screen) { return screen.find(text) != screen.npos; });
  }

  /// Until all that it has written holds `text` after the place where the last such call ended.
  void wait_for(const std::string& text) {
    auto at = written_.find(text, seen_);
    for (; at == written_.npos; at = written_.find(text, seen_))
      read_more();
    seen_ = at + text.size();
  }

  /// Waits until it has stopped, or ended. Its exit code, or 128 and the number of the signal.
  int wait() {
    // It may be that it ends only when what it has written is read.
    int status = 0;
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes{1};
    for (auto found = 0; found == 0; found = ::waitpid(id_, &status, WNOHANG | WUNTRACED)) {
      if (std::chrono::steady_clock::now() > end)
        throw std::runtime_error{"the program doesn't end; its last screen:\n" + screen()};
      read_some(10);
    }
    while (read_some(0))
      continue;
    if (WIFSTOPPED(status))
      return 128 + WSTOPSIG(status);
    id_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  /// Whether the terminal's modes are those that it had before.
  [[nodiscard]] bool has_its_modes() const {
    termios now{};
    ::tcgetattr(slave_, &now);
    return now.c_lflag == before_.c_lflag && now.c_iflag == before_.c_iflag
           && now.c_oflag == before_.c_oflag;
  }

  /// Whether the cursor is shown and the screen the usual one.
  [[nodiscard]] bool has_its_screen() const {
    const auto entered = written_.rfind("\x1b[?1049h");
    const auto left = written_.rfind("\x1b[?1049l");
    return entered == written_.npos
           || (left != written_.npos && left > entered
               && written_.find("\x1b[?25h", entered) < left);
  }

  [[nodiscard]] const std::string& written() const { return written_; }

  /// The newest screen that is whole, with its colours: each begins at the upper left corner.
  [[nodiscard]] std::string screen() const {
    const auto end = written_.rfind("\x1b[J");
    const auto begin = end == written_.npos ? end : written_.rfind("\x1b[H", end);
    return begin == written_.npos ? "" : written_.substr(begin + 3, end - begin - 3);
  }

private:
  int master_ = -1;
  int slave_ = -1;
  pid_t id_ = 0;
  termios before_{};
  std::string written_;
  std::size_t seen_ = 0;

  bool read_some(int milliseconds) {
    pollfd ready{.fd = master_, .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, milliseconds) != 1)
      return false;
    std::array<char, 4096> buffer{};
    const auto count = ::read(master_, buffer.data(), buffer.size());
    if (count > 0)
      written_.append(buffer.data(), static_cast<std::size_t>(count));
    return count > 0;
  }

  void read_more() {
    constexpr int longest = 60'000;
    if (!read_some(longest))
      throw std::runtime_error{"the program shows nothing more; the last screen:\n" + screen()};
  }
};

} // namespace bulwark_tests
