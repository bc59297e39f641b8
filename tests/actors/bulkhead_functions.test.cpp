#include "support/catch.hpp"
#include "support/real_system.hpp"

#include <atomic>
#include <future>
#include <latch>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

/// Functions that run until they are let go.
class gate {
public:
  void wait() const { open_.wait(); }
  void let_go() { opened_.set_value(); }

private:
  std::promise<void> opened_;
  std::shared_future<void> open_{opened_.get_future()};
};

struct bench {
  explicit bench(const bulkhead_policy& policy = {.max_workers = 2, .queue_size = 3})
      : part(node.bulkhead("cpu", policy)) {}

  real_system sys;
  bulwark::node node{*sys};
  caf::actor part;

  template <class F, class... Ts>
  reply_ptr run(F f, Ts... args) {
    return sys.send(part, execute_atom_v, make_work(std::move(f), std::move(args)...));
  }

  /// A function that has begun, and runs until the gate opens.
  reply_ptr block(gate& door, timespan timeout = unbounded) {
    auto begun = std::make_shared<std::promise<void>>();
    auto result = sys.send(part, execute_atom_v, make_work([&door, begun] {
                             begun->set_value();
                             door.wait();
                             return 1;
                           }),
                           timeout);
    begun->get_future().wait();
    return result;
  }

  bulkhead_stats stats() { return sys.get<bulkhead_stats>(part, get_stats_atom_v); }
  std::uint32_t capacity() { return sys.get<std::uint32_t>(part, available_capacity_atom_v); }

  /// The statistics as soon as nothing is in progress: an answer may come before its permit is
  /// home.
  bulkhead_stats at_rest() {
    for (;;) {
      if (auto s = stats(); s.active == 0 && s.queued == 0)
        return s;
      std::this_thread::yield();
    }
  }
};

template <class T>
T answer_of(const reply_ptr& from) {
  from->wait();
  return from->as<T>();
}

caf::error error_of(const reply_ptr& from) {
  from->wait();
  return from->error();
}

std::uint64_t ended(const bulkhead_stats& s) {
  return s.completed + s.failed + s.rejected + s.timed_out + s.cancelled;
}

} // namespace

TEST_CASE("a function runs on a thread of the bulkhead and its result is the answer [B4]",
          "[bulkhead]") {
  bench b;
  CHECK(answer_of<std::int32_t>(b.run([] { return std::int32_t{42}; })) == 42);
  CHECK(answer_of<std::string>(
            b.run([](const std::string& x, int n) { return x + std::to_string(n); },
                  std::string{"n = "}, 3))
        == "n = 3");
  const auto s = b.at_rest();
  CHECK(s.completed == 2);
  CHECK(s.calls == 2);
}

TEST_CASE("a function that blocks holds none of CAF's workers [B4]", "[bulkhead]") {
  // More than CAF has workers: with one of them blocked for each, nothing would be answered.
  constexpr std::uint32_t many = 64;
  bench b{{.max_workers = many, .queue_size = 0}};
  gate door;
  std::vector<reply_ptr> running;
  for (std::uint32_t i = 0; i < many; ++i)
    running.push_back(b.block(door));
  CHECK(b.capacity() == 0);
  CHECK(error_of(b.run([] {})) == errc::bulkhead_full);
  door.let_go();
  for (const auto& each : running)
    CHECK(answer_of<int>(each) == 1);
}

TEST_CASE("a function without a result is answered with an empty message [B4]", "[bulkhead]") {
  bench b;
  auto done = b.run([] {});
  done->wait();
  CHECK(done->content().size() == 0);
  CHECK(b.at_rest().completed == 1);
}

TEST_CASE("a function's caf error is the answer and a failure in the books [B4] [K1]",
          "[bulkhead]") {
  bench b;
  CHECK(error_of(b.run([] { return caf::make_error(target_error::broken); }))
        == target_error::broken);
  CHECK(error_of(b.run([]() -> caf::expected<int> { return caf::make_error(target_error::busy); }))
        == target_error::busy);
  CHECK(answer_of<int>(b.run([]() -> caf::expected<int> { return 5; })) == 5);
  CHECK(answer_of<int>(b.run([] { return caf::make_message(6); })) == 6);
  const auto s = b.at_rest();
  CHECK(s.failed == 2);
  CHECK(s.completed == 2);
  CHECK(s.calls == ended(s));
}

