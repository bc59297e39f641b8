// Two processors, or as many as there are, that others have taken.
#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "support/real_system.hpp"

#include <chrono>
#include <deque>
#include <thread>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

using clock_type = std::chrono::steady_clock;

/// Twice as many processes as processors that do nothing but run, and as many more that are nicer.
class neighbours {
public:
  neighbours() {
    const std::string spin = "while :; do :; done";
    for (auto i = 2 * std::max(1U, std::thread::hardware_concurrency()); i > 0; --i) {
      all_.emplace_back(std::vector<std::string>{"/bin/sh", "-c", spin});
      all_.emplace_back(
          std::vector<std::string>{"/usr/bin/nice", "-n", "5", "/bin/sh", "-c", spin});
    }
  }

private:
  std::deque<child_process> all_;
};

struct arrival {
  std::size_t place = 0; ///< Of all answers.
  clock_type::time_point when;
  caf::message content;
};

/// Makes calls with rising time limits and notes when which answer comes.
caf::behavior patient_caller(caf::event_based_actor* self, const caf::actor& timeouts,
                             const caf::actor& target,
                             std::shared_ptr<std::vector<arrival>> arrivals, caf::actor judge) {
  return {[=](bulwark::get_atom, std::int32_t count) {
    auto seen = std::make_shared<std::size_t>(0);
    arrivals->resize(static_cast<std::size_t>(count));
    for (std::int32_t i = 0; i < count; ++i) {
      const auto note = [=](caf::message content) {
        (*arrivals)[static_cast<std::size_t>(i)] = {*seen, clock_type::now(), std::move(content)};
        if (++*seen == arrivals->size())
          compat::tell(caf::actor_cast<caf::strong_actor_ptr>(judge), bulwark::get_atom_v);
      };
      wait_for(self, timeouts, 20ms + 10ms * i, target, ask_atom_v, i)
          .then([=](std::int32_t x) { note(caf::make_message(x)); },
                [=](caf::error& why) { note(caf::make_message(std::move(why))); });
    }
  }};
}

} // namespace

TEST_CASE("where others take the processors deadlines come in their order and never early, and all "
          "calls are answered [X7] [M4] [G3]",
          "[timeouts]") {
  neighbours busy;
  real_system sys;
  node node{*sys};
  auto silent = sys->spawn([]() -> caf::behavior {
    return {[](ask_atom, std::int32_t) { return caf::delegated<std::int32_t>{}; }};
  });
  auto well = sys->spawn(doubling_target);
  auto guard = node.guard("well", well,
                          {.deadline = 60s, // generous: nothing of it may be cut
                           .retry = retry_policy{},
                           .breaker = circuit_breaker_policy{},
                           .bulkhead = bulkhead_policy{.max_workers = 4, .queue_size = 1000}});
  auto arrivals = std::make_shared<std::vector<arrival>>();
  caf::scoped_actor judge{*sys};
  auto patient =
      sys->spawn(patient_caller, node.timeout_manager(), silent, arrivals, caf::actor{judge});
  const auto began = clock_type::now();
  compat::tell(caf::actor_cast<caf::strong_actor_ptr>(patient), get_atom_v, std::int32_t{50});
  std::vector<reply_ptr> answers;
  for (std::int32_t i = 0; i < 500; ++i)
    answers.push_back(sys.send(guard, ask_atom_v, i));
  judge->receive([](get_atom) {});
  for (std::size_t i = 0; i < arrivals->size(); ++i) {
    const auto& each = arrivals->at(i);
    INFO("call " << i << " was answered " << to_text(each.when - began) << " after the beginning");
    CHECK(each.place == i);
    CHECK(each.when - began >= 20ms + 10ms * i);
    REQUIRE(each.content.match_elements<caf::error>());
    CHECK(each.content.get_as<caf::error>(0) == errc::timed_out);
  }
  for (std::size_t i = 0; i < answers.size(); ++i) {
    answers[i]->wait();
    CHECK(answers[i]->as<std::int32_t>() == 2 * static_cast<std::int32_t>(i));
  }
  const auto books = sys.get<guard_stats>(guard, get_stats_atom_v).calls;
  CHECK(books.balanced());
  CHECK(books.succeeded == 500);
  sys.kill(silent);
  sys.kill(patient);
}
