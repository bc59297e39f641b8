// docs/spec.md numbers what bulwark promises; a test names the promises that it shows. Here the two
// are held against each other.
#include "house/source_tree.hpp"

#include <map>
#include <optional>
#include <set>

using namespace house;

namespace {

struct test_name {
  std::string where;
  std::string name;
};

// A letter, then digits: C10.
bool is_promise(std::string_view text) {
  return text.size() >= 2 && text[0] >= 'A' && text[0] <= 'Z'
         && text.find_first_not_of("0123456789", 1) == std::string_view::npos;
}

// Everything in square brackets; of [C1 C2] each word.
std::vector<std::string> bracketed(std::string_view text) {
  std::vector<std::string> result;
  for (auto open = text.find('['); open != std::string_view::npos;
       open = text.find('[', open + 1)) {
    const auto close = text.find(']', open);
    if (close == std::string_view::npos)
      break;
    auto inside = std::string{text.substr(open + 1, close - open - 1)};
    for (std::size_t begin = 0; begin <= inside.size();) {
      const auto end = std::min(inside.find(' ', begin), inside.size());
      result.push_back(inside.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return result;
}

std::string text_of(const source_file& file) {
  std::string result;
  for (const auto& line : file.lines)
    result += line + "\n";
  return result;
}

// The string literals that begin at `begin`, joined as the compiler joins them.
std::optional<std::string> literal_at(const std::string& text, std::size_t begin) {
  std::optional<std::string> result;
  for (auto at = text.find_first_not_of(" \n", begin); at != std::string::npos && text[at] == '"';
       at = text.find_first_not_of(" \n", at)) {
    if (!result)
      result.emplace();
    for (++at; at < text.size() && text[at] != '"'; ++at) {
      *result += text[at];
      if (text[at] == '\\')
        *result += text[++at];
    }
    ++at;
  }
  return result;
}

// The cases of Catch2 in a file.
std::vector<test_name> cases_in(const source_file& file) {
  std::vector<test_name> result;
  const auto text = text_of(file);
  for (std::string_view macro : {"TEST_CASE(", "SCENARIO("}) {
    for (auto at = text.find(macro); at != std::string::npos; at = text.find(macro, at + 1)) {
      if (at > 0 && text[at - 1] == '"')
        continue; // its name only, as here above
      const auto line = static_cast<std::size_t>(
          std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
      if (auto name = literal_at(text, at + macro.size()))
        result.push_back({file.at(line), *name});
    }
  }
  return result;
}

std::vector<test_name> all_cases() {
  std::vector<test_name> result;
  for (const auto& file : files({"tests", "apps"}, {".test.cpp"}))
    for (auto& each : cases_in(file))
      result.push_back(std::move(each));
  return result;
}

// Tests that are no programs of Catch2 are named, or commented, where ctest is told of them.
std::vector<test_name> lines_for_ctest() {
  std::vector<test_name> result;
  for (const auto& file : files({"tests", "apps"}, {"CMakeLists.txt"}))
    for (std::size_t i = 0; i < file.lines.size(); ++i)
      result.push_back({file.at(i), file.lines[i]});
  return result;
}

struct promise {
  std::string number;
  std::string text;
};

std::vector<promise> promises() {
  std::vector<promise> result;
  for (const auto& file : files({"docs/spec.md"}, {}))
    for (const auto& line : file.lines)
      if (line.rfind("- [", 0) == 0)
        if (const auto close = line.find(']'); is_promise(line.substr(3, close - 3)))
          result.push_back({line.substr(3, close - 3), line.substr(close + 1)});
  return result;
}

bool is_withdrawn(const promise& each) {
  return each.text.rfind(" Withdrawn", 0) == 0 || each.text.rfind(" withdrawn", 0) == 0;
}

} // namespace

TEST_CASE("every promise of the specification has a test that names it", "[house]") {
  std::set<std::string> shown;
  auto tests = all_cases();
  for (auto& line : lines_for_ctest())
    tests.push_back(std::move(line));
  for (const auto& test : tests)
    for (auto& number : bracketed(test.name))
      shown.insert(std::move(number));
  std::vector<std::string> complaints;
  for (const auto& each : promises())
    if (!is_withdrawn(each) && !shown.contains(each.number))
      complaints.push_back("docs/spec.md: no test shows [" + each.number + "]" + each.text
                           + " Instead: write one with [" + each.number + "] in its name");
  CHECK(promises().size() > 50);
  expect_none(complaints);
}

TEST_CASE("no test names a promise that the specification does not make", "[house]") {
  std::set<std::string> made;
  std::vector<std::string> complaints;
  for (const auto& each : promises()) {
    if (!made.insert(each.number).second)
      complaints.push_back("docs/spec.md: [" + each.number + "] is there twice. Instead: take the "
                           + "next free number");
    if (is_withdrawn(each))
      made.erase(each.number);
  }
  for (const auto& test : all_cases())
    for (const auto& number : bracketed(test.name))
      if (!made.contains(number))
        complaints.push_back(test.where + "[" + number
                             + "] is no promise of docs/spec.md. Instead: "
                             + "correct the number, or write the promise down");
  for (const auto& line : lines_for_ctest())
    for (const auto& number : bracketed(line.name))
      if (is_promise(number) && !made.contains(number))
        complaints.push_back(line.where + "[" + number
                             + "] is no promise of docs/spec.md. Instead: "
                             + "correct the number, or write the promise down");
  expect_none(complaints);
}

TEST_CASE("the names of tests can be told to ctest and no two of a program are alike", "[house]") {
  std::vector<std::string> complaints;
  std::map<std::string, std::string> places;
  for (const auto& test : all_cases()) {
    if (test.name.find_first_of(";\"\\") != std::string::npos)
      complaints.push_back(test.where + test.name
                           + ". Instead: no semicolon, quote or backslash in a name");
    const auto file = test.where.substr(0, test.where.find(':'));
    const auto [place, is_new] = places.emplace(file + test.name, test.where);
    if (!is_new)
      complaints.push_back(test.where + test.name + " is also at " + place->second
                           + " Instead: say what is different");
  }
  expect_none(complaints);
}
