#include "support/recording_supervisor.hpp"

#include <cstdlib>
#include <new>

/// @file What a supervisor does when there is no memory.

namespace {

bool memory_refused = false;

enum class ended { by_target, by_deadline, by_caller, by_owner };

} // namespace

// For the whole program: the one way to refuse memory to code that knows nothing of it. All forms
// that go together, since a sanitizer has its own of those that are missing.
void* operator new(std::size_t size) {
  if (auto* result = memory_refused ? nullptr : std::malloc(size))
    return result;
  throw std::bad_alloc{};
}

void* operator new[](std::size_t size) {
  return operator new(size);
}

void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return memory_refused ? nullptr : std::malloc(size);
}

void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return memory_refused ? nullptr : std::malloc(size);
}

void operator delete(void* memory) noexcept {
  std::free(memory);
}

void operator delete[](void* memory) noexcept {
  std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

void operator delete(void* memory, const std::nothrow_t&) noexcept {
  std::free(memory);
}

void operator delete[](void* memory, const std::nothrow_t&) noexcept {
  std::free(memory);
}

using namespace bulwark;
using namespace bulwark::testing;

TEST_CASE("a call for which there is no memory is not accepted and changes nothing [G6]",
          "[supervisor]") {
  recording_supervisor s{{}};
  auto refused = false;
  memory_refused = true;
  try {
    static_cast<void>(s.core.open());
  } catch (const std::bad_alloc&) {
    refused = true;
  }
  memory_refused = false;
  CHECK(refused);
  CHECK(s.core.live() == 0);
  CHECK(s.books().calls.calls == 0);
  s.call();
  s.reply(good);
  CHECK_FALSE(s.end().error);
}

TEST_CASE("a call that was accepted is answered though there is no memory [G6]", "[supervisor]") {
  recording_supervisor s{{.deadline = 5s}};
  s.wishes.answers.reserve(10);
  s.wishes.cuts.reserve(10);
  const auto by = GENERATE(ended::by_target, ended::by_deadline, ended::by_caller, ended::by_owner);
  const auto slot = s.call();
  const auto attempt = s.attempt();
  s.now += 10ms;
  auto thrown = false;
  memory_refused = true;
  try {
    switch (by) {
    case ended::by_target:
      s.core.on_reply(attempt, good, s.now);
      break;
    case ended::by_deadline:
      s.now += 5s;
      s.core.on_tick(s.now);
      break;
    case ended::by_caller:
      s.core.cancel(slot, s.now);
      break;
    case ended::by_owner:
      s.core.shut_down(false, s.now);
      break;
    }
  } catch (const std::bad_alloc&) {
    thrown = true;
  }
  memory_refused = false;
  CHECK_FALSE(thrown);
  CHECK(s.answers() == 1);
  CHECK(s.core.live() == 0);
  CHECK(balanced(s.books()));
  s.core.shut_down(false, s.now);
  CHECK(s.answers() == 1);
}

TEST_CASE("a call whose timer has no place is answered when its owner ends for it [G6]",
          "[supervisor]") {
  recording_supervisor s{{}};
  s.wishes.launched.reserve(10);
  s.call(); // takes a page of slots, no level of the wheel
  const auto slot = s.core.open();
  auto thrown = false;
  memory_refused = true;
  try {
    s.core.start(slot, {.deadline = 5s}, s.now);
  } catch (const std::bad_alloc&) {
    thrown = true;
  }
  memory_refused = false;
  CHECK(thrown);
  s.core.shut_down(false, s.now);
  CHECK(s.answers() == 2);
  CHECK(s.core.live() == 0);
  CHECK(balanced(s.books()));
}
