#include "bulwark/call_context.hpp"
#include "bulwark/supervisor.hpp"

#include "support/catch.hpp"

#include <fmt/format.h>

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <vector>

/// @file Three guards one behind the other, each with three attempts, before a target that fails:
/// how many calls it sees for each at the top. Real supervisors in virtual time.

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

enum class manner {
  naive,        // each tier tries again whatever fails, as if it were alone
  with_context, // it knows which calls are somebody's retry
  with_budget,  // and each tier has a budget
};

struct world {
  instant now{1h};
  std::multimap<instant, std::function<void()>> events;

  void after(timespan delay, std::function<void()> what) {
    events.emplace(now + delay, std::move(what));
  }
  void run_until(instant end) {
    while (!events.empty() && events.begin()->first <= end) {
      auto next = events.extract(events.begin());
      now = std::max(now, next.key());
      next.mapped()();
    }
    now = end;
  }
};

using reply_to = std::function<void(const reply_class&)>;
/// What takes a call: the guard further in, or the target.
using callee = std::function<void(std::uint32_t attempt, reply_to)>;

class tier final : public supervisor_effects {
public:
  tier(world& w, manner how, std::uint64_t seed, callee inner)
      : world_(w),
        how_(how),
        inner_(std::move(inner)),
        core_(limits_, nullptr, *this, w.now, seed) {
    limits_.retry = retry_limits{.max_attempts = 3, .base_delay = 50ms};
    if (how == manner::with_budget) {
      budget_ = std::make_unique<retry_budget>(retry_budget_policy{});
      limits_.budget = budget_.get();
    }
  }

  void call(std::uint32_t attempt, reply_to to) {
    const auto slot = core_.open();
    calls_[slot] = {attempt, std::move(to)};
    core_.start(slot, {.attempt = how_ == manner::naive ? 1 : attempt}, world_.now);
  }

  [[nodiscard]] const supervisor_books& books() const { return core_.books(); }

private:
  struct waiting {
    std::uint32_t attempt;
    reply_to to;
  };

  world& world_;
  manner how_;
  callee inner_;
  std::unique_ptr<retry_budget> budget_;
  supervisor_limits limits_;
  supervisor core_;
  std::map<std::uint32_t, waiting> calls_;
  reply_class last_;
  std::uint64_t last_wish_ = 0; // to be woken

  void start_attempt(attempt_id id) override {
    const call_context from{.attempt = calls_.at(id.slot).attempt};
    const auto next = next_hop(&from, {}, core_.attempts_of(id));
    world_.after(1ms, [this, id, next] {
      inner_(next.attempt, [this, id](const reply_class& reply) {
        last_ = reply;
        core_.on_reply(id, reply, world_.now);
      });
    });
  }

  // As a guard's errors look from further out: what it has tried often enough isn't transient,
  // unless nobody knows of the others.
  void answer(std::uint32_t slot, const call_end& end) override {
    auto reply = end.error ? reply_class{error_class{.retryable = how_ == manner::naive}} : last_;
    if (end.no_more)
      reply->forbids_retry = true;
    world_.after(1ms, [to = std::move(calls_.at(slot).to), reply] { to(reply); });
  }

  void wake_at(instant due) override {
    world_.events.emplace(due, [this, wish = ++last_wish_] {
      if (wish == last_wish_) // else replaced
        core_.on_tick(world_.now);
    });
  }
  [[nodiscard]] error_class classify(errc) const override { return {}; }
  void ask_probe(attempt_id, instant) override {}
  void tell_breaker(const permit&, const attempt_outcome&) override {}
  void tell_successes(const success_batch&) override {}
  void ask_permit(attempt_id) override {}
  void withdraw(attempt_id) override {}
  void return_permits(std::uint32_t) override {}
  void cut_attempt(attempt_id, errc) override {}
};

struct outcome {
  double amplification; // calls on the target for each at the top
  double succeeded;     // share
};

outcome run(manner how, double failing, std::uint64_t seed) {
  constexpr auto calls = 1'500; // 100 a second
  world w;
  random_stream chance{seed};
  auto on_target = 0;
  const callee target = [&](std::uint32_t, reply_to to) {
    ++on_target;
    const auto reply = chance.unit() < failing ? reply_class{error_class{}} : reply_class{};
    w.after(2ms, [to = std::move(to), reply] { to(reply); });
  };
  const auto through = [](tier& next) -> callee {
    return [&next](std::uint32_t attempt, reply_to to) { next.call(attempt, std::move(to)); };
  };
  tier bottom{w, how, seed + 1, target};
  tier middle{w, how, seed + 2, through(bottom)};
  tier top{w, how, seed + 3, through(middle)};
  auto answered = 0;
  auto succeeded = 0;
  for (auto i = 0; i < calls; ++i) {
    w.run_until(w.now + 10ms);
    top.call(1, [&](const reply_class& reply) {
      ++answered;
      succeeded += reply ? 0 : 1;
    });
  }
  w.run_until(w.now + 10min);
  CHECK(answered == calls);
  CHECK(top.books().calls.balanced());
  return {double(on_target) / calls, double(succeeded) / calls};
}

struct figures {
  double most = 0;
  double least = 1e9;
  double succeeded = 1;
};

figures of_20_seeds(manner how, double failing) {
  figures result;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto each = run(how, failing, seed * 1'000);
    result.most = std::max(result.most, each.amplification);
    result.least = std::min(result.least, each.amplification);
    result.succeeded = std::min(result.succeeded, each.succeeded);
  }
  static constexpr std::array names{"naive", "context", "context and budget"};
  fmt::print("three tiers, target fails {:3.0f} %, {:<18}: {:.2f} .. {:.2f} calls on "
             "the target for each at the top, at least {:.1f} % succeed\n",
             failing * 100, names.at(static_cast<std::size_t>(how)), result.least, result.most,
             result.succeeded * 100);
  return result;
}

} // namespace

TEST_CASE("only one tier tries again where the attempt travels with the call [T36]", "[effect]") {
  CHECK(of_20_seeds(manner::with_context, 1.0).most == Approx(3.0));
  CHECK(of_20_seeds(manner::with_context, 0.5).most < 1.85);
}

TEST_CASE("three tiers of three attempts add less than a fifth to what the target sees by budgets "
          "and up to 27 times as much where each thinks it is alone [V2 T32 T36]",
          "[effect]") {
  CHECK(of_20_seeds(manner::naive, 1.0).least == Approx(27.0));
  CHECK(of_20_seeds(manner::naive, 0.5).least > 1.9);
  for (auto failing : {0.5, 1.0}) {
    const auto guarded = of_20_seeds(manner::with_budget, failing);
    CHECK(guarded.most <= 1.2);
    CHECK(guarded.least > 1.05);
  }
}

TEST_CASE("few failures are still mended by retries within budgets [T32]", "[effect]") {
  const auto result = of_20_seeds(manner::with_budget, 0.05);
  CHECK(result.most <= 1.1);
  CHECK(result.succeeded > 0.99);
}
