// What may know what: arrows point from apps to actors to runtime, and matters that have one home
// stay there.
#include "house/source_tree.hpp"

#include <utility>

using namespace house;

namespace {

using word_and_advice = std::pair<std::string_view, std::string_view>;

constexpr std::string_view time_advice = "take the time as a parameter (bulwark::instant)";
constexpr std::string_view shell_advice = "a core decides only; do this in its shell in actors/";

// No core needs any of these; linking alone would not show it where CAF lies in the system's
// folders.
constexpr word_and_advice foreign_to_cores[] = {
    {"<caf/", shell_advice},
    {"caf::", shell_advice},
    {"<thread>", shell_advice},
    {"<mutex>", shell_advice},
    {"<shared_mutex>", shell_advice},
    {"<condition_variable>", shell_advice},
    {"<future>", shell_advice},
    {"<semaphore>", shell_advice},
    {"<latch>", shell_advice},
    {"<barrier>", shell_advice},
    {"<stop_token>", shell_advice},
    {"pthread", shell_advice},
    {"this_thread", shell_advice},
    {"<iostream>", shell_advice},
    {"<fstream>", shell_advice},
    {"steady_clock", time_advice},
    {"system_clock", time_advice},
    {"high_resolution_clock", time_advice},
    {"::now(", time_advice},
    {"clock_gettime", time_advice},
    {"gettimeofday", time_advice},
    {"std::time(", time_advice},
    {"random_device", "take randomness as a parameter (bulwark::random_stream)"},
    {"std::rand", "take randomness as a parameter (bulwark::random_stream)"},
};

std::vector<std::string> headers_of(std::string_view layer) {
  std::vector<std::string> result;
  for (const auto& file : files({layer}, {".hpp"}))
    result.push_back(file.path.substr(layer.size() + 1));
  return result;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// A word that only the named files may use.
void expect_one_home(std::string_view word, std::initializer_list<std::string_view> homes,
                     std::initializer_list<std::string_view> places, std::string_view advice) {
  std::vector<std::string> complaints;
  for (const auto& file : files(places, {".hpp", ".cpp"})) {
    if (std::find(homes.begin(), homes.end(), file.path) != homes.end())
      continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i)
      if (code_of(file.lines[i]).find(word) != std::string::npos)
        complaints.push_back(file.at(i) + std::string{word} + ". Instead: " + std::string{advice});
  }
  expect_none(complaints);
}

} // namespace

TEST_CASE("the cores know no CAF and no thread and no clock and no chance [N2]", "[house]") {
  std::vector<std::string> complaints;
  for (const auto& file : files({"runtime"}, {".hpp", ".cpp"})) {
    for (std::size_t i = 0; i < file.lines.size(); ++i)
      for (const auto& [word, advice] : foreign_to_cores)
        if (code_of(file.lines[i]).find(word) != std::string::npos)
          complaints.push_back(file.at(i) + std::string{word}
                               + " in a core. Instead: " + std::string{advice});
  }
  expect_none(complaints);
}

TEST_CASE("arrows point from apps to actors to runtime and never back", "[house]") {
  const auto of_runtime = headers_of("runtime");
  const auto of_actors = headers_of("actors");
  std::vector<std::string> complaints;
  for (const auto& file : files({"runtime", "actors"}, {".hpp", ".cpp"})) {
    const auto in_runtime = file.path.rfind("runtime/", 0) == 0;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const auto name = included(file.lines[i]);
      if (name.find("apps/") != std::string::npos || name.find("tests/") != std::string::npos
          || name.find("..") != std::string::npos || name.rfind("support/", 0) == 0)
        complaints.push_back(file.at(i) + name + ". Instead: move what is needed down a layer");
      if (name.rfind("bulwark/", 0) != 0)
        continue;
      if (!contains(of_runtime, name) && (in_runtime || !contains(of_actors, name)))
        complaints.push_back(file.at(i) + name + " is not a header of this layer or one below. "
                             + "Instead: move what is needed down a layer");
    }
  }
  for (const auto& name : of_runtime)
    if (contains(of_actors, name))
      complaints.push_back(name + " is in both layers. Instead: name the upper one _actor");
  expect_none(complaints);
}

