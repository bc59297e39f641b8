// ./dev bench: the figures of docs/performance.md, all from one run.

#include "curve.hpp"
#include "measure.hpp"

#include "bulwark/caf_compat.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <optional>
#include <thread>

namespace {

using bench::benchmark;
using bench::figure;

std::vector<benchmark> all_benchmarks(const std::string& peers_folder) {
  std::vector<benchmark> result;
  // Threads before those that leave a large heap behind: a second worker's memory comes out of it.
  for (auto&& group :
       {bench::core_benchmarks(), bench::throughput_benchmarks(), bench::pool_benchmarks(),
        bench::cost_benchmarks(), bench::timer_benchmarks(), bench::memory_benchmarks(),
        bench::peer_benchmarks(peers_folder)})
    result.insert(result.end(), group.begin(), group.end());
  return result;
}

std::string environment() {
  return fmt::format("CAF {}, {} {}, {} cores", bulwark::compat::caf_version(),
#ifdef __clang__
                     "clang", __clang_major__,
#else
                     "g++", __GNUC__,
#endif
                     std::thread::hardware_concurrency());
}

bool reached(const benchmark& what, const figure& measured, double goal) {
  return what.lower_is_better ? measured.value <= goal : measured.value >= goal;
}

void print_row(const benchmark& what, const figure& measured) {
  const auto verdict = reached(what, measured, what.stretch)    ? "stretch reached"
                       : reached(what, measured, what.to_reach) ? "reached"
                                                                : "FALLS SHORT";
  fmt::print("{:<22} {:>10.4g} {:<11} {:>9.3g} - {:<9.3g} {:>5}   {} {:<8.4g} {}\n", measured.id,
             measured.value, measured.unit, measured.min, measured.max, measured.pairs,
             what.lower_is_better ? "<=" : ">=", what.to_reach, verdict);
}

void write_json(const std::string& file, const std::vector<figure>& figures) {
  auto result =
      nlohmann::json{{"environment", environment()}, {"figures", nlohmann::json::array()}};
  for (const auto& each : figures)
    result["figures"].push_back({{"id", each.id},
                                 {"value", each.value},
                                 {"min", each.min},
                                 {"max", each.max},
                                 {"unit", each.unit},
                                 {"pairs", each.pairs}});
  std::ofstream{file} << result.dump(2) << '\n';
}

// Benchmarks that aren't there: says so.
bool all_known(const std::vector<std::string>& wanted, const std::vector<benchmark>& all) {
  for (const auto& id : wanted) {
    if (std::none_of(all.begin(), all.end(),
                     [&](const benchmark& each) { return each.id == id; })) {
      fmt::print(stderr, "bench: no benchmark '{}'; --list says what there is\n", id);
      return false;
    }
  }
  return true;
}

bool is_wanted(const benchmark& what, const std::vector<std::string>& wanted) {
  if (wanted.empty())
    return !what.only_when_named;
  return std::find(wanted.begin(), wanted.end(), what.id) != wanted.end();
}

void print_table(const std::vector<const benchmark*>& ran, const std::vector<figure>& figures) {
  fmt::print("{}\n\n{:<22} {:>10} {:<11} {:>9} - {:<9} {:>5}   {}\n", environment(), "id", "median",
             "unit", "min", "max", "pairs", "to reach");
  for (std::size_t i = 0; i < figures.size(); ++i)
    print_row(*ran[i], figures[i]);
}

// Whether all could be measured. Those that could are told of in any case.
bool run(const std::vector<std::string>& wanted, const std::vector<benchmark>& all,
         const std::string& json) {
  auto complete = true;
  std::vector<figure> figures;
  std::vector<const benchmark*> ran;
  for (const auto& each : all) {
    if (!is_wanted(each, wanted))
      continue;
    try {
      figures.push_back(each.run(each.id));
      ran.push_back(&each);
    } catch (const std::exception& why) {
      fmt::print(stderr, "bench: {}: {}\n", each.id, why.what());
      complete = false;
    }
  }
  if (!figures.empty())
    print_table(ran, figures);
  if (!json.empty())
    write_json(json, figures);
  return complete;
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app{"bulwark's benchmarks: ratios within one run, because machines drift"};
  std::vector<std::string> wanted;
  std::string json;
  std::string svg;
  std::string peers_folder = "build/peers";
  auto list = false;
  app.add_option("ID", wanted, "only these");
  app.add_option("--json", json, "also write the figures into this file");
  app.add_option("--svg", svg, "also draw cost against calls in flight into this file");
  app.add_option("--peers-dir", peers_folder, "where ./dev bench peers has put the peers");
  app.add_flag("--list", list, "say what there is");
  CLI11_PARSE(app, argc, argv);

  const auto all = all_benchmarks(peers_folder);
  if (list) {
    for (const auto& each : all)
      fmt::print("{:<22} {}{}\n", each.id, each.what,
                 each.only_when_named ? " (only when named)" : "");
    return EXIT_SUCCESS;
  }
  if (!all_known(wanted, all))
    return 2;
  const auto complete = run(wanted, all, json);
  if (!svg.empty())
    bench::draw_curve(svg);
  return complete ? EXIT_SUCCESS : EXIT_FAILURE;
}
