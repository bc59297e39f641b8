#pragma once

#include "support/catch.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

// The project's own files as text, for the rules that no compiler enforces.

namespace house {

struct source_file {
  std::string path; ///< From the project's folder, with '/'.
  std::vector<std::string> lines;

  [[nodiscard]] std::string at(std::size_t index) const {
    return path + ":" + std::to_string(index + 1) + ": ";
  }
};

inline bool ends_with_any(std::string_view text, std::initializer_list<std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(),
                     [text](std::string_view ending) { return text.ends_with(ending); });
}

inline source_file read(const std::filesystem::path& file) {
  const std::filesystem::path root{BULWARK_SOURCE_DIR};
  source_file result{std::filesystem::relative(file, root).generic_string(), {}};
  std::ifstream input{file};
  for (std::string line; std::getline(input, line);)
    result.lines.push_back(line);
  return result;
}

/// All files below the folders (or the files themselves) whose name ends so, in order.
inline std::vector<source_file> files(std::initializer_list<std::string_view> places,
                                      std::initializer_list<std::string_view> endings) {
  const std::filesystem::path root{BULWARK_SOURCE_DIR};
  std::vector<std::filesystem::path> found;
  for (auto place : places) {
    if (std::filesystem::is_regular_file(root / place))
      found.push_back(root / place);
    if (!std::filesystem::is_directory(root / place))
      continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator{root / place})
      if (entry.is_regular_file() && ends_with_any(entry.path().generic_string(), endings))
        found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  std::vector<source_file> result;
  std::transform(found.begin(), found.end(), std::back_inserter(result), read);
  return result;
}

/// The line without its comment: a rule about code is not broken by talking of it.
inline std::string code_of(const std::string& line) {
  auto quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\' && quoted)
      ++i;
    else if (line[i] == '"')
      quoted = !quoted;
    else if (!quoted && line.compare(i, 2, "//") == 0)
      return line.substr(0, i);
  }
  return line;
}

/// The file that a line includes, without its brackets or quotes; empty where it includes none.
inline std::string included(const std::string& line) {
  constexpr std::string_view directive = "#include ";
  if (line.rfind(directive, 0) != 0 || line.size() < directive.size() + 2)
    return {};
  const auto begin = directive.size() + 1;
  const auto end = line.find_first_of("\">", begin);
  return end == std::string::npos ? std::string{} : line.substr(begin, end - begin);
}

/// Ends a rule's test: each complaint is a failure of its own, all of them are shown.
inline void expect_none(const std::vector<std::string>& complaints) {
  for (const auto& complaint : complaints)
    FAIL_CHECK(complaint);
  SUCCEED("no complaint");
}

} // namespace house
