#include "distributed/relay.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <list>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace bulwark_tests {

namespace {

using clock = std::chrono::steady_clock;

// A sender is read no further while so much waits for the receiver: as a kernel's buffers would.
constexpr std::size_t most_waiting = 4U << 20U;

sockaddr_in address_of(const std::string& host, std::uint16_t port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(port);
  if (::inet_pton(AF_INET, host.c_str(), &result.sin_addr) != 1)
    throw std::runtime_error{"relay: no address in numbers: " + host};
  return result;
}

int new_socket() {
  const int result = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (result < 0)
    throw std::runtime_error{"relay: no socket"};
  const int on = 1;
  ::setsockopt(result, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  ::setsockopt(result, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return result;
}

enum class mode { pass, hold, lose };

struct chunk {
  clock::time_point due;
  std::vector<std::uint8_t> bytes;
};

// One way of one connection.
struct lane {
  int from = -1;
  int to = -1;
  std::deque<chunk> waiting = {};
  std::size_t waiting_bytes = 0;
  bool ended = false;  // nothing comes any more
  bool closed = false; // the other side has been told
  bool lost = false;   // has swallowed something: never carries again
};

} // namespace

class relay::engine {
public:
  engine(std::uint16_t target_port, const std::string& host)
      : target_(address_of(host, target_port)) {
    listen();
    if (::pipe2(wake_.data(), O_CLOEXEC | O_NONBLOCK) != 0)
      throw std::runtime_error{"relay: no pipe"};
    thread_ = std::thread{[this] { run(); }};
  }

  engine(const engine&) = delete;
  engine& operator=(const engine&) = delete;

  ~engine() {
    change([this] { stopped_ = true; });
    thread_.join();
    for (auto& each : pairs_)
      close(each);
    stop_listening();
    ::close(wake_[0]);
    ::close(wake_[1]);
  }

  // A change of what holds from now on.
  template <class F>
  void change(F f) {
    std::lock_guard guard{mutex_};
    f();
    const char byte = 0;
    static_cast<void>(::write(wake_[1], &byte, 1) == 1);
  }

  template <class F>
  auto read(F f) const {
    std::lock_guard guard{mutex_};
    return f();
  }

  struct pair {
    std::array<lane, 2> lanes = {}; // by way
  };

  std::uint16_t port = 0;
  std::array<mode, 2> modes = {mode::pass, mode::pass};
  std::array<std::chrono::milliseconds, 2> delays = {};
  std::array<std::vector<std::uint8_t>, 2> log = {};
  bool recording = false;
  std::size_t taken = 0;

  [[nodiscard]] std::size_t open() const { return pairs_.size(); }

  void listen() {
    if (listener_ >= 0)
      return;
    listener_ = new_socket();
    auto address = address_of("127.0.0.1", port);
    socklen_t size = sizeof(address);
    auto* general = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_, general, size) != 0 || ::listen(listener_, 1'024) != 0
        || ::getsockname(listener_, general, &size) != 0)
      throw std::runtime_error{std::string{"relay: can't listen: "} + std::strerror(errno)};
    port = ntohs(address.sin_port);
  }

  void stop_listening() {
    if (listener_ >= 0)
      ::close(listener_);
    listener_ = -1;
  }

  void drop_all() {
    const linger at_once{.l_onoff = 1, .l_linger = 0}; // a reset, not an end
    for (auto& each : pairs_) {
      for (const auto& lane : each.lanes)
        ::setsockopt(lane.from, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
      close(each);
    }
    pairs_.clear();
  }

private:
  sockaddr_in target_;
  int listener_ = -1;
  std::array<int, 2> wake_ = {-1, -1};
  bool stopped_ = false;
  std::list<pair> pairs_;
  mutable std::mutex mutex_;
  std::thread thread_;

  static void close(pair& each) {
    ::close(each.lanes[0].from);
    ::close(each.lanes[1].from);
  }

  void run() {
    std::vector<pollfd> polled;
    while (true) {
      int wait = -1;
      {
        std::lock_guard guard{mutex_};
        if (stopped_)
          return;
        accept_all();
        for (auto i = pairs_.begin(); i != pairs_.end();)
          i = step(*i) ? std::next(i) : pairs_.erase(i);
        wait = collect(polled);
      }
      ::poll(polled.data(), polled.size(), wait);
      std::array<char, 64> bytes{};
      while (::read(wake_[0], bytes.data(), bytes.size()) > 0)
        continue;
    }
  }

  void accept_all() {
    while (listener_ >= 0) {
      const int from = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (from < 0)
        return;
      const int on = 1;
      ::setsockopt(from, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      const int to = new_socket();
      ::connect(to, reinterpret_cast<const sockaddr*>(&target_), sizeof(target_)); // goes on
      ++taken;
      pairs_.push_back({{lane{.from = from, .to = to}, lane{.from = to, .to = from}}});
    }
  }

  // Carries what can be carried now. Returns whether the connection still is one.
  bool step(pair& each) {
    for (std::size_t i = 0; i < 2; ++i) {
      take(each.lanes[i], i);
      give(each.lanes[i], i);
    }
    const auto over = [](const lane& line) { return line.closed || (line.ended && line.lost); };
    if (!over(each.lanes[0]) || !over(each.lanes[1]))
      return true;
    close(each);
    return false;
  }

  void take(lane& line, std::size_t way) {
    std::array<std::uint8_t, 65'536> bytes;
    while (!line.ended && line.waiting_bytes < most_waiting
           && (modes[way] != mode::hold || line.lost)) {
      const auto size = ::read(line.from, bytes.data(), bytes.size());
      if (size < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN))
        return;
      line.lost = line.lost || modes[way] == mode::lose;
      if (size <= 0) {
        line.ended = true;
        return;
      }
      if (recording)
        log[way].insert(log[way].end(), bytes.begin(), bytes.begin() + size);
      if (line.lost)
        continue;
      line.waiting.push_back({clock::now() + delays[way], {bytes.begin(), bytes.begin() + size}});
      line.waiting_bytes += static_cast<std::size_t>(size);
    }
  }

  void give(lane& line, std::size_t way) {
    if (modes[way] == mode::lose && !line.waiting.empty()) {
      line.lost = true;
      line.waiting.clear();
      line.waiting_bytes = 0;
    }
    if (modes[way] == mode::hold)
      return;
    while (!line.waiting.empty() && line.waiting.front().due <= clock::now()) {
      auto& bytes = line.waiting.front().bytes;
      const auto size = ::send(line.to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN))
        return;
      const auto done = size < 0 ? bytes.size() : static_cast<std::size_t>(size);
      line.waiting_bytes -= done;
      bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(done));
      if (bytes.empty())
        line.waiting.pop_front();
    }
    if (line.ended && line.waiting.empty() && !line.closed && !line.lost) {
      ::shutdown(line.to, SHUT_WR);
      line.closed = true;
    }
  }

