#include "measure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace bench {

namespace {

figure summary(std::string id, std::string unit, std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {std::move(id), values[values.size() / 2], values.front(),
          values.back(), std::move(unit),           values.size()};
}

} // namespace

figure ratio(std::string id, const std::function<double()>& a, const std::function<double()>& b,
             std::size_t pairs) {
  std::vector<double> ratios;
  a();
  b();
  for (std::size_t i = 0; i < pairs; ++i) {
    const auto of_a = a();
    const auto of_b = b();
    ratios.push_back(of_a / of_b);
    progress(fmt::format("{}: pair {} of {}: {:.4g} against {:.4g}", id, i + 1, pairs, of_a, of_b));
  }
  return summary(std::move(id), "x", std::move(ratios));
}

figure value(std::string id, std::string unit, const std::function<double()>& measure,
             std::size_t times) {
  std::vector<double> values;
  for (std::size_t i = 0; i < times; ++i) {
    progress(id + ": " + std::to_string(i + 1) + " of " + std::to_string(times));
    values.push_back(measure());
  }
  return summary(std::move(id), std::move(unit), std::move(values));
}

void progress(const std::string& what) {
  std::fprintf(stderr, "bench: %s\n", what.c_str());
}

double time_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count();
}

} // namespace bench