TEST_CASE("a source file includes its own header first so that it stands alone", "[house]") {
  std::vector<std::string> complaints;
  for (const auto& file : files({"runtime", "actors"}, {".cpp"})) {
    const auto layer = file.path.substr(0, file.path.find('/') + 1);
    const auto own = file.path.substr(layer.size(), file.path.size() - layer.size() - 4) + ".hpp";
    if (!std::filesystem::exists(std::string{BULWARK_SOURCE_DIR} + "/" + layer + own))
      continue;
    const auto first = std::find_if(file.lines.begin(), file.lines.end(),
                                    [](const auto& line) { return !included(line).empty(); });
    if (first == file.lines.end() || included(*first) != own)
      complaints.push_back(file.path + " does not begin with #include \"" + own
                           + "\". Instead: put it first, or nothing shows that it compiles alone");
  }
  expect_none(complaints);
}

TEST_CASE("all.hpp gives every header and each of them compiles alone [N1]", "[house]") {
  // That they compile is shown by this program's having been built: see tests/house/CMakeLists.txt.
  std::vector<std::string> complaints;
  // The shells are the house's own: a node spawns them, an application has their handles.
  std::vector<std::string> reached{"bulwark/all.hpp",
                                   // Used by source files alone, and by nothing that users see.
                                   "bulwark/envelope.hpp", "bulwark/sync_ask.hpp",
                                   "bulwark/sync_circuit_envoy.hpp", "bulwark/sync_courier.hpp",
                                   "bulwark/sync_own_workers.hpp"};
  for (const auto& header : headers_of("actors"))
    if (header.ends_with("_actor.hpp"))
      reached.push_back(header);
  for (std::size_t next = 0; next < reached.size(); ++next)
    for (auto layer : {"/runtime/", "/actors/"})
      for (const auto& line : read(std::string{BULWARK_SOURCE_DIR} + layer + reached[next]).lines)
        if (const auto name = included(line); !name.empty() && !contains(reached, name))
          reached.push_back(name);
  for (auto layer : {"runtime", "actors"})
    for (const auto& header : headers_of(layer))
      if (!contains(reached, header))
        complaints.push_back(std::string{layer} + "/" + header
                             + " is not reached from bulwark/all.hpp. Instead: include it there");
  for (const auto& file : files({"runtime", "actors"}, {".hpp"}))
    if (std::none_of(file.lines.begin(), file.lines.end(),
                     [](const auto& line) { return line == "#pragma once"; }))
      complaints.push_back(file.path + " has no guard. Instead: begin it with #pragma once");
  expect_none(complaints);
}

TEST_CASE("CAF's versions are told apart in caf_compat alone", "[house]") {
  for (auto word : {"CAF_MAJOR_VERSION", "CAF_MINOR_VERSION", "CAF_PATCH_VERSION", "CAF_VERSION"})
    expect_one_home(word,
                    {"actors/bulwark/caf_compat.hpp", "actors/bulwark/caf_compat.cpp",
                     "tests/support/virtual_system.hpp", "tests/house/layers.test.cpp"},
                    {"runtime", "actors", "apps", "tests"},
                    "give it a name in bulwark::compat, in actors/bulwark/caf_compat.hpp");
}

TEST_CASE("the type ids of bulwark are given in one header [N4]", "[house]") {
  for (auto word : {"CAF_BEGIN_TYPE_ID_BLOCK", "CAF_ADD_TYPE_ID", "CAF_ADD_ATOM"})
    expect_one_home(word, {"actors/bulwark/protocol.hpp"}, {"runtime", "actors"},
                    "add the type in actors/bulwark/protocol.hpp");
}