  // What to wait for; returns for how long, in milliseconds.
  int collect(std::vector<pollfd>& polled) const {
    polled.assign({{.fd = wake_[0], .events = POLLIN, .revents = 0}});
    if (listener_ >= 0)
      polled.push_back({.fd = listener_, .events = POLLIN, .revents = 0});
    auto next = clock::time_point::max();
    for (const auto& each : pairs_)
      for (std::size_t i = 0; i < 2; ++i) {
        const auto& line = each.lanes[i];
        if (!line.ended && line.waiting_bytes < most_waiting
            && (modes[i] != mode::hold || line.lost))
          polled.push_back({.fd = line.from, .events = POLLIN, .revents = 0});
        if (line.waiting.empty() || modes[i] == mode::hold)
          continue;
        if (line.waiting.front().due <= clock::now())
          polled.push_back({.fd = line.to, .events = POLLOUT, .revents = 0});
        else
          next = std::min(next, line.waiting.front().due);
      }
    if (next == clock::time_point::max())
      return -1;
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next - clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(wait, 0, 1'000));
  }
};

relay::relay(std::uint16_t target_port, std::string target_host)
    : engine_(std::make_unique<engine>(target_port, target_host)) {}

relay::~relay() = default;

std::uint16_t relay::port() const noexcept {
  return engine_->port;
}

void relay::delay(way direction, std::chrono::milliseconds by) {
  engine_->change([&] { engine_->delays[static_cast<std::size_t>(direction)] = by; });
}

void relay::hold(way direction) {
  engine_->change([&] { engine_->modes[static_cast<std::size_t>(direction)] = mode::hold; });
}

void relay::hold() {
  engine_->change([&] { engine_->modes = {mode::hold, mode::hold}; });
}

void relay::lose(way direction) {
  engine_->change([&] { engine_->modes[static_cast<std::size_t>(direction)] = mode::lose; });
}

void relay::lose() {
  engine_->change([&] { engine_->modes = {mode::lose, mode::lose}; });
}

void relay::refuse() {
  engine_->change([&] { engine_->stop_listening(); });
}

void relay::drop_all() {
  engine_->change([&] { engine_->drop_all(); });
}

void relay::resume() {
  engine_->change([&] {
    engine_->modes = {mode::pass, mode::pass};
    engine_->listen();
  });
}

std::size_t relay::taken() const {
  return engine_->read([&] { return engine_->taken; });
}

std::size_t relay::open() const {
  return engine_->read([&] { return engine_->open(); });
}

void relay::record() {
  engine_->change([&] {
    engine_->log = {};
    engine_->recording = true;
  });
}

std::vector<std::uint8_t> relay::recorded(way direction) const {
  return engine_->read([&] { return engine_->log[static_cast<std::size_t>(direction)]; });
}

} // namespace bulwark_tests
