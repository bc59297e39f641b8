#include "soak/targets.hpp"

#include "soak/types.hpp"

#include "bulwark/random.hpp"

#include <chrono>
#include <exception>
#include <stdexcept>
#include <utility>

namespace soak {

namespace {

using namespace std::chrono_literals;
using bulwark::random_stream;
using bulwark::timespan;
using answer = caf::result<std::int32_t>;

answer answer_after(caf::event_based_actor* self, timespan delay, std::int32_t value) {
  auto promise = self->make_response_promise<std::int32_t>();
  bulwark::compat::schedule(self, self->system().clock().now() + delay,
                            [promise, value]() mutable { promise.deliver(value); });
  return promise;
}

// As if somebody else would answer.
answer no_answer() {
  return caf::delegated<std::int32_t>{};
}

// Answers the request that is being handled, past CAF, which would let us do so but once.
void say(caf::event_based_actor* self, caf::message content, std::uint64_t off = 0) {
  const auto& question = *self->current_mailbox_element();
  const auto id = question.mid.response_id().integer_value() + off;
  bulwark::compat::deliver(question.sender, self->ctrl(), caf::make_message_id(id),
                           std::move(content), self->context());
}

} // namespace

caf::behavior steady_target(caf::event_based_actor* self) {
  return {[self](ask_atom, std::int32_t x) -> answer {
    if (x % 256 != 0)
      return x + 1;
    return answer_after(self, 2ms, x + 1);
  }};
}

caf::behavior moody_target(caf::event_based_actor*, std::uint64_t seed) {
  return {[chance = random_stream{seed}, calls = 0](ask_atom, std::int32_t x) mutable -> answer {
    using bulwark::error_mark;
    if (++calls % 4000 < 100)
      return caf::make_error(caf::sec::runtime_error, "a bad spell");
    switch (chance.next() % 64) {
    case 0:
      return caf::make_error(caf::sec::runtime_error, error_mark::transient, "busy");
    case 1:
      return caf::make_error(caf::sec::runtime_error, error_mark::permanent, "broken");
    case 2:
      return caf::make_error(caf::sec::invalid_argument, "your own mistake");
    default:
      return x + 1;
    }
  }};
}

caf::behavior hanging_target(caf::event_based_actor* self, std::uint64_t seed) {
  return {[self, chance = random_stream{seed}](ask_atom, std::int32_t x) mutable -> answer {
    switch (chance.next() % 32) {
    case 0:
      return no_answer();
    case 1:
      return answer_after(self, 120ms, x + 1); // its guard has given up by then
    default:
      return x + 1;
    }
  }};
}

caf::behavior lying_target(caf::event_based_actor* self, std::uint64_t seed) {
  return {[self, chance = random_stream{seed}](ask_atom, std::int32_t x) mutable -> answer {
    switch (chance.next() % 8) {
    case 0:
      say(self, caf::make_message(x + 1));
      say(self, caf::make_message(x + 2));
      return no_answer();
    case 1:
      say(self, caf::make_message(std::string(100, '?'), x));
      return no_answer();
    case 2:
      say(self, caf::make_message(x), 1 + chance.next() % 1000);
      return x + 1;
    default:
      return x + 1;
    }
  }};
}

caf::behavior mortal_target(caf::event_based_actor* self, std::uint64_t seed) {
  self->set_exception_handler(
      [](std::exception_ptr&) -> caf::error { return caf::sec::runtime_error; });
  random_stream chance{seed};
  const auto last = static_cast<int>(chance.next() % 100);
  const auto throws = chance.next() % 2 == 0;
  return {[=, calls = 0](ask_atom, std::int32_t x) mutable -> answer {
    if (calls++ < last)
      return x + 1;
    if (throws)
      throw std::runtime_error{"the target's last words"};
    self->quit(caf::exit_reason::kill);
    return no_answer();
  }};
}

} // namespace soak
