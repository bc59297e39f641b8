#include "support/guards.hpp"

#include <atomic>
#include <future>
#include <thread>

// Guards on a real system with threads. Whoever waits, waits for an event.

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

struct real_config : caf::actor_system_config {
  real_config() {
    init_types();
    set("caf.scheduler.max-threads", 4);
    set("caf.logger.console.verbosity", "quiet");
  }
};

// How many requests are at the targets at once: from their arrival to their reply.
struct concurrency {
  std::atomic<int> now{0};
  std::atomic<int> most{0};

  void enter() {
    const auto n = ++now;
    auto seen = most.load();
    while (n > seen && !most.compare_exchange_weak(seen, n)) {
    }
  }
  void leave() { --now; }
};

// Holds each request until the target has worked off what else is in its mailbox.
caf::behavior busy_target(caf::event_based_actor* self, std::shared_ptr<concurrency> load) {
  auto waiting = std::make_shared<std::vector<std::pair<caf::response_promise, std::int32_t>>>();
  return {
      [self, load, waiting](ask_atom, std::int32_t x) {
        load->enter();
        waiting->emplace_back(self->make_response_promise(), x);
        compat::tell(caf::strong_actor_ptr{self->ctrl()}, answer_atom_v);
        return waiting->back().first;
      },
      [load, waiting](answer_atom) {
        auto [promise, x] = std::move(waiting->back());
        waiting->pop_back();
        load->leave();
        promise.deliver(x * 2);
      },
  };
}

// What all callers have seen, and the event that the last one makes.
struct tally {
  std::atomic<std::int64_t> to_come;
  std::atomic<std::int64_t> good{0};
  std::atomic<std::int64_t> refused{0};
  std::atomic<std::int64_t> wrong{0};
  std::promise<void> all;

  explicit tally(std::int64_t calls) : to_come(calls) {}
};

// Makes its calls one after the other, however they end.
class steady_caller : public caf::event_based_actor {
public:
  steady_caller(caf::actor_config& config, caf::actor to, int calls, std::shared_ptr<tally> books)
      : caf::event_based_actor(config),
        to_(caf::actor_cast<caf::strong_actor_ptr>(to)),
        calls_(calls),
        books_(std::move(books)) {}

protected:
  caf::behavior make_behavior() override {
    next();
    return {[this](ask_atom) { next(); }};
  }

private:
  void next() {
    if (calls_-- == 0) {
      quit();
      return;
    }
    compat::request(this, caf::actor_cast<caf::actor>(to_), ask_atom_v, std::int32_t{calls_})
        .then([this,
               x = calls_](std::int32_t y) { count(y == 2 * x ? books_->good : books_->wrong); },
              [this](const caf::error& e) {
                const auto typed = e == errc::shutting_down || e == caf::sec::request_receiver_down;
                count(typed ? books_->refused : books_->wrong);
              });
  }

  void count(std::atomic<std::int64_t>& what) {
    ++what;
    if (--books_->to_come == 0)
      books_->all.set_value();
    next();
  }

  caf::strong_actor_ptr to_;
  int calls_;
  std::shared_ptr<tally> books_;
};

constexpr int guards = 10;
constexpr int callers = 1000;
constexpr int calls_each = 50;

struct load_fixture {
  real_config config;
  caf::actor_system sys{config};
  std::shared_ptr<concurrency> load = std::make_shared<concurrency>();
  std::shared_ptr<tally> books = std::make_shared<tally>(callers * calls_each);
  caf::actor target = sys.spawn(busy_target, load);

  void start(const std::vector<caf::actor>& guarded) {
    for (int i = 0; i < callers; ++i)
      sys.spawn<steady_caller>(guarded[static_cast<std::size_t>(i % guards)], calls_each, books);
  }

  std::vector<caf::actor> make_guards(node& n, const caf::actor& pool) {
    std::vector<caf::actor> result;
    for (int i = 0; i < guards; ++i)
      result.push_back(
          n.guard("g" + std::to_string(i), target, {.deadline = 10min, .bulkhead = pool}));
    return result;
  }
};

} // namespace

TEST_CASE("fifty thousand calls over ten guards share one bulkhead exactly [B1 G3 K1]", "[guard]") {
  load_fixture f;
  {
    node n{f.sys};
    auto pool = n.bulkhead("p", {.max_workers = 8, .queue_size = callers});
    auto guarded = f.make_guards(n, pool);
    f.start(guarded);
    f.books->all.get_future().wait();
    CHECK(f.load->most <= 8);
    CHECK(f.load->now == 0);
    CHECK(f.books->good == callers * calls_each);
    CHECK(f.books->refused == 0);
    CHECK(f.books->wrong == 0);
    caf::scoped_actor self{f.sys};
    counters sum;
    for (const auto& guard : guarded)
      compat::request(self, guard, get_stats_atom_v)
          .receive([&](const guard_stats& s) { sum += s.calls; },
                   [](const caf::error& e) { FAIL(to_string(e)); });
    CHECK(sum.balanced());
    CHECK(sum.succeeded == callers * calls_each);
    CHECK(sum.in_flight == 0);
    compat::request(self, pool, get_stats_atom_v)
        .receive(
            [](const bulkhead_stats& s) {
              CHECK(s.active == 0);
              CHECK(s.queued == 0);
              CHECK(s.completed == callers * calls_each);
              CHECK(s.calls == callers * calls_each);
            },
            [](const caf::error& e) { FAIL(to_string(e)); });
    compat::request(self, pool, available_capacity_atom_v)
        .receive([](std::uint32_t free) { CHECK(free == 8); },
                 [](const caf::error& e) { FAIL(to_string(e)); });
  }
  f.target = nullptr;
  f.sys.await_all_actors_done();
}

TEST_CASE("a shutdown in the midst of a real load leaves nobody without an answer [G5]",
          "[guard]") {
  load_fixture f;
  {
    node n{f.sys};
    auto pool = n.bulkhead("p", {.max_workers = 8, .queue_size = callers});
    f.start(f.make_guards(n, pool));
    // In the midst: once the target has been asked at all. The guards go by the node.
    while (f.load->most == 0)
      std::this_thread::yield();
  }
  f.books->all.get_future().wait();
  CHECK(f.load->most <= 8);
  CHECK(f.books->wrong == 0);
  CHECK(f.books->good + f.books->refused == callers * calls_each);
  CHECK(f.books->refused > 0);
  f.target = nullptr;
  f.sys.await_all_actors_done();
}
