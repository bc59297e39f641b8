// How long files and functions are, what they may name, and that each test is built.
#include "house/source_tree.hpp"

#include <set>

using namespace house;

namespace {

// "longer than 400 lines: why" in a comment lets a file or function off, for the reason it gives.
bool gives_reason(const std::string& line, std::size_t limit) {
  const auto comment = line.find("//");
  return comment != std::string::npos
         && line.find("onger than " + std::to_string(limit), comment) != std::string::npos;
}

bool file_gives_reason(const source_file& file, std::size_t limit) {
  constexpr std::size_t header = 60;
  const auto end =
      file.lines.begin() + static_cast<std::ptrdiff_t>(std::min(header, file.lines.size()));
  return std::any_of(file.lines.begin(), end,
                     [limit](const auto& line) { return gives_reason(line, limit); });
}

void complain_of_length(std::string_view layer, std::size_t limit,
                        std::vector<std::string>& complaints) {
  for (const auto& file : files({layer}, {".hpp", ".cpp"}))
    if (file.lines.size() > limit && !file_gives_reason(file, limit))
      complaints.push_back(file.path + " has " + std::to_string(file.lines.size())
                           + " lines. Instead: split it by topic, or say in its header comment "
                           + "\"longer than " + std::to_string(limit) + " lines: why\"");
}

std::size_t indent_of(const std::string& line) {
  const auto first = line.find_first_not_of(' ');
  return first == std::string::npos ? line.size() : first;
}

// Whether the line opens something that holds functions rather than being one.
bool opens_scope(const std::string& line) {
  const auto code = line.substr(indent_of(line));
  for (std::string_view word : {"namespace", "class ", "struct ", "union ", "enum ", "extern "})
    if (code.rfind(word, 0) == 0)
      return true;
  return code.find(" = {") != std::string::npos || code.find(" = std::array{") != std::string::npos;
}

// The line that closes what line `begin` opens. The format makes it the next one of the same
// indentation that begins with a brace.
std::size_t end_of_block(const source_file& file, std::size_t begin) {
  const auto indent = indent_of(file.lines[begin]);
  for (auto i = begin + 1; i < file.lines.size(); ++i)
    if (!file.lines[i].empty() && indent_of(file.lines[i]) <= indent
        && file.lines[i].substr(indent_of(file.lines[i])).rfind('}', 0) == 0)
      return i;
  return begin;
}

// Comments that stand right above a function.
bool function_gives_reason(const source_file& file, std::size_t begin, std::size_t limit) {
  for (auto i = begin + 1; i-- > 0 && !file.lines[i].empty();)
    if (gives_reason(file.lines[i], limit))
      return true;
  return false;
}

bool is_in(const std::string& path, const std::vector<std::string>& places) {
  return std::any_of(places.begin(), places.end(),
                     [&path](const auto& place) { return path.rfind(place, 0) == 0; });
}

// Hosts that a program may name: this machine, those that exist for examples only, and the name of
// SVG, which is no address though it looks like one.
bool is_harmless_host(std::string_view after_scheme) {
  for (std::string_view host : {"127.0.0.1", "localhost", "[::1]", "example.",
                                "www.w3.org/2000/svg", "{", "%", "<", "\"", "HOST", "host"})
    if (after_scheme.rfind(host, 0) == 0)
      return true;
  // RFC 2606: nobody's.
  const auto name = after_scheme.substr(0, after_scheme.find_first_of("/:\"' )"));
  return after_scheme.empty() || name.ends_with(".example") || name.ends_with(".invalid");
}

} // namespace

TEST_CASE("a core has 400 lines at most and a shell 200 or says why it has more", "[house]") {
  std::vector<std::string> complaints;
  complain_of_length("runtime", 400, complaints);
  complain_of_length("actors", 200, complaints);
  complain_of_length("apps", 400, complaints);
  expect_none(complaints);
}

