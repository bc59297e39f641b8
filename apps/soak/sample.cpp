#include "soak/sample.hpp"

#include "bulwark/time.hpp"

#include <fmt/format.h>

#include <malloc.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>

namespace soak {

namespace {

template <class F>
double median(std::span<const sample> of, F value) {
  std::vector<double> values;
  std::transform(of.begin(), of.end(), std::back_inserter(values),
                 [&](const sample& each) { return static_cast<double>(value(each)); });
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return values.empty() ? 0 : *middle;
}

double milliseconds(bulwark::timespan span) {
  return std::chrono::duration<double, std::milli>{span}.count();
}

} // namespace

resources resources_now() {
  ::malloc_trim(0);
  resources result{.memory = 0, .heap = ::mallinfo2().uordblks / 1024};
  std::ifstream status{"/proc/self/status"};
  for (std::string word; status >> word;) {
    if (word == "VmRSS:")
      status >> result.memory;
    else if (word == "Threads:")
      status >> result.threads;
  }
  using files = std::filesystem::directory_iterator;
  result.descriptors = static_cast<std::size_t>(std::distance(files{"/proc/self/fd"}, files{}));
  return result;
}

std::vector<finding> judge(const std::vector<sample>& run) {
  const auto warm = std::span{run}.subspan(run.size() / 6);
  const auto quarter = warm.size() / 4;
  const auto first = warm.first(quarter);
  const auto last = warm.last(quarter);
  const auto memory = [](const sample& x) { return x.used.memory; };
  const auto heap = [](const sample& x) { return x.used.heap; };
  const auto descriptors = [](const sample& x) { return x.used.descriptors; };
  const auto p99 = [](const sample& x) { return milliseconds(x.p99); };
  const auto growth = (median(last, memory) / median(first, memory) - 1) * 100;
  return {
      {growth <= 1, fmt::format("memory: {:.0f} KiB, then {:.0f} KiB: {:+.2f} %, permitted +1 %; "
                                "heap in use {:.0f} KiB, then {:.0f} KiB",
                                median(first, memory), median(last, memory), growth,
                                median(first, heap), median(last, heap))},
      {median(last, descriptors) <= median(first, descriptors),
       fmt::format("descriptors: {}, then {}", median(first, descriptors),
                   median(last, descriptors))},
      {median(last, p99) <= 2 * median(first, p99),
       fmt::format("p99: {:.3f} ms, then {:.3f} ms, permitted twice the first", median(first, p99),
                   median(last, p99))},
  };
}

} // namespace soak