TEST_CASE("what a function throws is the answer whatever it is [B4] [B10]", "[bulkhead]") {
  bench b;
  for (int i = 0; i < 3; ++i) {
    auto standard = error_of(b.run([]() -> int { throw std::runtime_error{"disk on fire"}; }));
    CHECK(standard == caf::sec::runtime_error);
    CHECK(caf::to_string(standard).find("disk on fire") != std::string::npos);
    CHECK(error_of(b.run([]() -> int { throw 5; })) == caf::sec::runtime_error);
  }
  CHECK(b.at_rest().failed == 6);
  CHECK(b.capacity() == 2);
}

TEST_CASE("function and arguments need not be copyable [B4]", "[bulkhead]") {
  bench b;
  auto kept = std::make_unique<int>(4);
  CHECK(answer_of<int>(b.run([kept = std::move(kept)] { return *kept; })) == 4);
  CHECK(answer_of<int>(b.run([](std::unique_ptr<int> x) { return *x; }, std::make_unique<int>(5)))
        == 5);
  CHECK(answer_of<int>(b.run([](std::unique_ptr<int>& x) { return *x; }, std::make_unique<int>(6)))
        == 6);
}

TEST_CASE("the helper execute does what the message does [B4]", "[bulkhead]") {
  bench b;
  caf::scoped_actor self{*b.sys};
  int result = 0;
  execute(
      self, b.part, [](int x, int y) { return x * y; }, 6, 7)
      .receive([&](int x) { result = x; }, [](const caf::error&) {});
  CHECK(result == 42);
}

TEST_CASE("work without a function is refused [P5]", "[bulkhead]") {
  bench b;
  CHECK(b.sys.ask(b.part, execute_atom_v, work{})->error() == caf::sec::invalid_argument);
  CHECK(b.sys.ask(b.part, execute_atom_v, work{std::make_shared<std::function<caf::message()>>()})
            ->is_error());
  CHECK(b.at_rest().failed == 2);
  CHECK(b.capacity() == 2);
}

TEST_CASE("no more functions run at once than max_workers [B1] [B2] [K2] [K3]", "[bulkhead]") {
  bench b;
  gate door;
  std::vector<reply_ptr> running{b.block(door), b.block(door)};
  std::atomic<int> started{0};
  for (int i = 0; i < 3; ++i)
    running.push_back(b.run([&] { return ++started; }));
  CHECK(error_of(b.run([] {})) == errc::bulkhead_full);
  const auto s = b.stats();
  CHECK(s.active == 2);
  CHECK(s.queued == 3);
  CHECK(s.calls == ended(s) + s.active + s.queued);
  CHECK(b.capacity() == 0);
  CHECK(started == 0);
  door.let_go();
  for (const auto& each : running)
    each->wait();
  CHECK(b.at_rest().completed == 5);
  CHECK(b.capacity() == 2);
}

