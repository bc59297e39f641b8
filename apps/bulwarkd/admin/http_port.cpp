#include "bulwarkd/admin/http_port.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace bulwarkd {

namespace {

// Who is still sending would lose an answer with the connection: what comes is read, for a while.
void linger(int fd) {
  constexpr auto longest = std::chrono::milliseconds{500};
  constexpr std::size_t most = std::size_t{1} << 20;
  ::shutdown(fd, SHUT_WR);
  std::array<char, 4096> chunk{};
  const auto until = std::chrono::steady_clock::now() + longest;
  for (std::size_t read = 0; read < most;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
    if (left.count() <= 0 || ::poll(&ready, 1, static_cast<int>(left.count())) <= 0)
      return;
    const auto count = ::recv(fd, chunk.data(), chunk.size(), 0);
    if (count <= 0)
      return;
    read += static_cast<std::size_t>(count);
  }
}

int milliseconds_until(std::chrono::steady_clock::time_point when) {
  constexpr auto longest = std::chrono::minutes{1};
  const auto now = std::chrono::steady_clock::now();
  if (when <= now)
    return 0;
  const auto left = std::min<std::chrono::nanoseconds>(when - now, longest);
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count());
}

} // namespace

http_port::http_port(descriptor listening, const settings& wanted, server serve, ticker tick)
    : listening_(std::move(listening)),
      wake_up_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      settings_(wanted),
      serve_(std::move(serve)),
      tick_(std::move(tick)) {}

void http_port::start() {
  threads_.emplace_back([this] { run(); });
  for (std::size_t i = 0; i < settings_.workers; ++i)
    threads_.emplace_back([this] { work(); });
}

http_port::~http_port() {
  {
    std::lock_guard guard{mutex_};
    ending_ = true;
    for (auto& [id, each] : connections_)
      ::shutdown(each.fd.get(), SHUT_RDWR);
  }
  jobs_changed_.notify_all();
  wake();
  for (auto& each : threads_)
    each.join();
}

void http_port::wake() const {
  const std::uint64_t one = 1;
  static_cast<void>(::write(wake_up_.get(), &one, sizeof one));
}

// -- streams ------------------------------------------------------------------------------

bool http_port::write(stream_id stream, std::shared_ptr<const std::string> text) {
  {
    std::lock_guard guard{mutex_};
    const auto found = connections_.find(stream);
    if (found == connections_.end() || found->second.cut)
      return false;
    auto& to = found->second;
    to.waiting += text->size();
    to.output.push_back(std::move(text));
    to.cut = to.waiting > settings_.max_waiting_output;
  }
  wake();
  return true;
}

bool http_port::is_idle(stream_id stream) const {
  std::lock_guard guard{mutex_};
  const auto found = connections_.find(stream);
  return found == connections_.end() || found->second.waiting == 0;
}

bool http_port::is_open(stream_id stream) const {
  std::lock_guard guard{mutex_};
  return connections_.count(stream) > 0;
}

void http_port::write_some(connection& to) {
  while (!to.output.empty()) {
    const auto& text = *to.output.front();
    const auto count =
        ::send(to.fd.get(), text.data() + to.written, text.size() - to.written, MSG_NOSIGNAL);
    if (count < 0) {
      to.cut = to.cut || (errno != EAGAIN && errno != EINTR);
      return;
    }
    to.written += static_cast<std::size_t>(count);
    to.waiting -= static_cast<std::size_t>(count);
    if (to.written == text.size()) {
      to.output.pop_front();
      to.written = 0;
    }
  }
}

// -- workers --------------------------------------------------------------------------------

void http_port::work() {
  while (true) {
    job next;
    {
      std::unique_lock lock{mutex_};
      jobs_changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
      if (ending_)
        return;
      next = std::move(jobs_.front());
      jobs_.pop_front();
    }
    outcome what;
    try {
      what = serve_(next.fd, next.id, std::move(next.input));
    } catch (...) { // memory: this connection is lost, the port goes on
    }
    if (what.unread && what.what == then::close)
      linger(next.fd);
    finish(next, std::move(what));
  }
}

void http_port::finish(const job& done, outcome what) {
  {
    std::lock_guard guard{mutex_};
    auto& answered = connections_.at(done.id);
    answered.since = clock::now();
    if (what.what == then::stream) {
      answered.now = phase::stream;
    } else if (what.what == then::next_request) {
      answered.input = std::move(what.left_over);
      answered.now = answered.input.empty() ? phase::idle : phase::head;
      look_at_input(done.id, answered);
    } else {
      connections_.erase(done.id);
    }
  }
  wake();
}

// -- the port's thread ------------------------------------------------------------------------

