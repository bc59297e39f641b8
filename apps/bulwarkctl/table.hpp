#pragma once

#include <string>
#include <vector>

namespace bulwarkctl {

/// Rows of safe texts in columns that are as wide as they need. Numbers stand to the right.
class table {
public:
  explicit table(std::vector<std::string> titles) : titles_(std::move(titles)) {}

  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

  /// With a line of titles; each line ends with '\n' and without spaces.
  [[nodiscard]] std::string text() const;

private:
  std::vector<std::string> titles_;
  std::vector<std::vector<std::string>> rows_;
};

} // namespace bulwarkctl
