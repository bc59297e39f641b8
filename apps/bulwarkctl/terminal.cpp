#include "bulwarkctl/terminal.hpp"

#include "bulwarkctl/failure.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

namespace bulwarkctl {

namespace {

constexpr std::string_view enter_screen = "\x1b[?1049h\x1b[?25l\x1b[?7l";
constexpr std::string_view leave_screen = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

// Of the process, for a crash knows no objects.
termios saved_modes;
volatile std::sig_atomic_t is_entered = 0;

void write_all(std::string_view text) {
  while (!text.empty()) {
    const auto count = ::write(STDOUT_FILENO, text.data(), text.size());
    if (count <= 0)
      return;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

// Only what a signal's handler may call.
void leave() {
  if (is_entered == 0)
    return;
  is_entered = 0;
  write_all(leave_screen);
  ::tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_modes);
}

void enter() {
  termios modes = saved_modes;
  modes.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  modes.c_cc[VMIN] = 1;
  modes.c_cc[VTIME] = 0;
  ::tcsetattr(STDIN_FILENO, TCSADRAIN, &modes);
  is_entered = 1;
  write_all(enter_screen);
}

extern "C" void on_crash(int number) {
  leave();
  // The handler is gone by now (SA_RESETHAND): this ends the process as it would have ended.
  ::raise(number);
}

constexpr int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

sigset_t ours() {
  sigset_t result;
  ::sigemptyset(&result);
  for (const auto number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH})
    ::sigaddset(&result, number);
  return result;
}

// What a terminal sends for the first key: one byte, or a sequence (ECMA-48, 5.4).
std::size_t size_of_key(std::string_view text) {
  if (text[0] != '\x1b' || text.size() == 1)
    return 1;
  if (text[1] != '[')
    return std::min<std::size_t>(text.size(), text[1] == 'O' ? 3 : 2);
  const auto end = std::find_if(text.begin() + 2, text.end(), [](char c) { return c >= '@'; });
  return static_cast<std::size_t>(end - text.begin()) + (end == text.end() ? 0 : 1);
}

} // namespace

terminal::terminal() {
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0
      || ::tcgetattr(STDIN_FILENO, &saved_modes) != 0)
    throw failure{wrong_usage, "top needs a terminal; without one there is stats --watch"};
  const auto set = ours();
  ::pthread_sigmask(SIG_BLOCK, &set, &saved_signals_);
  signals_ = ::signalfd(-1, &set, SFD_CLOEXEC);
  if (signals_ < 0)
    throw failure{refused, "no descriptor for signals"};
  for (const auto number : crashes) {
    struct sigaction action {};
    action.sa_handler = on_crash;
    action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
    ::sigaction(number, &action, nullptr);
  }
  enter();
}

terminal::~terminal() {
  leave();
  ::close(signals_);
  ::pthread_sigmask(SIG_SETMASK, &saved_signals_, nullptr);
}

terminal::size terminal::current_size() const {
  winsize found{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &found) != 0 || found.ws_col == 0 || found.ws_row == 0)
    return {};
  return {.columns = found.ws_col, .rows = found.ws_row};
}

terminal::wake terminal::wait(int milliseconds, int also) {
  if (!pressed_.empty())
    return next_key();
  std::array<pollfd, 3> ready{{{.fd = signals_, .events = POLLIN, .revents = 0},
                               {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0},
                               {.fd = also, .events = POLLIN, .revents = 0}}};
  if (::poll(ready.data(), ready.size(), milliseconds) <= 0)
    return wake::timeout;
  if (ready[0].revents != 0)
    return take_signal();
  if (ready[1].revents != 0)
    return read_keys();
  return wake::told;
}

terminal::wake terminal::take_signal() {
  signalfd_siginfo info{};
  if (::read(signals_, &info, sizeof(info)) != sizeof(info))
    return wake::timeout;
  const auto number = static_cast<int>(info.ssi_signo);
  if (number == SIGWINCH)
    return wake::resized;
  if (number == SIGTSTP) {
    suspend();
    return wake::resized;
  }
  signal_ = number;
  return wake::ended;
}

void terminal::suspend() {
  leave();
  ::raise(SIGSTOP);
  // Another program may have changed them meanwhile.
  ::tcgetattr(STDIN_FILENO, &saved_modes);
  enter();
}

terminal::wake terminal::read_keys() {
  std::array<char, 256> bytes{};
  const auto count = ::read(STDIN_FILENO, bytes.data(), bytes.size());
  if (count <= 0) {
    signal_ = SIGHUP;
    return wake::ended;
  }
  pressed_.append(bytes.data(), static_cast<std::size_t>(count));
  return next_key();
}

terminal::wake terminal::next_key() {
  constexpr std::pair<std::string_view, std::string_view> known[] = {
      {"\x1b[A", "up"},         {"\x1bOA", "up"},   {"\x1b[B", "down"},  {"\x1bOB", "down"},
      {"\x1b[5~", "page-up"},   {"\x1b[H", "home"}, {"\x1b[1~", "home"}, {"\x1bOH", "home"},
      {"\x1b[6~", "page-down"}, {"\x1b[F", "end"},  {"\x1b[4~", "end"},  {"\x1bOF", "end"}};
  for (const auto& [bytes, name] : known) {
    if (pressed_.rfind(bytes, 0) == 0) {
      key_ = name;
      pressed_.erase(0, bytes.size());
      return wake::key;
    }
  }
  // Of a key that we don't know no part is another key.
  const auto bytes_of_it = size_of_key(pressed_);
  key_ = pressed_ == "\x1b" ? "escape" : bytes_of_it == 1 ? pressed_.substr(0, 1) : "";
  pressed_.erase(0, bytes_of_it);
  return wake::key;
}

void terminal::draw(std::string_view frame) {
  std::string text = "\x1b[H";
  for (const auto c : frame) {
    if (c == '\n')
      text += "\x1b[K\r\n";
    else
      text += c;
  }
  write_all(text + "\x1b[0m\x1b[J");
}

} // namespace bulwarkctl
