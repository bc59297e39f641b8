#include "bulwarkctl/table.hpp"

#include "bulwarkctl/text.hpp"

#include <algorithm>

namespace bulwarkctl {

namespace {

// Numbers and durations, but no addresses and no times, which begin as a number does.
bool holds_numbers(const std::vector<std::vector<std::string>>& rows, std::size_t column) {
  auto found = false;
  for (const auto& row : rows) {
    const auto& text = row[column];
    if (text == "-")
      continue;
    if (text.empty() || text[0] < '0' || text[0] > '9' || text.find_first_of(":-") != text.npos)
      return false;
    found = true;
  }
  return found;
}

} // namespace

std::string table::text() const {
  const auto columns = titles_.size();
  std::vector<std::size_t> widths;
  std::vector<bool> numbers;
  for (std::size_t i = 0; i < columns; ++i) {
    auto width = width_of(titles_[i]);
    for (const auto& row : rows_)
      width = std::max(width, width_of(row[i]));
    widths.push_back(width);
    // The first names what a row is about, be it with digits.
    numbers.push_back(i > 0 && holds_numbers(rows_, i));
  }
  std::string result;
  const auto add = [&](const std::vector<std::string>& row) {
    std::string line;
    for (std::size_t i = 0; i < columns; ++i)
      line += (i == 0 ? "" : "  ") + fit(row[i], widths[i], numbers[i]);
    result += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  };
  add(titles_);
  for (const auto& row : rows_)
    add(row);
  return result;
}

} // namespace bulwarkctl
