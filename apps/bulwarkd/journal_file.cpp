#include "bulwarkd/journal_file.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>

namespace bulwarkd {

namespace {

// Bytes 68 .. 71 of the file, by which file(1) and we know it: "BwkJ".
constexpr std::int64_t application_id = 0x42776b4a;

constexpr std::array kinds{"start", "stop", "transition", "reload", "operator"};

constexpr auto layout = R"(
  PRAGMA auto_vacuum = INCREMENTAL;
  BEGIN IMMEDIATE;
  PRAGMA application_id = 1115122506;
  CREATE TABLE IF NOT EXISTS entries(id INTEGER PRIMARY KEY, time INTEGER NOT NULL, kind TEXT NOT NULL,
    who TEXT NOT NULL, what TEXT NOT NULL, "from" TEXT NOT NULL, "to" TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS entries_by_time ON entries(time);
  COMMIT)";

class statement {
public:
  statement(sqlite3* database, const char* sql) : database_(database) {
    check(sqlite3_prepare_v2(database, sql, -1, &handle_, nullptr));
  }
  statement(const statement&) = delete;
  statement& operator=(const statement&) = delete;
  ~statement() { sqlite3_finalize(handle_); }

  void bind(int place, std::int64_t value) { check(sqlite3_bind_int64(handle_, place, value)); }

  // The text has to live until the next step.
  void bind(int place, std::string_view value) {
    check(sqlite3_bind_text(handle_, place, value.data(), static_cast<int>(value.size()),
                            SQLITE_STATIC));
  }

  // False: there is no further row.
  bool step() {
    const auto code = sqlite3_step(handle_);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
      check(code);
    return code == SQLITE_ROW;
  }

  void again() { sqlite3_reset(handle_); }

  [[nodiscard]] std::int64_t number(int column) { return sqlite3_column_int64(handle_, column); }

  [[nodiscard]] std::string text(int column) {
    const auto* begin = reinterpret_cast<const char*>(sqlite3_column_text(handle_, column));
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle_, column));
    return begin == nullptr ? std::string{} : std::string{begin, size};
  }

private:
  sqlite3* database_;
  sqlite3_stmt* handle_ = nullptr;

  void check(int code) {
    if (code != SQLITE_OK)
      throw journal_error{code, sqlite3_errmsg(database_)};
  }
};

journal_kind kind_of(std::string_view text) {
  const auto at = std::find(kinds.begin(), kinds.end(), text);
  return at == kinds.end() ? journal_kind::transition
                           : static_cast<journal_kind>(at - kinds.begin());
}

} // namespace

std::string_view to_string(journal_kind kind) noexcept {
  return kinds[static_cast<std::size_t>(kind)];
}

bool journal_error::is_damaged() const noexcept {
  return (code_ & 0xff) == SQLITE_CORRUPT || (code_ & 0xff) == SQLITE_NOTADB;
}

// -- the file --------------------------------------------------------------------------

journal_file::descriptor::descriptor(const std::string& name)
    // Who did what is nobody else's matter.
    : id_(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
  if (id_ < 0)
    throw journal_error{SQLITE_CANTOPEN, std::strerror(errno)};
  struct stat found {};
  const char* why = nullptr;
  if (::fstat(id_, &found) != 0 || !S_ISREG(found.st_mode))
    why = "is no regular file";
  else if (::flock(id_, LOCK_EX | LOCK_NB) != 0)
    why = "another process keeps it";
  if (why != nullptr) {
    ::close(id_);
    throw journal_error{SQLITE_CANTOPEN, why};
  }
}

journal_file::descriptor::~descriptor() {
  ::close(id_);
}

