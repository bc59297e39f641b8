#include "bulwarkctl/poller.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace bulwarkctl {

poller::poller(const connection& where, std::chrono::milliseconds interval)
    : daemon_(where), interval_(interval) {
  if (::pipe2(told_, O_CLOEXEC | O_NONBLOCK) != 0)
    throw failure{refused, "no pipe"};
  thread_ = std::thread{[this] { work(); }};
}

poller::~poller() {
  {
    const std::lock_guard hold{mutex_};
    ending_ = true;
  }
  changed_.notify_all();
  // It may wait for a daemon that says nothing.
  daemon_.stop();
  thread_.join();
  ::close(told_[0]);
  ::close(told_[1]);
}

std::optional<look> poller::take() {
  std::array<char, 64> bytes{};
  while (::read(told_[0], bytes.data(), bytes.size()) > 0)
    continue;
  const std::lock_guard hold{mutex_};
  return std::exchange(newest_, std::nullopt);
}

void poller::work() {
  std::unique_lock hold{mutex_};
  while (!ending_) {
    hold.unlock();
    look seen;
    try {
      seen.document = daemon_.get("/api/v1/guards");
    } catch (const std::exception& why) {
      seen.trouble = why.what();
    }
    seen.time = std::chrono::steady_clock::now();
    hold.lock();
    newest_ = std::move(seen);
    // A pipe that is full has told enough.
    [[maybe_unused]] const auto written = ::write(told_[1], "", 1);
    changed_.wait_for(hold, interval_, [this] { return ending_; });
  }
}

} // namespace bulwarkctl
