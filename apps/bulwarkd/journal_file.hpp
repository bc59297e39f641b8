#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

struct sqlite3;

namespace bulwarkd {

/// Why something is in the journal.
enum class journal_kind { start, stop, transition, reload, operator_action };

/// "start", "stop", "transition", "reload" and "operator", as the API has them.
[[nodiscard]] std::string_view to_string(journal_kind kind) noexcept;

struct journal_entry {
  /// Rises from entry to entry, over restarts too; the journal gives it.
  std::uint64_t id = 0;
  /// Since 1970, UTC.
  std::chrono::nanoseconds time{};
  journal_kind kind = journal_kind::transition;
  std::string who;  ///< An operator, or a node.
  std::string what; ///< A circuit breaker's name, a setting's path, an action.
  std::string from;
  std::string to;

  bool operator==(const journal_entry&) const = default;
};

struct journal_settings {
  /// A SQLite database, made where there is none; its folder has to be there.
  std::string file;
  /// Entries that are older go; 1 minute or more.
  std::chrono::nanoseconds max_age = std::chrono::hours{30 * 24};
  /// Bytes of the file, 1 MiB or more; the oldest entries go.
  std::uint64_t max_size = 64ULL << 20;
  /// Entries that wait in memory to be written, at least 1; the oldest go.
  std::size_t max_waiting = 1024;
};

/// What SQLite refused, as a sentence without the file's name.
class journal_error : public std::runtime_error {
public:
  journal_error(int code, const std::string& why) : std::runtime_error(why), code_(code) {}

  /// The file can't be believed any more: it is best set aside.
  [[nodiscard]] bool is_damaged() const noexcept;

private:
  int code_;
};

/// The journal's table in its file, opened. For one thread at a time. Members throw journal_error and
/// then have changed nothing.
///
/// It keeps SQLite's rollback journal and not its write-ahead log: that one is mapped into memory, and
/// who cuts off a mapped file ends the process that reads it.
class journal_file {
public:
  explicit journal_file(const journal_settings& settings);

  /// All of them or none. Together they have to be smaller than a tenth of the file's permitted size.
  void write(const std::vector<journal_entry>& entries);

  /// Up to `limit` entries with ids below `before`, the newest first.
  [[nodiscard]] std::vector<journal_entry> read(std::size_t limit, std::uint64_t before);

  /// 0 where there is no entry.
  [[nodiscard]] std::uint64_t last_id();

  /// Deletes what is older than `oldest`, and the oldest entries while the file is too big.
  void prune(std::chrono::nanoseconds oldest);

  /// False where the name leads to another file by now, or to none.
  [[nodiscard]] bool is_in_place() const noexcept;

private:
  // Makes the file ours alone among processes. Closed after the database, whose locks it takes along.
  class descriptor {
  public:
    explicit descriptor(const std::string& name);
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    ~descriptor();
    [[nodiscard]] bool is_file(const std::string& name) const noexcept;

  private:
    int id_;
  };
  struct closer {
    void operator()(sqlite3* database) const noexcept;
  };

  std::string name_;
  descriptor descriptor_;
  std::unique_ptr<sqlite3, closer> database_;
  std::int64_t max_pages_ = 0;

  void begin();
  void run(const char* sql);
  std::int64_t number(const char* sql);
};

} // namespace bulwarkd
