#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

/// @file How the benchmarks measure: in ratios taken within one run, because machines drift.

namespace bench {

/// What was measured.
struct figure {
  std::string id;
  double value = 0; ///< The median.
  double min = 0;
  double max = 0;
  std::string unit = {}; ///< "x" for ratios.
  std::size_t pairs = 1; ///< Measurements, of both sides where it is a ratio.
};

/// The ratio A/B: the two in alternating slices, A B A B …, one ratio a pair. One slice of each goes
/// before and isn't counted. The slices return the same unit, whichever.
figure ratio(std::string id, const std::function<double()>& a, const std::function<double()>& b,
             std::size_t pairs = 9);

/// One value, measured `times` times.
figure value(std::string id, std::string unit, const std::function<double()>& measure,
             std::size_t times = 9);

/// A line on the terminal while it runs.
void progress(const std::string& what);

/// Nanoseconds that `work` takes.
double time_of(const std::function<void()>& work);

/// A benchmark: what it measures and what it is to reach.
struct benchmark {
  std::string id;
  std::string what;
  double to_reach;
  double stretch;
  bool lower_is_better;
  std::function<figure(const std::string& id)> run; ///< Throws where it can't measure.
  bool only_when_named = false;                     ///< Needs what not every machine has.
};

std::vector<benchmark> cost_benchmarks();
std::vector<benchmark> timer_benchmarks();
std::vector<benchmark> core_benchmarks();
std::vector<benchmark> throughput_benchmarks();
std::vector<benchmark> memory_benchmarks();
std::vector<benchmark> pool_benchmarks();

/// Against others' libraries, whose programs lie in `folder`, made ready by `./dev bench peers`.
std::vector<benchmark> peer_benchmarks(const std::filesystem::path& folder);

} // namespace bench
