#pragma once

#include "bulwarkd/journal_file.hpp"

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace bulwarkd {

/// What happened to a node, kept over restarts: transitions of its circuits, new settings, and what
/// operators did. Bounded by age and size.
///
/// A bad disk is nobody else's trouble: entries wait in memory, bounded, and are written by a thread
/// of the journal's own. Where they can't be, for a full disk or a folder that takes no files, they
/// go on waiting, and the thread tries again after 1 s, 2 s, up to a minute. A file that was removed
/// is begun anew; one that is damaged is set aside as `FILE.damaged-TIME` and a new one begun; one
/// that another process keeps, or that is another program's database, is left alone.
///
/// All members may be called from any thread. None throws for what the file does.
class journal {
public:
  /// `on_trouble` hears each trouble once, as a sentence, and its end; by any thread that uses the
  /// journal, in the constructor too. It must not call the journal.
  explicit journal(journal_settings settings, std::function<void(std::string)> on_trouble);
  journal(const journal&) = delete;
  journal& operator=(const journal&) = delete;
  /// Tries once to write what waits.
  ~journal();

  /// Takes an entry to be written soon, at most with a wait for another caller of this; its id is
  /// given here, a time of 0 is now. Texts are cut at 4 KiB. Returns its id; 0: no memory, it is lost.
  /// Ids are milliseconds since 1970, or one more than the last where that is more: so they rise even
  /// where the file is lost (a hybrid logical clock: Kulkarni et al., 2014).
  std::uint64_t add(journal_entry entry) noexcept;

  /// Up to `limit` entries with ids below `before`, the newest first, those that wait included.
  /// Reads the file, and so takes as long as the disk does.
  [[nodiscard]] std::vector<journal_entry> recent(std::size_t limit,
                                                  std::uint64_t before = UINT64_MAX);

  /// Entries that were lost, for they waited too long or there was no memory.
  [[nodiscard]] std::uint64_t dropped() const noexcept;

private:
  using clock = std::chrono::steady_clock;

  const journal_settings settings_;
  const std::function<void(std::string)> on_trouble_;

  // The file and its trouble; held while the disk works.
  std::mutex file_mutex_;
  std::optional<journal_file> file_;
  std::string trouble_;

  // What add() needs; held for moments. Taken after the other, where both are.
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<journal_entry> waiting_;
  std::uint64_t last_id_ = 0;
  std::uint64_t dropped_ = 0;
  bool ending_ = false;

  std::thread thread_;

  void work(bool well) noexcept;
  std::uint64_t next_id() noexcept;
  std::vector<journal_entry> take_some();
  [[nodiscard]] std::vector<journal_entry> waiting(std::size_t limit, std::uint64_t before) const;
  void put_back(std::vector<journal_entry>& entries) noexcept;

  // The rest with file_mutex_.
  bool keep_up() noexcept;
  void open();
  void write();
  bool meet(const std::exception& why) noexcept;
  bool set_aside();
  void say(const std::string& trouble);
};

} // namespace bulwarkd
