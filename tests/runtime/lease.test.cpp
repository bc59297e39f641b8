// The words of what nodes share: as configuration files, messages and error texts have them. How long
// a lease lasts is in tests/models/lease_model.test.cpp.
#include "bulwark/lease.hpp"

#include "support/catch.hpp"

#include <string>

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

/// Each name stands for its value, and no other for any.
template <class T>
void check_names(T last) {
  auto value = T{};
  for (std::uint8_t i = 0; i <= static_cast<std::uint8_t>(last); ++i) {
    REQUIRE(from_integer(i, value));
    CHECK(static_cast<std::uint8_t>(value) == i);
    auto again = T{};
    CHECK(from_string(to_string(value), again));
    CHECK(again == value);
  }
  CHECK_FALSE(from_integer(static_cast<std::uint8_t>(last) + 1, value));
  CHECK_FALSE(from_string("Own", value));
  CHECK_FALSE(from_string("", value));
  CHECK(value == last); // untouched
}

} // namespace

TEST_CASE("what a node does without its owner has names and no others are taken [D14]", "[lease]") {
  CHECK(to_string(owner_lost::local) == "local");
  CHECK(to_string(owner_lost::fail_open) == "fail_open");
  CHECK(to_string(owner_lost::fail_closed) == "fail_closed");
  CHECK(to_string(static_cast<owner_lost>(9)) == "owner_lost(9)");
  check_names(owner_lost::fail_closed);
}

TEST_CASE("for whom a node's failures count has names and no others are taken [D16]", "[lease]") {
  CHECK(to_string(trip_scope::own) == "own");
  CHECK(to_string(trip_scope::quorum) == "quorum");
  CHECK(to_string(trip_scope::any) == "any");
  CHECK(to_string(static_cast<trip_scope>(9)) == "trip_scope(9)");
  check_names(trip_scope::any);
}

TEST_CASE("a lease time out of range is named with its value and the range [G13]", "[lease]") {
  CHECK(find_mistakes(sharing_policy{.lease_time = 10ms}).empty());
  CHECK(find_mistakes(sharing_policy{.lease_time = 1h}).empty());
  for (auto wrong : {timespan{0}, timespan{10ms} - 1ns, timespan{1h} + 1ns}) {
    const auto text = to_string(find_mistakes(sharing_policy{.lease_time = wrong}));
    CAPTURE(text);
    CHECK(text.find("sharing.lease_time") != std::string::npos);
    CHECK(text.find(to_text(wrong)) != std::string::npos);
    CHECK(text.find("10ms") != std::string::npos);
    CHECK(text.find("1h") != std::string::npos);
  }
}
