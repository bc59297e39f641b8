#include "support/guards.hpp"

#include <atomic>
#include <future>
#include <map>
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

// Whether the numbers of each caller come in order: caller * 1000 + number.
caf::behavior order_target(std::shared_ptr<std::atomic<int>> out_of_order) {
  auto last = std::make_shared<std::map<std::int32_t, std::int32_t>>();
  return {
      [last, out_of_order](ask_atom, std::int32_t x) {
        auto& before = last->try_emplace(x / 1000, -1).first->second;
        *out_of_order += x > before ? 0 : 1;
        before = x;
        return x;
      },
  };
}

// Asks a thousand times without waiting, and tells of the last answer.
caf::behavior hasty_caller(caf::event_based_actor* self, const caf::actor& to, std::int32_t number,
                           std::shared_ptr<std::promise<void>> done) {
  auto open = std::make_shared<int>(1000);
  auto answered = [open, done] {
    if (--*open == 0)
      done->set_value();
  };
  for (std::int32_t i = 0; i < 1000; ++i)
    compat::request(self, to, ask_atom_v, number * 1000 + i)
        .then([answered](std::int32_t) { answered(); },
              [answered](const caf::error&) { answered(); });
  return {[](answer_atom) {}};
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

constexpr int callers = 1000;
constexpr int calls_each = 50;

struct load_fixture {
  explicit load_fixture(int guards) : guard_count(guards) {}

  const int guard_count;
  real_config config;
  caf::actor_system sys{config};
  std::shared_ptr<concurrency> load = std::make_shared<concurrency>();
  std::shared_ptr<tally> books = std::make_shared<tally>(callers * calls_each);
  caf::actor target = sys.spawn(busy_target, load);

  void start(const std::vector<caf::actor>& guarded) {
    for (int i = 0; i < callers; ++i)
      sys.spawn<steady_caller>(guarded[static_cast<std::size_t>(i % guard_count)], calls_each,
                               books);
  }

  std::vector<caf::actor> make_guards(node& n, const caf::actor& pool) {
    std::vector<caf::actor> result;
    for (int i = 0; i < guard_count; ++i)
      result.push_back(
          n.guard("g" + std::to_string(i), target, {.deadline = 10min, .bulkhead = pool}));
    return result;
  }

  void check_books(const std::vector<caf::actor>& guarded, const caf::actor& pool) {
    caf::scoped_actor self{sys};
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
};

// The limit as the target itself sees it, and the books at the end.
void hammer_one_bulkhead(int guards) {
  load_fixture f{guards};
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
    f.check_books(guarded, pool);
  }
  f.target = nullptr;
  f.sys.await_all_actors_done();
}

} // namespace

TEST_CASE("fifty thousand calls over ten guards share one bulkhead exactly [B1 G3 K1]", "[guard]") {
  hammer_one_bulkhead(10);
}

TEST_CASE("fifty thousand calls over a thousand guards share one bulkhead exactly [B1 G3 K1]",
          "[guard]") {
  hammer_one_bulkhead(1000);
}

TEST_CASE(
    "messages of one caller reach the target in their order although they wait for permits [G17]",
    "[guard]") {
  real_config config;
  caf::actor_system sys{config};
  auto out_of_order = std::make_shared<std::atomic<int>>(0);
  {
    node n{sys};
    auto target = sys.spawn(order_target, out_of_order);
    auto guard = n.guard("g", target,
                         {.deadline = 10min,
                          .breaker = circuit_breaker_policy{},
                          .bulkhead = bulkhead_policy{.max_workers = 2, .queue_size = 10'000}});
    std::vector<std::future<void>> ends;
    for (std::int32_t number = 0; number < 8; ++number) {
      auto done = std::make_shared<std::promise<void>>();
      ends.push_back(done->get_future());
      sys.spawn(hasty_caller, guard, number, done);
    }
    for (auto& end : ends)
      end.wait();
  }
  CHECK(*out_of_order == 0);
}

TEST_CASE("a shutdown in the midst of a real load leaves nobody without an answer [G5]",
          "[guard]") {
  load_fixture f{10};
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
