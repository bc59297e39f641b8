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

void http_port::write_some(stream_id id, connection& to) {
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
  if (to.now == phase::writing)
    end_answer(id, to);
}

void http_port::end_answer(stream_id id, connection& answered) {
  answered.since = clock::now();
  if (answered.afterwards == then::next_request) {
    answered.now = answered.input.empty() ? phase::idle : phase::head;
    look_at_input(id, answered);
  } else if (answered.unread) {
    ::shutdown(answered.fd.get(), SHUT_WR);
    answered.now = phase::lingering;
  } else {
    answered.cut = true;
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
    finish(next, std::move(what));
  }
}

void http_port::finish(const job& done, outcome what) {
  {
    std::lock_guard guard{mutex_};
    auto& answered = connections_.at(done.id);
    answered.now = what.what == then::stream ? phase::stream : phase::writing;
    answered.since = clock::now();
    answered.afterwards = what.what;
    answered.unread = what.unread;
    answered.input = std::move(what.left_over);
    if (!what.answer.empty()) {
      answered.waiting += what.answer.size();
      // Before what a stream was sent meanwhile.
      answered.output.push_front(std::make_shared<const std::string>(std::move(what.answer)));
    }
    write_some(done.id, answered);
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
        const auto reads = each.now != phase::writing;
        watched.push_back({.fd = each.fd.get(),
                           .events = static_cast<short>((reads ? POLLIN : 0)
                                                        | (each.output.empty() ? 0 : POLLOUT)),
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
        auto& [id, each] = *found;
        if ((watched[i].revents & POLLOUT) != 0)
          write_some(id, each);
        if ((watched[i].revents & ~POLLOUT) == 0 || each.now == phase::answered)
          continue;
        if (each.now == phase::writing)
          each.cut = true; // it has gone
        else
          read_some(id, each, now);
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

// By phase, and longer before shorter waits.
void http_port::make_room() {
  auto oldest = connections_.end();
  for (auto i = connections_.begin(); i != connections_.end(); ++i) {
    if (i->second.now >= phase::answered)
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
  if (from.now == phase::lingering) {
    constexpr std::size_t most = std::size_t{1} << 20;
    from.ignored += static_cast<std::size_t>(count);
    from.cut = from.ignored > most;
    return;
  }
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

// When its time is over.
http_port::clock::time_point http_port::due(const connection& of) const {
  switch (of.cut ? phase::answered : of.now) {
  case phase::idle:
    return of.since + settings_.idle_timeout;
  case phase::lingering:
    return of.since + settings_.linger_timeout;
  case phase::head:
    return of.since + settings_.head_timeout;
  case phase::writing:
    return of.since + settings_.answer_timeout;
  default:
    return of.cut ? clock::time_point::min() : clock::time_point::max();
  }
}

void http_port::drop_late(clock::time_point now) {
  std::erase_if(connections_, [&](const auto& entry) {
    return entry.second.now != phase::answered && now >= due(entry.second);
  });
}

http_port::clock::time_point http_port::next_timeout() const {
  auto result = accept_again_ > clock::now() ? accept_again_ : clock::time_point::max();
  for (const auto& [id, each] : connections_)
    if (each.now != phase::answered)
      result = std::min(result, due(each));
  return result;
}

} // namespace bulwarkd