TEST_CASE("a function has 40 lines at most or says why it has more", "[house]") {
  constexpr std::size_t limit = 40;
  std::vector<std::string> complaints;
  for (const auto& file : files({"runtime", "actors", "apps"}, {".hpp", ".cpp"})) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const auto code = code_of(file.lines[i]);
      if (!code.ends_with("{") || opens_scope(code))
        continue;
      const auto end = end_of_block(file, i);
      if (end - i - 1 > limit && !function_gives_reason(file, i, limit))
        complaints.push_back(
            file.at(i) + std::to_string(end - i - 1) + " lines in one function. "
            + "Instead: name its steps, or say above it \"longer than 40 lines: why\"");
      if (end - i - 1 > limit)
        i = end;
    }
  }
  expect_none(complaints);
}

TEST_CASE("every source file under tests is built into something", "[house]") {
  // Written by CMake, of all targets that there are.
  std::set<std::string> built;
  for (const auto& line : read(BULWARK_BUILT_SOURCES).lines)
    built.insert(line);
  // A stranger's project, which a test of its own builds; what clang builds, for ./dev fuzz.
  const std::vector<std::string> elsewhere{"tests/package/", "tests/fuzz/"};
  std::vector<std::string> complaints;
  for (const auto& file : files({"tests"}, {".cpp"}))
    if (!is_in(file.path, elsewhere) && !built.contains(file.path))
      complaints.push_back(file.path + " is built by nothing. Instead: name it "
                           + "tests/LAYER/NAME.test.cpp, or delete it");
  CHECK(built.size() > 5);
  expect_none(complaints);
}

TEST_CASE("no test sleeps for a guess", "[house]") {
  std::vector<std::string> complaints;
  for (const auto& file : files({"tests"}, {".hpp", ".cpp"})) {
    if (file.path.rfind("tests/house/", 0) == 0)
      continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const auto& above = file.lines[i == 0 ? 0 : i - 1];
      for (auto word : {"this_thread::sleep", "sleep_for(", "usleep(", "nanosleep("})
        if (code_of(file.lines[i]).find(word) != std::string::npos
            && (file.lines[i] + above).find("// sleeps:") == std::string::npos)
          complaints.push_back(file.at(i) + word + ". Instead: wait on an event or own the clock "
                               + "(support/virtual_system.hpp); where the sleep is what is tested "
                               + "say so above it: // sleeps: why");
    }
  }
  expect_none(complaints);
}

TEST_CASE("nothing names one machine's folders or an archive's address", "[house]") {
  // Put together here, so that this file does not name them itself.
  const std::string slash = "/";
  const std::vector<std::string> folders{slash + "root/", slash + "work/", slash + "home/"};
  std::vector<std::string> complaints;
  const auto everything = files({"runtime", "actors", "apps", "tests", "cmake", "docs", ".ci",
                                 "dev", "CMakeLists.txt", "CMakePresets.json", "README.md",
                                 "CHANGELOG.md", "CONTRIBUTING.md", ".clang-tidy", ".clang-format"},
                                {""});
  for (const auto& file : everything) {
    const auto is_prose = file.path.ends_with(".md");
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const auto& line = file.lines[i];
      for (const auto& folder : folders)
        for (auto at = line.find(folder); at != std::string::npos; at = line.find(folder, at + 1))
          if (at == 0 || std::string_view{" \"'=(:`"}.find(line[at - 1]) != std::string_view::npos)
            complaints.push_back(file.at(i) + folder + ". Instead: derive the place from where the "
                                 + "script or the build is");
      const auto at = line.find("://");
      if (!is_prose && at != std::string::npos && line.substr(0, at).ends_with("http")
          && !is_harmless_host(line.substr(at + 3)))
        complaints.push_back(file.at(i) + line + ". Instead: derive the address from the machine's "
                             + "own configuration, or name no address");
      if (!is_prose && at != std::string::npos && line.substr(0, at).ends_with("https")
          && !is_harmless_host(line.substr(at + 3)))
        complaints.push_back(file.at(i) + line + ". Instead: derive the address from the machine's "
                             + "own configuration, or name no address");
    }
  }
  expect_none(complaints);
}