bool journal_file::descriptor::is_file(const std::string& name) const noexcept {
  struct stat ours {};
  struct stat there {};
  return ::fstat(id_, &ours) == 0 && ::stat(name.c_str(), &there) == 0
         && ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

bool journal_file::is_in_place() const noexcept {
  return descriptor_.is_file(name_);
}

void journal_file::closer::operator()(sqlite3* database) const noexcept {
  sqlite3_close(database);
}

journal_file::journal_file(const journal_settings& settings)
    // Absolute, for SQLite takes names like :memory: for something else.
    : name_(std::filesystem::absolute(settings.file).string()), descriptor_(name_) {
  sqlite3* opened = nullptr;
  constexpr auto flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
  const auto code = sqlite3_open_v2(name_.c_str(), &opened, flags, nullptr);
  database_.reset(opened);
  if (code != SQLITE_OK)
    throw journal_error{code, opened == nullptr ? "no memory" : sqlite3_errmsg(opened)};
  // Somebody may look into it with a program of theirs.
  sqlite3_busy_timeout(opened, 1000);
  begin();
  constexpr std::uint64_t smallest = 1 << 20;
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const auto bytes = std::clamp(settings.max_size, smallest, most);
  max_pages_ = static_cast<std::int64_t>(bytes) / number("PRAGMA page_size");
  number(("PRAGMA max_page_count = " + std::to_string(max_pages_)).c_str());
}

void journal_file::begin() {
  const auto is_new = number("SELECT count(*) FROM sqlite_schema") == 0;
  if (!is_new && number("PRAGMA application_id") != application_id)
    throw journal_error{SQLITE_CANTOPEN, "is the database of another program"};
  statement check{database_.get(), "PRAGMA quick_check(1)"};
  if (!check.step() || check.text(0) != "ok")
    throw journal_error{SQLITE_CORRUPT, "the database is damaged: " + check.text(0)};
  while (check.step())
    continue;
  run("PRAGMA synchronous = NORMAL; PRAGMA mmap_size = 0");
  try {
    run(layout);
  } catch (...) {
    sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    throw;
  }
}

void journal_file::run(const char* sql) {
  const auto code = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK)
    throw journal_error{code, sqlite3_errmsg(database_.get())};
}

std::int64_t journal_file::number(const char* sql) {
  statement query{database_.get(), sql};
  return query.step() ? query.number(0) : 0;
}

// -- what is in it ---------------------------------------------------------------------

void journal_file::write(const std::vector<journal_entry>& entries) {
  run("BEGIN IMMEDIATE");
  try {
    // Ids collide only where the clock was set back while the file couldn't be read.
    statement insert{database_.get(), "INSERT OR IGNORE INTO entries VALUES(?, ?, ?, ?, ?, ?, ?)"};
    for (const auto& each : entries) {
      insert.bind(1, static_cast<std::int64_t>(each.id));
      insert.bind(2, static_cast<std::int64_t>(each.time.count()));
      insert.bind(3, to_string(each.kind));
      insert.bind(4, each.who);
      insert.bind(5, each.what);
      insert.bind(6, each.from);
      insert.bind(7, each.to);
      insert.step();
      insert.again();
    }
    run("COMMIT");
  } catch (...) {
    sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    throw;
  }
}

std::vector<journal_entry> journal_file::read(std::size_t limit, std::uint64_t before) {
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  statement query{database_.get(), "SELECT * FROM entries WHERE id < ? ORDER BY id DESC LIMIT ?"};
  query.bind(1, static_cast<std::int64_t>(std::min(before, most)));
  query.bind(2, static_cast<std::int64_t>(std::min<std::uint64_t>(limit, most)));
  std::vector<journal_entry> result;
  while (query.step())
    result.push_back({.id = static_cast<std::uint64_t>(query.number(0)),
                      .time = std::chrono::nanoseconds{query.number(1)},
                      .kind = kind_of(query.text(2)),
                      .who = query.text(3),
                      .what = query.text(4),
                      .from = query.text(5),
                      .to = query.text(6)});
  return result;
}

std::uint64_t journal_file::last_id() {
  return static_cast<std::uint64_t>(
      std::max<std::int64_t>(number("SELECT max(id) FROM entries"), 0));
}

void journal_file::prune(std::chrono::nanoseconds oldest) {
  {
    statement by_age{database_.get(), "DELETE FROM entries WHERE time < ?"};
    by_age.bind(1, static_cast<std::int64_t>(oldest.count()));
    by_age.step();
  }
  const auto used = [&] { return number("PRAGMA page_count") - number("PRAGMA freelist_count"); };
  // A tenth is room for what is written next.
  while (used() > max_pages_ - max_pages_ / 10) {
    const auto count = number("SELECT count(*) FROM entries");
    if (count == 0)
      break;
    statement by_size{
        database_.get(),
        "DELETE FROM entries WHERE id IN (SELECT id FROM entries ORDER BY id LIMIT ?)"};
    by_size.bind(1, count / 10 + 1);
    by_size.step();
  }
  run("PRAGMA incremental_vacuum");
}

} // namespace bulwarkd
