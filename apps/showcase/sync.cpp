#include "showcase/scenes.hpp"

#include <stdexcept>
#include <string>
#include <thread>

namespace showcase {

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

// What `f` throws of that kind, as text; empty where it throws nothing of it.
template <class Exception, class F>
std::string thrown(stage& on, F f) {
  try {
    f();
  } catch (const Exception& error) {
    on.say(std::string{"thrown: "} + error.what());
    return error.what();
  }
  return "";
}

std::string read_file(bool broken) {
  if (broken)
    throw std::runtime_error{"disk is broken"};
  return "contents";
}

// It stands on the node's part: what plain calls see, guards see too.
void call_through_a_breaker(stage& on) {
  sync::circuit_breaker breaker{on.node(), "files", {.failure_threshold = 2, .open_for = 60s}};
  on.claim(breaker.call(read_file, false) == "contents", "a plain call, and its plain result");
  for (int i = 0; i < 2; ++i)
    thrown<std::runtime_error>(on, [&] { breaker.call(read_file, true); });
  on.await("files", circuit_state::open);
  on.claim(thrown<circuit_breaker_error>(on, [&] { breaker.call(read_file, false); }) != "",
           "open: circuit_breaker_error, and the function is not called");
}

void try_again(stage& on) {
  const sync::retry retry{{.max_attempts = 3, .base_delay = 10ms, .retry_on = always}};
  auto attempts = 0;
  for (auto& attempt : retry)
    attempt.run([&] { read_file(++attempts < 3); });
  on.claim(attempts == 3, "a retry is a range of attempts: the third worked");
  on.claim(thrown<retry_error>(on, [&] { retry.call(read_file, true); }) != "",
           "when all are used: retry_error, with the last exception in it");
}

void bound_and_share(stage& on) {
  const auto slow = [] {
    std::this_thread::sleep_for(150ms);
    return 42;
  };
  on.claim(sync::wait_for(2s, slow) == 42, "wait_for: the result where it comes in time");
  on.claim(thrown<timeout_error>(on, [&] { sync::wait_for(50ms, slow); }) != "",
           "timeout_error where it doesn't");
  sync::bulkhead pool{{.max_workers = 1, .queue_size = 1}};
  auto first = pool.execute(slow);
  auto second = pool.execute(slow);
  auto third = pool.execute(slow);
  on.claim(thrown<bulkhead_error>(on, [&] { third.get(); }) != "",
           "a bulkhead gives futures; one too many: bulkhead_error");
  on.claim(first.get() == 42 && second.get() == 42, "the others have their results");
}

} // namespace

void sync_scene(stage& on) {
  call_through_a_breaker(on);
  try_again(on);
  bound_and_share(on);
}

} // namespace showcase
