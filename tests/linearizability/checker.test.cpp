#include "linearizability/checker.hpp"
#include "support/catch.hpp"

#include "bulwark/random.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <numeric>
#include <optional>

/// @file The checker of concurrent histories: what it must find, and what it must not.

using namespace bulwark;
using namespace bulwark_tests;

namespace {

// -- a register, and a queue as in Herlihy & Wing ---------------------------------------

struct cell_use {
  std::optional<int> write; // else a read
  int read = 0;
};

struct cell {
  int value = 0;

  [[nodiscard]] std::vector<cell> after(const operation<cell_use>& next) const {
    if (next.what.write)
      return {{*next.what.write}};
    return next.what.read == value ? std::vector<cell>{*this} : std::vector<cell>{};
  }
  [[nodiscard]] bool complete() const { return true; }
  static bool only_reads(const cell_use&) { return false; }
  friend auto operator<=>(const cell&, const cell&) = default;
};

operation<cell_use> wrote(int value, moment from, moment to) {
  return {.what = {.write = value}, .invoked = from, .returned = to};
}
operation<cell_use> saw(int value, moment from, moment to) {
  return {.what = {.write = {}, .read = value}, .invoked = from, .returned = to};
}

bool holds(const history<cell_use>& clients) {
  const auto result = check_linearizable(clients, cell{});
  REQUIRE_FALSE(result.gave_up);
  return result.linearizable;
}

struct line_use {
  std::optional<int> put; // else a get
  int got = 0;
};

struct line {
  std::deque<int> waiting;

  [[nodiscard]] std::vector<line> after(const operation<line_use>& next) const {
    auto result = *this;
    if (next.what.put) {
      result.waiting.push_back(*next.what.put);
      return {result};
    }
    if (waiting.empty() || waiting.front() != next.what.got)
      return {};
    result.waiting.pop_front();
    return {result};
  }
  [[nodiscard]] bool complete() const { return true; }
  static bool only_reads(const line_use&) { return false; }
  friend auto operator<=>(const line&, const line&) = default;
};

operation<line_use> put(int value, moment from, moment to) {
  return {.what = {.put = value}, .invoked = from, .returned = to};
}
operation<line_use> get(int value, moment from, moment to) {
  return {.what = {.put = {}, .got = value}, .invoked = from, .returned = to};
}

// -- the same by trying every order -------------------------------------------------------

struct placed {
  std::size_t client;
  std::size_t number;
};

// Whether some order that keeps each client's own and every span explains it. A plain enumeration.
bool explained(const history<cell_use>& clients) {
  std::vector<placed> all;
  for (std::size_t i = 0; i < clients.size(); ++i)
    for (std::size_t j = 0; j < clients[i].size(); ++j)
      all.push_back({i, j});
  std::vector<std::size_t> order(all.size());
  std::iota(order.begin(), order.end(), 0);
  const auto at = [&](std::size_t x) -> const operation<cell_use>& {
    return clients[all[x].client][all[x].number];
  };
  const auto possible = [&] {
    for (std::size_t i = 0; i < order.size(); ++i)
      for (std::size_t j = i + 1; j < order.size(); ++j) {
        const auto& first = all[order[i]];
        const auto& then = all[order[j]];
        if (at(order[j]).returned < at(order[i]).invoked
            || (first.client == then.client && first.number > then.number))
          return false;
      }
    auto value = 0;
    for (auto each : order) {
      if (at(each).what.write)
        value = *at(each).what.write;
      else if (at(each).what.read != value)
        return false;
    }
    return true;
  };
  do {
    if (possible())
      return true;
  } while (std::next_permutation(order.begin(), order.end()));
  return false;
}

// Few values and moments, so that operations overlap, and as many histories are right as wrong.
history<cell_use> any_history(random_stream& chance) {
  const auto any = [&chance](std::uint64_t below) {
    return static_cast<int>(chance.next() % below);
  };
  history<cell_use> result(2 + chance.next() % 2);
  for (auto& client : result) {
    moment now = 0;
    const auto count = 1 + any(result.size() == 2 ? 3 : 2);
    for (auto i = 0; i < count; ++i) {
      const auto from = now + any(4);
      now = from + any(6);
      client.push_back(any(2) == 0 ? wrote(1 + any(2), from, now) : saw(any(3), from, now));
    }
  }
  return result;
}

} // namespace

