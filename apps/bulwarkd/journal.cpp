#include "bulwarkd/journal.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <utility>

namespace bulwarkd {

namespace {

std::chrono::nanoseconds since_1970() {
  return std::chrono::system_clock::now().time_since_epoch();
}

// Where a character of UTF-8 ends.
void cut(std::string& text) {
  constexpr std::size_t longest = 4096;
  if (text.size() <= longest)
    return;
  auto end = longest;
  while (end > longest - 4 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
    --end;
  text.resize(end);
}

std::size_t size_of(const journal_entry& entry) {
  return entry.who.size() + entry.what.size() + entry.from.size() + entry.to.size();
}

} // namespace

journal::journal(journal_settings settings, std::function<void(std::string)> on_trouble)
    : settings_(std::move(settings)), on_trouble_(std::move(on_trouble)) {
  // A file that may grow no more (ulimit -f) would end the process; so it is an error like others.
  struct sigaction current {};
  if (::sigaction(SIGXFSZ, nullptr, &current) == 0 && current.sa_handler == SIG_DFL)
    std::signal(SIGXFSZ, SIG_IGN);
  std::unique_lock hold{file_mutex_};
  const auto well = keep_up();
  hold.unlock();
  thread_ = std::thread{[this, well] { work(well); }};
}

journal::~journal() {
  {
    const std::lock_guard hold{mutex_};
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
  const std::lock_guard hold{file_mutex_};
  keep_up();
}

// -- what waits ------------------------------------------------------------------------

std::uint64_t journal::next_id() noexcept {
  using std::chrono::milliseconds;
  const auto now = std::chrono::duration_cast<milliseconds>(since_1970()).count();
  return last_id_ = std::max(last_id_ + 1, static_cast<std::uint64_t>(now));
}

std::uint64_t journal::add(journal_entry entry) noexcept {
  for (auto* text : {&entry.who, &entry.what, &entry.from, &entry.to})
    cut(*text);
  if (entry.time.count() == 0)
    entry.time = since_1970();
  const std::lock_guard hold{mutex_};
  const auto id = entry.id = next_id();
  try {
    waiting_.push_back(std::move(entry));
  } catch (...) {
    ++dropped_;
    return 0;
  }
  if (waiting_.size() > std::max<std::size_t>(settings_.max_waiting, 1)) {
    waiting_.pop_front();
    ++dropped_;
  }
  changed_.notify_all();
  return id;
}

std::uint64_t journal::dropped() const noexcept {
  const std::lock_guard hold{mutex_};
  return dropped_;
}

// Few enough for one transaction in the room that pruning leaves.
std::vector<journal_entry> journal::take_some() {
  constexpr std::size_t most = 32 << 10;
  const std::lock_guard hold{mutex_};
  auto end = waiting_.begin();
  for (std::size_t size = 0; end != waiting_.end() && size < most; ++end)
    size += size_of(*end);
  std::vector<journal_entry> result(static_cast<std::size_t>(end - waiting_.begin()));
  std::move(waiting_.begin(), end, result.begin());
  waiting_.erase(waiting_.begin(), end);
  return result;
}

void journal::put_back(std::vector<journal_entry>& entries) noexcept {
  const std::lock_guard hold{mutex_};
  while (!entries.empty() && waiting_.size() < settings_.max_waiting) {
    try {
      waiting_.push_front(std::move(entries.back()));
    } catch (...) {
      break;
    }
    entries.pop_back();
  }
  dropped_ += entries.size();
}

// -- the file --------------------------------------------------------------------------

void journal::work(bool well) noexcept {
  using namespace std::chrono_literals;
  constexpr std::chrono::seconds longest_pause = 1min;
  auto pause = 1s;
  std::unique_lock hold{mutex_};
  while (!ending_) {
    // Also when nothing comes entries grow old.
    if (well)
      changed_.wait_for(hold, 1h, [this] { return ending_ || !waiting_.empty(); });
    else
      changed_.wait_for(hold, pause, [this] { return ending_; });
    hold.unlock();
    {
      const std::lock_guard hold_file{file_mutex_};
      well = keep_up();
    }
    pause = well ? 1s : std::min(pause * 2, longest_pause);
    hold.lock();
  }
}

bool journal::keep_up() noexcept {
  // A second time in a new file, where the first found the old one damaged.
  for (auto tries = 2; tries > 0; --tries) {
    try {
      open();
      write();
      return true;
    } catch (const std::exception& why) {
      if (!meet(why))
        break;
    }
  }
  return false;
}

void journal::open() {
  if (file_ && !file_->is_in_place()) {
    file_.reset();
    say("the file was removed, a new one is begun");
  }
  if (file_)
    return;
  file_.emplace(settings_);
  const auto last = file_->last_id();
  const std::lock_guard hold{mutex_};
  last_id_ = std::max(last_id_, last);
}

void journal::write() {
  const auto oldest = since_1970() - settings_.max_age;
  file_->prune(oldest);
  for (auto some = take_some(); !some.empty(); some = take_some()) {
    try {
      file_->write(some);
    } catch (...) {
      put_back(some);
      throw;
    }
    file_->prune(oldest);
  }
  if (trouble_.empty())
    return;
  trouble_.clear();
  on_trouble_(
      fmt::format("journal {}: kept again; {} entries have been lost", settings_.file, dropped()));
}

// True: what was wrong is out of the way.
bool journal::meet(const std::exception& why) noexcept {
  try {
    say(why.what());
    const auto* refused = dynamic_cast<const journal_error*>(&why);
    if (refused == nullptr || !refused->is_damaged())
      return false;
    file_.reset();
    return set_aside();
  } catch (...) {
    // No memory to tell: what waits is tried again.
    return false;
  }
}

bool journal::set_aside() {
  const auto now =
      std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto ms = now.time_since_epoch().count() % 1000;
  const auto& name = settings_.file;
  const auto aside = fmt::format("{}.damaged-{:%Y%m%dT%H%M%S}.{:03}Z", name,
                                 fmt::gmtime(std::chrono::system_clock::to_time_t(now)), ms);
  std::error_code failed;
  std::filesystem::rename(name, aside, failed);
  if (failed) {
    say("damaged, and can't be set aside: " + failed.message());
    return false;
  }
  // SQLite's rollback journal belongs to this file: it would spoil the next.
  std::filesystem::rename(name + "-journal", aside + "-journal", failed);
  say("damaged, set aside as " + aside);
  return true;
}

void journal::say(const std::string& trouble) {
  if (trouble != trouble_)
    on_trouble_(fmt::format("journal {}: {}", settings_.file, trouble));
  trouble_ = trouble;
}

// -- reading ---------------------------------------------------------------------------

std::vector<journal_entry> journal::recent(std::size_t limit, std::uint64_t before) {
  const std::lock_guard hold_file{file_mutex_};
  keep_up();
  auto result = waiting(limit, before);
  if (!file_ || result.size() == limit)
    return result;
  try {
    auto written = file_->read(limit - result.size(), before);
    std::move(written.begin(), written.end(), std::back_inserter(result));
  } catch (const journal_error& why) {
    if (meet(why))
      keep_up();
  }
  return result;
}

std::vector<journal_entry> journal::waiting(std::size_t limit, std::uint64_t before) const {
  std::vector<journal_entry> result;
  const std::lock_guard hold{mutex_};
  for (auto each = waiting_.rbegin(); each != waiting_.rend() && result.size() < limit; ++each)
    if (each->id < before)
      result.push_back(*each);
  return result;
}

} // namespace bulwarkd
