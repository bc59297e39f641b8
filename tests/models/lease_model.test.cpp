#include "bulwark/fence.hpp"
#include "bulwark/lease.hpp"

#include "support/catch.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

/// @file A lease and a fence against lists of all that was ever said, on random histories.

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

// -- a lease ----------------------------------------------------------------------------

struct said {
  lease_stamp stamp;
  instant when;
  bool good = true; // not answered yet, and may prolong something still
};

// What the holder may rely on, read out of all its reports.
struct ledger {
  std::vector<said> reports;
  std::uint64_t session = 0;
  timespan length = default_lease_time;
  instant until = instant::min();
  instant next_report = instant::min();

  void begin() {
    ++session;
    until = next_report = instant::min();
  }

  std::uint64_t last_serial() const {
    return std::count_if(reports.begin(), reports.end(),
                         [this](const said& each) { return each.stamp.session == session; });
  }

  void report(const lease_stamp& stamp, instant now) {
    for (auto& each : reports) // what is so old that its lease would be over
      each.good = each.good && each.when + length > now;
    reports.push_back({stamp, now});
    next_report = now + length / 4;
  }

  bool answer(const lease_stamp& to, timespan lease_time) {
    if (to.session != session || to.serial == 0 || to.serial > last_serial())
      return false;
    length = lease_time;
    for (auto& each : reports) {
      if (each.stamp.session != session || each.stamp.serial > to.serial || !each.good)
        continue;
      each.good = false;
      until = std::max(until, each.when + lease_time - lease_time / 64);
    }
    return true;
  }
};

struct step {
  int what;
  int which;
  int wait; // milliseconds before it
};

void walk(const std::vector<step>& steps, std::uint64_t& answered, std::uint64_t& outdated) {
  lease real;
  ledger all;
  instant now{1h};
  real.begin();
  all.begin();
  for (const auto& each : steps) {
    now += each.wait * 1ms;
    if (each.what == 0) {
      real.begin();
      all.begin();
    } else if (each.what < 8) {
      const auto stamp = real.stamp(now);
      RC_ASSERT(stamp.session == all.session);
      RC_ASSERT(stamp.serial == all.last_serial() + 1);
      all.report(stamp, now);
    } else if (!all.reports.empty()) {
      // Any that ever was, and some that never was.
      auto to = all.reports[all.reports.size() - 1
                            - static_cast<std::size_t>(each.which) % all.reports.size()]
                    .stamp;
      to.serial += each.which % 11 == 0 ? 1 : 0;
      to.serial -= each.which % 13 == 0 ? to.serial : 0;
      const auto lease_time = std::vector{400ms, 1'000ms, 6'400ms}.at(each.which % 3);
      const auto expected = all.answer(to, lease_time);
      RC_ASSERT(real.renew(to, lease_time) == expected);
      answered += expected ? 1 : 0;
      outdated += expected ? 0 : 1;
    }
    RC_ASSERT(real.until().time_since_epoch() == all.until.time_since_epoch());
    RC_ASSERT(real.held() == (all.until != instant::min()));
    RC_ASSERT(real.report_due().time_since_epoch() == all.next_report.time_since_epoch());
    RC_ASSERT(real.length() == all.length);
  }
}

} // namespace

TEST_CASE("a lease lasts as long as what was answered says and no longer [D13]", "[lease]") {
  std::uint64_t answered = 0;
  std::uint64_t outdated = 0;
  const auto any_step = rc::gen::construct<step>(
      rc::gen::inRange(0, 16), rc::gen::inRange(0, 1'000),
      rc::gen::weightedElement<int>({{4, 0}, {4, 100}, {2, 333}, {1, 2'000}}));
  const auto steps = rc::gen::scale(4.0, rc::gen::container<std::vector<step>>(any_step));
  const auto histories = rc::gen::container<std::vector<std::vector<step>>>(20, steps);
  CHECK(rc::check("a lease and a list of what was said agree", [&] {
    for (const auto& each : *histories)
      walk(each, answered, outdated);
  }));
  if (std::getenv("RC_PARAMS") == nullptr) {
    CHECK(answered >= 10'000);
    CHECK(outdated >= 10'000);
  }
}

TEST_CASE("a fence lets through what is no older than any that it was shown says [D15]",
          "[lease]") {
  const auto numbers = rc::gen::container<std::vector<std::pair<int, int>>>(
      rc::gen::pair(rc::gen::inRange(0, 20), rc::gen::inRange(0, 20)));
  CHECK(rc::check("a fence and the list of tokens agree", [&] {
    fence real;
    std::uint64_t highest = 0;
    for (auto [number, behind] : *numbers) {
      const permit_token token{.number = static_cast<std::uint64_t>(number),
                               .fence = static_cast<std::uint64_t>(std::max(number - behind, 0))};
      highest = std::max(highest, token.fence);
      RC_ASSERT(real.admit(token) == (token.number >= highest));
    }
  }));
}