TEST_CASE("what happened one after another is right only with the answers that it should have [L4]",
          "[linearizability]") {
  CHECK(holds({{wrote(1, 0, 1), saw(1, 2, 3)}}));
  CHECK_FALSE(holds({{wrote(1, 0, 1), saw(0, 2, 3)}}));
  CHECK_FALSE(holds({{wrote(1, 0, 1)}, {saw(0, 2, 3)}})); // a read that is stale
  CHECK(holds({{}, {}}));
}

TEST_CASE("operations that overlap may have happened in either order [L4]", "[linearizability]") {
  CHECK(holds({{wrote(1, 0, 10)}, {saw(1, 2, 3)}}));
  CHECK(holds({{wrote(1, 0, 10)}, {saw(0, 2, 3)}}));
  CHECK(holds({{wrote(1, 0, 10)}, {saw(0, 2, 3), saw(1, 4, 5)}}));
  CHECK_FALSE(holds({{wrote(1, 0, 10)}, {saw(1, 2, 3), saw(0, 4, 5)}})); // and back again
  CHECK_FALSE(holds({{wrote(1, 0, 10)}, {saw(1, 2, 3)}, {saw(0, 4, 5)}}));
}

TEST_CASE("the queues of Herlihy and Wing are told apart [L4]", "[linearizability]") {
  // From "Linearizability: A Correctness Condition for Concurrent Objects", 1990, figure 1.
  const auto is_right = [](const history<line_use>& clients) {
    return check_linearizable(clients, line{}).linearizable;
  };
  CHECK(is_right({{put(1, 0, 10), get(2, 30, 40)}, {put(2, 5, 15), get(1, 20, 35)}}));
  CHECK_FALSE(is_right({{put(1, 0, 3)}, {put(2, 5, 15), get(2, 20, 35)}}));
  CHECK(is_right({{put(1, 0, 10)}, {get(1, 5, 15)}}));
  CHECK_FALSE(is_right({{put(1, 0, 10), get(2, 25, 40)}, {put(2, 5, 15), get(2, 20, 35)}}));
}

TEST_CASE("what never returned may have happened or not [L4]", "[linearizability]") {
  CHECK(holds({{wrote(1, 0, no_end)}, {saw(0, 2, 3)}}));
  CHECK(holds({{wrote(1, 0, no_end)}, {saw(1, 2, 3)}}));
  CHECK(holds({{wrote(1, 0, no_end)}, {saw(0, 2, 3), saw(1, 4, 5)}}));
  CHECK_FALSE(holds({{wrote(1, 4, no_end)}, {saw(1, 2, 3)}})); // not before it was asked for
  CHECK_FALSE(holds({{wrote(1, 0, no_end)}, {saw(1, 2, 3), saw(0, 4, 5)}}));
}

TEST_CASE("a client's own order holds though it did not wait [L4]", "[linearizability]") {
  CHECK(holds({{wrote(1, 0, 20), wrote(2, 1, 20), saw(2, 2, 20)}}));
  CHECK_FALSE(holds({{wrote(1, 0, 20), wrote(2, 1, 20), saw(1, 2, 20)}}));
}

TEST_CASE("the checker says what trying every order says [L4]", "[linearizability]") {
  random_stream chance{1};
  auto right = 0;
  constexpr auto tried = 20'000;
  for (auto i = 0; i < tried; ++i) {
    const auto clients = any_history(chance);
    const auto expected = explained(clients);
    right += expected ? 1 : 0;
    CAPTURE(i);
    REQUIRE(holds(clients) == expected);
  }
  CHECK(right > tried / 5);
  CHECK(right < tried * 4 / 5);
}

TEST_CASE("a search that grows too large is given up and says so [L4]", "[linearizability]") {
  history<cell_use> clients(8);
  for (auto i = 0; i < 8; ++i)
    for (auto j = 0; j < 4; ++j)
      clients[static_cast<std::size_t>(i)].push_back(wrote(i * 4 + j, 0, 100));
  clients[0].push_back(saw(-1, 100, 101));
  const auto result = check_linearizable(clients, cell{}, 1'000);
  CHECK(result.gave_up);
  CHECK_FALSE(result.linearizable);
}
