// The journal of bulwarkd: what it keeps, and that a bad disk harms nobody.
#include "bulwarkd/journal.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

using namespace bulwarkd;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

struct folder : bulwark_tests::temporary_folder {
  [[nodiscard]] std::string file(const std::string& name = "journal") const {
    return temporary_folder::file(name);
  }

  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto& each : fs::directory_iterator{path()})
      result.push_back(each.path().filename());
    std::sort(result.begin(), result.end());
    return result;
  }
};

// A journal and what it complained of.
struct kept {
  std::mutex mutex;
  std::vector<std::string> heard;
  journal book;

  explicit kept(journal_settings settings)
      : book(std::move(settings), [this](std::string trouble) {
          const std::lock_guard hold{mutex};
          heard.push_back(std::move(trouble));
        }) {}

  std::string last_trouble() {
    const std::lock_guard hold{mutex};
    return heard.empty() ? "" : heard.back();
  }

  int troubles_with(const std::string& text) {
    const std::lock_guard hold{mutex};
    return static_cast<int>(std::count_if(heard.begin(), heard.end(), [&](const auto& each) {
      return each.find(text) != each.npos;
    }));
  }

  std::vector<std::string> all() {
    std::vector<std::string> result;
    for (const auto& each : book.recent(10'000))
      result.push_back(each.what);
    return result;
  }
};

journal_entry said(std::string what, journal_kind kind = journal_kind::transition) {
  return {.kind = kind, .who = "node a", .what = std::move(what), .from = "closed", .to = "open"};
}

using texts = std::vector<std::string>;

std::int64_t entries_in(const std::string& file) {
  sqlite3* opened = nullptr;
  sqlite3_stmt* query = nullptr;
  std::int64_t result = -1;
  // The journal's own thread may be looking for old entries.
  if (sqlite3_open_v2(file.c_str(), &opened, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK
      && sqlite3_busy_timeout(opened, 10'000) == SQLITE_OK
      && sqlite3_prepare_v2(opened, "SELECT count(*) FROM entries", -1, &query, nullptr)
             == SQLITE_OK
      && sqlite3_step(query) == SQLITE_ROW)
    result = sqlite3_column_int64(query, 0);
  INFO(sqlite3_errmsg(opened));
  CHECK(result >= 0);
  sqlite3_finalize(query);
  sqlite3_close(opened);
  return result;
}

// While it lives no file of this process grows beyond `bytes`: to it, a full disk.
struct full_disk {
  rlimit before{};

  explicit full_disk(std::uint64_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit now{.rlim_cur = bytes, .rlim_max = before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &now) == 0);
  }
  full_disk(const full_disk&) = delete;
  full_disk& operator=(const full_disk&) = delete;
  ~full_disk() { ::setrlimit(RLIMIT_FSIZE, &before); }
};

} // namespace

// -- what it keeps ---------------------------------------------------------------------

TEST_CASE("what is added is read again, the newest first, in pages [W70]", "[journal]") {
  const folder place;
  kept kept{{.file = place.file()}};
  const journal_entry whole{.time = 1'700'000'000'123'456'789ns,
                            .kind = journal_kind::operator_action,
                            .who = "ann",
                            .what = "breaker 'db'\n\x1b[31m",
                            .from = "open",
                            .to = "forced_open"};
  // Old entries go: this is the one that tells all its fields.
  kept.book.add(said("first"));
  auto today = whole;
  today.time = std::chrono::system_clock::now().time_since_epoch();
  const auto id = kept.book.add(today);
  kept.book.add(said("third", journal_kind::reload));
  const auto page = kept.book.recent(2);
  REQUIRE(page.size() == 2);
  CHECK(page[0].what == "third");
  CHECK(page[0].kind == journal_kind::reload);
  CHECK(page[0].time > 0s);
  today.id = id;
  CHECK(page[1] == today);
  const auto next = kept.book.recent(2, page[1].id);
  REQUIRE(next.size() == 1);
  CHECK(next[0].what == "first");
  CHECK(kept.troubles_with("") == 0);
}

TEST_CASE("entries and the growth of ids outlive the process [W70]", "[journal]") {
  const folder place;
  std::uint64_t last = 0;
  for (const auto* what : {"one", "two", "three"}) {
    kept kept{{.file = place.file()}};
    const auto id = kept.book.add(said(what));
    CHECK(id > last);
    last = id;
  }
  kept kept{{.file = place.file()}};
  CHECK(kept.all() == texts{"three", "two", "one"});
  CHECK(kept.book.add(said("four")) > last);
}

TEST_CASE("ids grow also when the clock was set back and when the file is lost [W70]",
          "[journal]") {
  const folder place;
  std::uint64_t last = 0;
  {
    // As one would have written whose clock was a year ahead.
    journal_file file{{.file = place.file()}};
    last = kept{{.file = place.file("other")}}.book.add(said("any")) + 365ULL * 86'400'000;
    auto entry = said("tomorrow");
    entry.id = last;
    entry.time = std::chrono::system_clock::now().time_since_epoch();
    file.write({entry});
  }
  {
    kept kept{{.file = place.file()}};
    CHECK(kept.book.add(said("now")) == last + 1);
    CHECK(kept.all() == texts{"now", "tomorrow"});
  }
  kept lost{{.file = place.file("new")}};
  const auto first = lost.book.add(said("any"));
  fs::remove(place.file("new"));
  kept again{{.file = place.file("newer")}};
  CHECK(again.book.add(said("any")) >= first);
}

TEST_CASE("entries that are too old go [W71]", "[journal]") {
  const folder place;
  kept kept{{.file = place.file(), .max_age = 1h}};
  auto old = said("old");
  old.time = (std::chrono::system_clock::now() - 61min).time_since_epoch();
  auto young = said("young");
  young.time = (std::chrono::system_clock::now() - 59min).time_since_epoch();
  kept.book.add(young);
  kept.book.add(old);
  CHECK(kept.all() == texts{"young"});
}

TEST_CASE("the file stays below its size and the oldest entries go [W71]", "[journal]") {
  const folder place;
  constexpr std::uint64_t size = 1 << 20;
  const std::string text(1'000, 'x');
  {
    kept kept{{.file = place.file(), .max_size = size}};
    for (int i = 0; i < 2'000; ++i) {
      kept.book.add(said(std::to_string(i) + text));
      if (i % 100 == 0)
        (void)kept.book.recent(1);
      REQUIRE(fs::file_size(place.file()) <= size);
    }
    const auto all = kept.all();
    CHECK(all.size() > 500);
    CHECK(all.size() < 1'000);
    CHECK(all.front() == "1999" + text);
    CHECK(all.back() == std::to_string(2'000 - all.size()) + text);
    CHECK(kept.troubles_with("") == 0);
    CHECK(kept.book.dropped() == 0);
  }
  CHECK(fs::file_size(place.file()) > size * 3 / 4);
}

TEST_CASE("a file that is bigger than what is permitted by now shrinks [W71]", "[journal]") {
  const folder place;
  {
    kept kept{{.file = place.file(), .max_size = 8 << 20}};
    for (int i = 0; i < 600; ++i)
      kept.book.add(said(std::string(4'000, 'x')));
  }
  REQUIRE(fs::file_size(place.file()) > 2 << 20);
  kept kept{{.file = place.file(), .max_size = 1 << 20}};
  kept.book.add(said("last"));
  CHECK(kept.all().front() == "last");
  CHECK(fs::file_size(place.file()) <= 1 << 20);
  CHECK(kept.troubles_with("") == 0);
}

TEST_CASE("long texts are cut between two characters [W71]", "[journal]") {
  const folder place;
  kept kept{{.file = place.file()}};
  auto entry = said("a");
  for (int i = 0; i < 3'000; ++i)
    entry.what += "\xc3\xa9"; // é
  kept.book.add(entry);
  CHECK(kept.book.recent(1).at(0).what == entry.what.substr(0, 4'095));
}

TEST_CASE("nobody but its owner reads the file [W70]", "[journal]") {
  const folder place;
  kept kept{{.file = place.file()}};
  kept.book.add(said("secret"));
  CHECK(kept.all() == texts{"secret"});
  CHECK((fs::status(place.file()).permissions() & fs::perms::all)
        == (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE("many threads add at once and each entry is there once [W70]", "[journal]") {
  const folder place;
  kept kept{{.file = place.file(), .max_waiting = 10'000}};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i)
        kept.book.add(said("x"));
    });
  for (auto& each : threads)
    each.join();
  const auto all = kept.book.recent(10'000);
  CHECK(all.size() == 2'000);
  CHECK(std::adjacent_find(all.begin(), all.end(),
                           [](const auto& a, const auto& b) { return a.id <= b.id; })
        == all.end());
  CHECK(entries_in(place.file()) == 2'000);
}

// -- a bad disk ------------------------------------------------------------------------

TEST_CASE("a full disk costs no caller anything and what waits is written later [W72]",
          "[journal]") {
  const folder place;
  kept kept{{.file = place.file(), .max_waiting = 100}};
  kept.book.add(said("before"));
  REQUIRE(kept.all() == texts{"before"});
  {
    const full_disk full{fs::file_size(place.file())};
    for (int i = 0; i < 60; ++i)
      kept.book.add(said(std::to_string(i) + std::string(4'000, 'x')));
    // It reads on, with what waits.
    CHECK(kept.all().size() == 61);
    CHECK(kept.troubles_with("journal " + place.file()) == 1);
    for (int i = 60; i < 150; ++i)
      kept.book.add(said(std::to_string(i) + std::string(4'000, 'x')));
    CHECK(kept.all().size() == 101);
    CHECK(kept.book.dropped() == 50);
    CHECK(kept.troubles_with("") == 1);
  }
  const auto all = kept.all();
  CHECK(all.size() == 101);
  CHECK(all.front().substr(0, 4) == "149x");
  CHECK(all.back() == "before");
  CHECK(entries_in(place.file()) == 101);
  CHECK(kept.last_trouble()
        == "journal " + place.file() + ": kept again; 50 entries have been lost");
}

TEST_CASE("a folder that takes no files is said and tried again [W72]", "[journal]") {
  const folder place;
  fs::permissions(place.path(), fs::perms::owner_read | fs::perms::owner_exec
                                    | fs::perms::others_read | fs::perms::others_exec);
  const auto root = ::geteuid() == 0;
  constexpr uid_t nobody = 65534;
  if (root)
    REQUIRE(::seteuid(nobody) == 0);
  {
    kept kept{{.file = place.file()}};
    kept.book.add(said("waits"));
    CHECK(kept.all() == texts{"waits"});
    CHECK(kept.last_trouble() == "journal " + place.file() + ": Permission denied");
    CHECK(kept.troubles_with("") == 1);
    if (root)
      REQUIRE(::seteuid(0) == 0);
    fs::permissions(place.path(), fs::perms::owner_all);
    CHECK(kept.all() == texts{"waits"});
    CHECK(entries_in(place.file()) == 1);
    CHECK(kept.last_trouble()
          == "journal " + place.file() + ": kept again; 0 entries have been lost");
  }
}

TEST_CASE("its own thread tries again after a while [W72]", "[journal]") {
  const folder place;
  const auto below = place.path() / "later";
  kept kept{{.file = below / "journal"}};
  kept.book.add(said("waits"));
  CHECK(kept.last_trouble().find("No such file or directory") != std::string::npos);
  fs::create_directory(below);
  const auto end = std::chrono::steady_clock::now() + 60s;
  while (kept.troubles_with("kept again") == 0 && std::chrono::steady_clock::now() < end)
    std::this_thread::yield();
  CHECK(entries_in(below / "journal") == 1);
}

TEST_CASE("a damaged file is set aside and a new one begun [W73]", "[journal]") {
  const folder place;
  {
    kept kept{{.file = place.file()}};
    for (int i = 0; i < 1'000; ++i)
      kept.book.add(said(std::to_string(i)));
  }
  const auto spoil = [&](std::streamoff from, std::size_t count) {
    std::fstream file{place.file(), std::ios::in | std::ios::out | std::ios::binary};
    file.seekp(from);
    file << std::string(count, '\x5a');
  };
  const auto check = [&](kept& kept) {
    CHECK(kept.all() == texts{"new"});
    CHECK(kept.troubles_with("set aside as " + place.file() + ".damaged-2") == 1);
    CHECK(kept.last_trouble().find("kept again") != std::string::npos);
    REQUIRE(place.names().size() == 2);
    CHECK(place.names()[1].rfind("journal.damaged-2", 0) == 0);
  };
  SECTION("before it is opened: its head") {
    spoil(0, 100);
    kept kept{{.file = place.file()}};
    kept.book.add(said("new"));
    check(kept);
  }
  SECTION("before it is opened: its middle") {
    spoil(3 * 4096, 8192);
    kept kept{{.file = place.file()}};
    kept.book.add(said("new"));
    check(kept);
  }
  SECTION("before it is opened: cut off") {
    fs::resize_file(place.file(), 5'000);
    kept kept{{.file = place.file()}};
    kept.book.add(said("new"));
    check(kept);
  }
  SECTION("while it is open") {
    kept kept{{.file = place.file()}};
    REQUIRE(kept.all().size() == 1'000);
    fs::resize_file(place.file(), 100);
    spoil(0, 100);
    kept.book.add(said("new"));
    check(kept);
  }
}

TEST_CASE("a file that is removed or replaced while it is open is begun anew [W73]", "[journal]") {
  const folder place;
  kept kept{{.file = place.file()}};
  kept.book.add(said("old"));
  REQUIRE(kept.all() == texts{"old"});
  SECTION("removed") {
    fs::remove(place.file());
  }
  SECTION("replaced") {
    fs::rename(place.file(), place.file("moved"));
    std::ofstream{place.file()};
  }
  kept.book.add(said("new"));
  CHECK(kept.all() == texts{"new"});
  CHECK(entries_in(place.file()) == 1);
  CHECK(kept.troubles_with("the file was removed") == 1);
}

TEST_CASE("what is not its own file is left alone [W73]", "[journal]") {
  const folder place;
  SECTION("another program's database") {
    sqlite3* other = nullptr;
    REQUIRE(sqlite3_open(place.file().c_str(), &other) == SQLITE_OK);
    REQUIRE(sqlite3_exec(other, "CREATE TABLE mine(x)", nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(other);
    kept kept{{.file = place.file()}};
    kept.book.add(said("waits"));
    CHECK(kept.all() == texts{"waits"});
    CHECK(kept.last_trouble().find("is the database of another program") != std::string::npos);
    CHECK(place.names() == texts{"journal"});
  }
  SECTION("another process's journal") {
    kept first{{.file = place.file()}};
    kept second{{.file = place.file()}};
    CHECK(second.last_trouble().find("another process keeps it") != std::string::npos);
  }
  SECTION("a folder, a device") {
    CHECK(kept{{.file = place.path()}}.last_trouble().find("Is a directory") != std::string::npos);
    CHECK(kept{{.file = "/dev/null"}}.last_trouble().find("is no regular file")
          != std::string::npos);
  }
  SECTION("a name that SQLite has a meaning for is a file's") {
    const auto before = fs::current_path();
    fs::current_path(place.path());
    {
      kept kept{{.file = ":memory:"}};
      kept.book.add(said("x"));
    }
    fs::current_path(before);
    CHECK(entries_in(place.file(":memory:")) == 1);
  }
}