TEST_CASE("queued functions start in the order of their coming [B8]", "[bulkhead]") {
  bench b{{.max_workers = 1, .queue_size = 100}};
  gate door;
  auto first = b.block(door);
  std::mutex mutex;
  std::vector<int> order;
  std::latch all{50};
  for (int i = 0; i < 50; ++i)
    compat::tell(caf::actor_cast<caf::strong_actor_ptr>(b.part), execute_atom_v, make_work([&, i] {
                   {
                     std::lock_guard guard{mutex};
                     order.push_back(i);
                   }
                   all.count_down();
                 }));
  door.let_go();
  all.wait();
  std::lock_guard guard{mutex};
  REQUIRE(order.size() == 50);
  for (int i = 0; i < 50; ++i)
    CHECK(order[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("a function that was timed out keeps its worker until it returns [B11] [B10] [K1] [K2]",
          "[bulkhead]") {
  bench b;
  gate door;
  auto cut = b.block(door, 1ms);
  CHECK(error_of(cut) == errc::timed_out);
  auto s = b.stats();
  CHECK(s.timed_out == 1);
  CHECK(s.abandoned == 1);
  CHECK(s.active == 1); // it still runs
  CHECK(s.calls == 1);
  CHECK(b.capacity() == 1);
  gate second;
  auto other = b.block(second);
  CHECK(b.capacity() == 0);
  std::atomic<bool> started{false};
  auto waiting = b.run([&] { started = true; });
  CHECK(b.stats().queued == 1);
  CHECK_FALSE(started);
  door.let_go(); // now its worker takes the next one
  waiting->wait();
  CHECK(started);
  second.let_go();
  other->wait();
  s = b.at_rest();
  CHECK(s.abandoned == 1);
  CHECK(s.completed == 2);
  CHECK(s.calls == ended(s));
  CHECK(b.capacity() == 2);
  CHECK(cut->count() == 1); // its late result went nowhere
}

TEST_CASE("a function whose time is up in the queue is never started [B9] [M9]", "[bulkhead]") {
  bench b{{.max_workers = 1, .queue_size = 3}};
  gate door;
  auto first = b.block(door);
  std::atomic<bool> started{false};
  auto late = b.sys.send(b.part, execute_atom_v, make_work([&] { started = true; }), timespan{1ms});
  CHECK(error_of(late) == errc::timed_out);
  auto no_time =
      b.sys.send(b.part, execute_atom_v, make_work([&] { started = true; }), timespan{-1s});
  CHECK(error_of(no_time) == errc::timed_out);
  door.let_go();
  first->wait();
  CHECK(b.at_rest().timed_out == 2);
  CHECK(b.stats().abandoned == 0);
  CHECK_FALSE(started);
}

TEST_CASE("without any time a function is never started [B9]", "[bulkhead]") {
  bench b;
  std::atomic<bool> started{false};
  for (auto timeout : {timespan{0}, timespan{-1}, timespan::min()})
    CHECK(b.sys.ask(b.part, execute_atom_v, make_work([&] { started = true; }), timeout)->error()
          == errc::timed_out);
  CHECK(b.at_rest().timed_out == 3);
  CHECK_FALSE(started);
}

TEST_CASE("a caller that dies does not stop its function and no permit is lost [B10]",
          "[bulkhead]") {
  bench b;
  for (int i = 0; i < 4; ++i) {
    gate door;
    caf::actor dying;
    {
      auto begun = std::make_shared<std::promise<void>>();
      auto result = std::make_shared<reply>();
      dying = b.sys->spawn<caller>(caf::actor_cast<caf::strong_actor_ptr>(b.part),
                                   caf::make_message(execute_atom_v, make_work([&door, begun] {
                                                       begun->set_value();
                                                       door.wait();
                                                     })),
                                   result);
      begun->get_future().wait();
    }
    b.sys.kill(dying);
    CHECK(b.capacity() == 1);
    door.let_go();
    b.at_rest();
  }
  CHECK(b.capacity() == 2);
  CHECK(b.stats().completed == 4);
}

TEST_CASE("shutdown with wait finishes running and queued functions [B6]", "[bulkhead]") {
  bench b;
  gate door;
  std::vector<reply_ptr> replies{b.block(door), b.block(door)};
  for (int i = 0; i < 3; ++i)
    replies.push_back(b.run([] { return 1; }));
  auto done = b.sys.send(b.part, shutdown_atom_v, true);
  auto again = b.sys.send(b.part, shutdown_atom_v, true);
  CHECK(b.stats().queued == 3);
  CHECK(error_of(b.run([] {})) == errc::shutting_down);
  CHECK(done->count() == 0);
  door.let_go();
  done->wait();
  again->wait();
  CHECK_FALSE(done->is_error());
  CHECK_FALSE(again->is_error());
  for (const auto& each : replies) { // said before it said that it is done
    REQUIRE(each->count() == 1);
    CHECK(each->as<int>() == 1);
  }
  CHECK(error_of(b.run([] {}))); // it has ended
}

TEST_CASE("shutdown without wait answers queued functions and never starts them [B7]",
          "[bulkhead]") {
  bench b;
  gate door;
  std::vector<reply_ptr> running{b.block(door), b.block(door)};
  std::atomic<bool> started{false};
  std::vector<reply_ptr> queued;
  for (int i = 0; i < 3; ++i)
    queued.push_back(b.run([&] { started = true; }));
  CHECK(b.stats().queued == 3);
  CHECK_FALSE(b.sys.ask(b.part, shutdown_atom_v, false)->is_error());
  for (const auto& each : queued)
    CHECK(error_of(each) == errc::shutting_down);
  door.let_go();
  for (const auto& each : running)
    CHECK(answer_of<int>(each) == 1);
  CHECK_FALSE(started);
}

TEST_CASE("a function outlives the bulkhead that nobody holds any more [B10] [B4]", "[bulkhead]") {
  real_system sys;
  bulwark::node node{*sys};
  for (int i = 0; i < 20; ++i) {
    auto target = sys->spawn(doubling_target);
    auto guard = node.guard("lonely", target, {.bulkhead = bulkhead_policy{}});
    auto part = sys.get<caf::actor>(node.bulkhead_registry(), get_atom_v, std::string{"lonely"});
    gate door;
    auto begun = std::make_shared<std::promise<void>>();
    auto result = sys.send(part, execute_atom_v, make_work([&door, begun] {
                             begun->set_value();
                             door.wait();
                             return 1;
                           }));
    begun->get_future().wait();
    auto watched = caf::actor_cast<caf::actor_addr>(part);
    caf::scoped_actor self{*sys};
    self->monitor(watched);
    guard = nullptr;
    part = nullptr; // the guard's part, and the guard is gone
    self->receive([](const caf::down_msg&) {});
    door.let_go();
    result->wait();
    CHECK(result->as<int>() == 1);
  }
}

TEST_CASE("a bulkhead whose last handle is in its own function ends on that thread [B10] [B4]",
          "[bulkhead]") {
  // Destroyed by one of its threads, it must not wait for that thread.
  struct last_handle {
    caf::actor part;
    const gate& door;
    last_handle(caf::actor x, const gate& y) : part(std::move(x)), door(y) {}
    ~last_handle() { door.wait(); }
  };
  real_system sys;
  bulwark::node node{*sys};
  auto target = sys->spawn(doubling_target);
  auto guard = node.guard("lonely", target, {.bulkhead = bulkhead_policy{}});
  auto part = sys.get<caf::actor>(node.bulkhead_registry(), get_atom_v, std::string{"lonely"});
  caf::scoped_actor self{*sys};
  self->monitor(part);
  gate door;
  auto held = std::make_shared<last_handle>(part, door);
  auto result = sys.send(part, execute_atom_v, make_work([held] { return 1; }));
  held = nullptr;
  CHECK(answer_of<int>(result) == 1);
  static_cast<void>(sys.get<bulkhead_stats>(part, get_stats_atom_v)); // its supervisor is done
  self->monitor(guard);
  guard = nullptr;
  self->receive([](const caf::down_msg&) {});
  part = nullptr;
  door.let_go();
  self->receive([](const caf::down_msg&) {});
}

TEST_CASE("a killed bulkhead's function gives its answer [B10]", "[bulkhead]") {
  bench b{{.max_workers = 1, .queue_size = 3}};
  gate door;
  auto running = b.block(door);
  auto queued = b.run([] {});
  b.sys.kill(b.part);
  CHECK(error_of(queued) == errc::shutting_down);
  door.let_go();
  CHECK(answer_of<int>(running) == 1);
}

TEST_CASE("leaving its scope shuts a bulkhead down and waits for its functions [B6]",
          "[bulkhead]") {
  real_system sys;
  bulwark::node node{*sys};
  std::vector<reply_ptr> replies;
  gate door;
  std::thread opener;
  {
    scoped_bulkhead pool{node, "pool", {.max_workers = 2, .queue_size = 100}};
    for (int i = 0; i < 50; ++i)
      replies.push_back(sys.send(pool.get(), execute_atom_v, make_work([&door] {
                                   door.wait();
                                   return 1;
                                 })));
    // It stands for the actor.
    const caf::actor& actor = pool;
    CHECK(sys.get<bulkhead_stats>(actor, get_stats_atom_v).name == "pool");
    // All must be accepted before the end of the scope: they come from as many callers.
    while (sys.get<bulkhead_stats>(actor, get_stats_atom_v).calls < 50)
      std::this_thread::yield();
    opener = std::thread{[&] { door.let_go(); }};
  }
  opener.join();
  for (const auto& each : replies) {
    REQUIRE(each->count() == 1);
    CHECK(each->as<int>() == 1);
  }
  CHECK(sys.ask(node.bulkhead_registry(), get_atom_v, std::string{"pool"})->error()
        == errc::unknown_name);
  // The name is free again.
  scoped_bulkhead next{node, "pool", {.max_workers = 9}};
  next.shut_down(false);
  next.shut_down();
}

TEST_CASE("ten thousand functions from many threads keep the books [K1] [K2] [B1]", "[bulkhead]") {
  bench b{{.max_workers = 3, .queue_size = 10'000'000}};
  constexpr int threads = 4;
  constexpr int each = 2500;
  std::atomic<int> at_once{0};
  std::atomic<int> most{0};
  std::atomic<int> ran{0};
  std::vector<std::thread> senders;
  for (int i = 0; i < threads; ++i)
    senders.emplace_back([&] {
      for (int j = 0; j < each; ++j)
        compat::tell(caf::actor_cast<caf::strong_actor_ptr>(b.part), execute_atom_v, make_work([&] {
                       const int now = ++at_once;
                       for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);)
                         ;
                       --at_once;
                       ++ran;
                     }));
    });
  for (auto& thread : senders)
    thread.join();
  const auto s = b.at_rest();
  CHECK(ran == threads * each);
  CHECK(most <= 3);
  CHECK(s.completed == threads * each);
  CHECK(s.calls == ended(s));
  CHECK(b.capacity() == 3);
}
