#pragma once

#include "bulwarkctl/poller.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace bulwarkctl {

/// A guard as a row of the live table.
struct top_row {
  std::string name;
  std::string state;
  double calls = 0; ///< These five a second, since the look before.
  double succeeded = 0;
  double failed = 0;
  double rejected = 0;
  double timed_out = 0;
  double p50 = 0; ///< seconds, since the daemon's start
  double p99 = 0;
  double in_flight = 0;
  std::string permits;
  std::string queue;
  bool has_rates = false; ///< False: there was no look before, or the daemon was started anew.

  [[nodiscard]] double failures() const { return failed + timed_out; }
};

/// The live table: what is shown of the looks at a daemon. It knows no terminal and no clock.
class top_view {
public:
  /// `sort`: name, state, calls, failures, rejections, p99 or in-flight.
  top_view(std::string url, std::string sort, bool with_colours)
      : url_(std::move(url)), sort_(std::move(sort)), with_colours_(with_colours) {}

  void take(look seen);

  /// False: the key ends it.
  bool press(std::string_view key);

  /// At most so many lines and columns.
  [[nodiscard]] std::string frame(std::size_t columns, std::size_t rows);

private:
  std::string url_;
  std::string sort_;
  bool with_colours_;
  look last_;
  std::string trouble_;
  std::vector<top_row> rows_;
  std::size_t first_ = 0; // of the rows that are shown
  std::size_t shown_ = 1;

  void sort();
  [[nodiscard]] std::string head() const;
  [[nodiscard]] std::string line_of(const top_row& row, std::size_t columns) const;
};

} // namespace bulwarkctl
