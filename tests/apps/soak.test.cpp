#include "apps/program.hpp"
#include "support/catch.hpp"

#include <set>
#include <sstream>
#include <string>

using namespace bulwark_tests;

// A short share of what `./dev soak` does for half an hour. Memory and latency are judged there:
// seconds beside other tests say nothing of them.
TEST_CASE("ten seconds of mixed load with faults leave balanced books, one answer to each call and "
          "no descriptor [X1] [K1] [G3]",
          "[soak]") {
  const auto end = run(SOAK, "--minutes 0.17 --interval 2 --kill-every 3");
  INFO(end.output);
  CHECK(end.code == 0);
  CHECK(end.says("0 without an answer, 0 answers too many"));
  CHECK(end.says(", 0 imbalances"));
  CHECK_FALSE(end.says("BROKEN"));
}

// A sanitizer wants to be loaded before all else.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("a wall clock that jumps by hours and days under load changes nothing [X5] [K1] [G3]",
          "[soak]") {
  const std::string jumping = "LD_PRELOAD=" JUMPING_CLOCK " ";
  // It does jump.
  const std::string look =
      "/bin/sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do date +%d.%H; sleep 0.03; done'";
  const auto seen = run(jumping + look, "").output;
  std::set<std::string> hours;
  std::istringstream lines{seen};
  for (std::string line; std::getline(lines, line);)
    hours.insert(line);
  CHECK(hours.size() >= 3);

  const auto end = run(jumping + SOAK, "--minutes 0.1 --interval 2 --kill-every 3");
  INFO(end.output);
  CHECK(end.code == 0);
  CHECK_FALSE(end.says("waits by the wall clock"));
  CHECK_FALSE(end.says("BROKEN"));
}

#endif

TEST_CASE("the soak refuses what it can't do and names it", "[soak]") {
  const auto end = run(SOAK, "--minutes 0");
  CHECK(end.code != 0);
  CHECK(end.says("--minutes"));
}