// Longer than 40 lines: one round of the loop, from waiting to each connection.
void http_port::run() {
  std::vector<pollfd> watched;
  std::vector<stream_id> ids;
  auto tick_at = clock::time_point::min();
  while (true) {
    watched.assign({{.fd = wake_up_.get(), .events = POLLIN, .revents = 0}});
    ids.assign(1, 0);
    auto until = tick_at;
    {
      std::lock_guard guard{mutex_};
      if (ending_)
        return;
      if (accept_again_ <= clock::now()) {
        watched.push_back({.fd = listening_.get(), .events = POLLIN, .revents = 0});
        ids.push_back(0);
      }
      for (auto& [id, each] : connections_) {
        if (each.now == phase::answered)
          continue;
        const auto writes = each.now == phase::stream && !each.output.empty();
        watched.push_back({.fd = each.fd.get(),
                           .events = static_cast<short>(writes ? POLLIN | POLLOUT : POLLIN),
                           .revents = 0});
        ids.push_back(id);
      }
      until = std::min(until, next_timeout());
    }
    ::poll(watched.data(), watched.size(), milliseconds_until(until));
    const auto now = clock::now();
    std::uint64_t ignored = 0;
    const auto woken = ::read(wake_up_.get(), &ignored, sizeof ignored) > 0;
    {
      std::lock_guard guard{mutex_};
      for (std::size_t i = 1; i < watched.size(); ++i) {
        if (watched[i].revents == 0)
          continue;
        if (ids[i] == 0) {
          accept_all(now);
          continue;
        }
        const auto found = connections_.find(ids[i]);
        if (found == connections_.end() || found->second.now == phase::answered)
          continue;
        if ((watched[i].revents & POLLOUT) != 0)
          write_some(found->second);
        if ((watched[i].revents & ~POLLOUT) != 0)
          read_some(found->first, found->second, now);
      }
      drop_late(now);
    }
    if (woken || now >= tick_at)
      tick_at = tick_();
  }
}

void http_port::accept_all(clock::time_point now) {
  while (true) {
    descriptor fd{::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (fd.get() < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
        accept_again_ = now + std::chrono::milliseconds{100};
      return;
    }
    if (connections_.size() >= settings_.max_connections)
      make_room();
    if (connections_.size() < settings_.max_connections)
      connections_.emplace(++last_id_, connection{.fd = std::move(fd), .since = now});
  }
}

// Who has been served and is silent goes before who has yet to say something, and longer before
// shorter waits.
void http_port::make_room() {
  auto oldest = connections_.end();
  for (auto i = connections_.begin(); i != connections_.end(); ++i) {
    if (i->second.now != phase::idle && i->second.now != phase::head)
      continue;
    const auto rank = [](const connection& x) { return std::pair{x.now, x.since}; };
    if (oldest == connections_.end() || rank(i->second) < rank(oldest->second))
      oldest = i;
  }
  if (oldest != connections_.end())
    connections_.erase(oldest);
}

void http_port::read_some(stream_id id, connection& from, clock::time_point now) {
  std::array<char, 4096> chunk{};
  const auto count = ::recv(from.fd.get(), chunk.data(), chunk.size(), 0);
  if (count <= 0) {
    from.cut = from.cut || count == 0 || (errno != EAGAIN && errno != EINTR);
    return;
  }
  if (from.now == phase::stream)
    return; // nothing that it says is wanted
  if (from.now == phase::idle) {
    from.now = phase::head;
    from.since = now;
  }
  from.input.append(chunk.data(), static_cast<std::size_t>(count));
  look_at_input(id, from);
}

void http_port::look_at_input(stream_id id, connection& from) {
  // Too long a head goes to a worker as well: its parser sees no end and says so.
  if (from.now != phase::head
      || (from.input.find("\r\n\r\n") == std::string::npos
          && from.input.size() < settings_.max_head))
    return;
  from.now = phase::answered;
  jobs_.push_back({.id = id, .fd = from.fd.get(), .input = std::move(from.input)});
  from.input.clear();
  jobs_changed_.notify_one();
}

void http_port::drop_late(clock::time_point now) {
  std::erase_if(connections_, [&](const auto& entry) {
    const auto& [id, each] = entry;
    if (each.now == phase::answered)
      return false;
    const auto late = (each.now == phase::head && now >= each.since + settings_.head_timeout)
                      || (each.now == phase::idle && now >= each.since + settings_.idle_timeout);
    return each.cut || late;
  });
}

http_port::clock::time_point http_port::next_timeout() const {
  auto result = accept_again_ > clock::now() ? accept_again_ : clock::time_point::max();
  for (const auto& [id, each] : connections_) {
    if (each.now == phase::head)
      result = std::min(result, each.since + settings_.head_timeout);
    if (each.now == phase::idle)
      result = std::min(result, each.since + settings_.idle_timeout);
    if (each.cut)
      return clock::time_point::min();
  }
  return result;
}

} // namespace bulwarkd
