#include "bulwark/single_flight.hpp"

#include "support/catch.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

/// @file Single flight against a list of all calls in the order in which they came: who leads is the
/// first of its key that is still in.

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

template <class T>
T any(T low, T high) {
  return *rc::gen::resize(100, rc::gen::inRange<T>(low, static_cast<T>(high + 1)));
}

struct call {
  std::string key;
  single_flight::member number = 0;
  instant deadline = end_of_time;
  int answers = 0;

  bool is_in() const { return answers == 0; }
};

// In the wheel times are whole milliseconds, rounded up.
bool is_over(instant deadline, instant now) {
  return deadline != end_of_time
         && std::chrono::ceil<std::chrono::milliseconds>(deadline.time_since_epoch())
                <= now.time_since_epoch();
}

class history {
public:
  explicit history(bool shares) : shares_(shares), core_(shares, {.first = 3}, instant{}) {}

  void enter() {
    auto& one = all_.emplace_back();
    one.key = std::string(static_cast<std::size_t>(any(0, 30)), 'k');
    one.key.resize(one.key.size() / 15 * 15); // some short, some long
    one.deadline = any(0, 1) == 0 ? end_of_time : now_ + 100us * any(-5, 300);
    const auto same = std::any_of(all_.begin(), all_.end() - 1, [&](const call& each) {
      return each.is_in() && each.key == one.key;
    });
    const auto in = core_.enter(one.key, one.deadline);
    one.number = in.number;
    RC_ASSERT(in.leads == !(shares_ && same));
    for (const auto& each : all_)
      RC_ASSERT(&each == &one || !each.is_in() || each.number != one.number);
  }

  /// A leader has what is for all.
  void share() {
    auto* leader = any_leader();
    if (leader == nullptr)
      return;
    const auto followers = followers_of(*leader);
    for (auto* each : followers) {
      const auto taken = core_.take_follower(leader->number);
      RC_ASSERT(taken == each->number);
      ++each->answers;
    }
    RC_ASSERT(!core_.take_follower(leader->number));
    core_.leave(leader->number);
    ++leader->answers;
    shared += followers.size();
  }

  /// A leader ends with what is its own.
  void hand_over() {
    auto* leader = any_leader();
    if (leader == nullptr)
      return;
    const auto followers = followers_of(*leader);
    const auto next = core_.hand_over(leader->number);
    ++leader->answers;
    RC_ASSERT(next.has_value() == !followers.empty());
    if (next) {
      RC_ASSERT(*next == followers.front()->number);
      ++handed_over;
    }
  }

  void take_back() {
    auto in = all_in();
    if (in.empty())
      return;
    auto& one = *in[any<std::size_t>(0, in.size() - 1)];
    if (is_leader(one))
      return;
    core_.leave(one.number);
    ++one.answers;
  }

  void wait() {
    now_ += 1ms * any(0, 10);
    std::vector<single_flight::member> due;
    for (auto* each : all_in())
      if (!is_leader(*each) && is_over(each->deadline, now_))
        due.push_back(each->number);
    std::vector<single_flight::member> expired;
    core_.expire(now_, [&](single_flight::member which) { expired.push_back(which); });
    // Who leads has its deadline from who makes it.
    std::sort(due.begin(), due.end());
    std::sort(expired.begin(), expired.end());
    RC_ASSERT(expired == due);
    for (auto* each : all_in())
      if (std::find(due.begin(), due.end(), each->number) != due.end())
        ++each->answers;
    timed_out += due.size();
  }

  void check() {
    auto in = all_in();
    auto followers = std::size_t{0};
    auto earliest = end_of_time;
    for (auto* each : in) {
      const auto leads = is_leader(*each);
      RC_ASSERT(core_.leads(each->number) == leads);
      RC_ASSERT(core_.key_of(each->number) == each->key);
      RC_ASSERT(core_.deadline_of(each->number) == each->deadline);
      if (!leads) {
        ++followers;
        earliest = std::min(earliest, each->deadline);
      }
    }
    RC_ASSERT(core_.members() == in.size());
    RC_ASSERT(core_.followers() == followers);
    // Who waits is woken in time, and where nobody has to be nobody is.
    RC_ASSERT(core_.next() < saturating_add(earliest, 1ms) || earliest == end_of_time);
    RC_ASSERT((core_.next() == end_of_time) == (earliest == end_of_time));
    for (const auto& each : all_)
      RC_ASSERT(each.answers <= 1);
  }

  static std::uint64_t shared;
  static std::uint64_t handed_over;
  static std::uint64_t timed_out;

private:
  bool shares_;
  single_flight core_;
  std::vector<call> all_;
  instant now_{};

  std::vector<call*> all_in() {
    std::vector<call*> result;
    for (auto& each : all_)
      if (each.is_in())
        result.push_back(&each);
    return result;
  }

  bool is_leader(const call& one) {
    if (!shares_)
      return true;
    for (auto* each : all_in())
      if (each->key == one.key)
        return each == &one;
    return false;
  }

  std::vector<call*> followers_of(const call& leader) {
    std::vector<call*> result;
    if (shares_)
      for (auto* each : all_in())
        if (each != &leader && each->key == leader.key)
          result.push_back(each);
    return result;
  }

  call* any_leader() {
    std::vector<call*> leaders;
    for (auto* each : all_in())
      if (is_leader(*each))
        leaders.push_back(each);
    return leaders.empty() ? nullptr : leaders[any<std::size_t>(0, leaders.size() - 1)];
  }
};

std::uint64_t history::shared = 0;
std::uint64_t history::handed_over = 0;
std::uint64_t history::timed_out = 0;

} // namespace

TEST_CASE("in every history equal calls share one, each has one answer, and none that is another's "
          "own [F5] [F6] [F7]",
          "[single_flight]") {
  CHECK(rc::check("single flight and list agree", [] {
    history both{any(0, 9) > 0};
    for (auto steps = any(50, 200); steps > 0; --steps) {
      switch (any(0, 9)) {
      case 0:
        both.share();
        break;
      case 1:
        both.hand_over();
        break;
      case 2:
        both.take_back();
        break;
      case 3:
      case 4:
        both.wait();
        break;
      default:
        both.enter();
      }
      both.check();
    }
  }));
  CHECK(history::shared > 300);
  CHECK(history::handed_over > 100);
  CHECK(history::timed_out > 300);
}

TEST_CASE("what a leader got by its own deadline, by being taken back or by a refusal is its own "
          "[F6]",
          "[single_flight]") {
  const auto deadline = instant{1s};
  CHECK(is_leaders_own(errc::cancelled, deadline, instant{}));
  CHECK(is_leaders_own(errc::circuit_open, deadline, instant{}));
  CHECK(is_leaders_own(errc::bulkhead_full, deadline, instant{}));
  CHECK(is_leaders_own(errc::rate_limited, deadline, instant{}));
  CHECK(is_leaders_own(errc::timed_out, deadline, deadline));
  CHECK(!is_leaders_own(errc::timed_out, deadline, deadline - 1ns)); // of an attempt
  CHECK(!is_leaders_own(errc::timed_out, end_of_time, deadline));
  CHECK(!is_leaders_own(errc::retries_exhausted, deadline, deadline));
  CHECK(!is_leaders_own(errc::target_lost, deadline, deadline));
}
