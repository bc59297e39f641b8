// ./dev itself, with a cmake that does as the test wants.
#include "apps/program.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

using namespace bulwark_tests;
namespace fs = std::filesystem;

namespace {

constexpr auto cmake = R"script(#!/bin/bash
[ "$1" = --preset ] || exit 0
echo "BULWARK_NO_DASHBOARD:INTERNAL=$(<why)" >build/dev/CMakeCache.txt
: >build/dev/build.ninja
echo once more >>configured
[ ! -e fails ]
)script";

// A project that has nothing but what ./dev looks for, and no programs but those that it needs.
struct small_project : temporary_folder {
  small_project() {
    fs::copy_file(BULWARK_SOURCE_DIR "/dev", file("dev"));
    for (const auto* each : {"cmake", "runtime", "actors", "apps", "tests", "docs", "bin"})
      fs::create_directory(file(each));
    for (const auto* each : {"CMakeLists.txt", "CMakePresets.json", "configured"})
      write(each, "");
    for (const auto* each :
         {"bash", "cat", "dirname", "find", "mkdir", "nproc", "rm", "sed", "sort"})
      fs::create_symlink(fs::path{"/usr/bin"} / each, file("bin/" + std::string{each}));
    for (const auto* each : {"bin/cmake", "bin/node", "bin/npm"})
      fs::permissions(file(each, cmake), fs::perms::owner_all);
  }

  void write(const std::string& name, const std::string& content) const {
    std::ofstream{file(name)} << content;
  }

  [[nodiscard]] std::string built() const {
    return run("PATH=" + file("bin"), "CI= /bin/bash " + file("dev") + " build").output;
  }

  [[nodiscard]] int times_configured() const {
    std::ifstream lines{file("configured")};
    return static_cast<int>(std::count(std::istreambuf_iterator<char>{lines}, {}, '\n'));
  }
};

constexpr auto complaint = "dev: bulwarkd is built without its dashboard: there is no npm\n";

} // namespace

TEST_CASE("dev says each time that there is no dashboard until there is one [W52]", "[house]") {
  const small_project project;
  project.write("why", "there is no npm");
  for (auto times = 1; times <= 2; ++times) {
    const auto output = project.built();
    INFO(output);
    CHECK(output.find(complaint) != output.npos);
    CHECK(project.times_configured() == times);
  }
  project.write("why", "");
  for (auto times = 0; times < 2; ++times) {
    CHECK(project.built().find("dashboard") == std::string::npos);
    CHECK(project.times_configured() == 3);
  }
}

TEST_CASE("dev configures again what failed [W52]", "[house]") {
  const small_project project;
  project.write("why", "");
  static_cast<void>(project.built());
  project.write("apps/new.cpp", "");
  project.write("fails", "");
  static_cast<void>(project.built());
  fs::remove(project.file("apps/new.cpp"));
  fs::remove(project.file("fails"));
  static_cast<void>(project.built());
  CHECK(project.times_configured() == 3);
}
