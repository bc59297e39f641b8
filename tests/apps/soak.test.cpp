#include "apps/program.hpp"
#include "support/catch.hpp"

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

TEST_CASE("the soak refuses what it can't do and names it", "[soak]") {
  const auto end = run(SOAK, "--minutes 0");
  CHECK(end.code != 0);
  CHECK(end.says("--minutes"));
}
