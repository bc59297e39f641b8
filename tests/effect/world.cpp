#include "effect/world.hpp"

#include "bulwark/circuit_view.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace bulwark_effect {

/// The cores, and what shells do between them. What one tells another is a message: it arrives at the
/// same time, but later.
struct world::guarded final : private supervisor_effects,
                              private bulkhead_effects,
                              private circuit_observer {
  struct request {
    outcome so_far;
    std::uint32_t unanswered;
  };
  struct record {
    std::shared_ptr<request> of;
    call_class as;
  };

  world& all;
  guard_settings settings;
  circuit_view view;
  std::optional<retry_budget> budget;
  std::optional<hedging> hedges;
  std::optional<circuit_breaker> breaker;
  std::optional<bulkhead> pool;
  supervisor core;
  std::vector<record> records;
  bool reply_failed = false;
  std::uint64_t last_wish = 0; // to be woken

  guarded(world& w, const guard_settings& with)
      : all(w), settings(with), core(settings.limits, &view, *this, instant{}, w.random_.next()) {
    settings.limits.bulkhead = with.bulkhead.has_value();
    settings.limits.breaker = with.breaker.has_value();
    if (with.bulkhead) {
      pool.emplace(*with.bulkhead, static_cast<bulkhead_effects&>(*this), w.random_.next());
      settings.limits.queue_timeout = with.bulkhead->queue_timeout;
      settings.limits.tells_samples = with.bulkhead->adaptive.has_value();
    }
    if (with.retry_budget)
      settings.limits.budget = &budget.emplace(*with.retry_budget);
    if (with.hedge)
      settings.limits.hedge = &hedges.emplace(*with.hedge, instant{});
    if (with.breaker) {
      take_limits(settings.limits, *with.breaker);
      breaker.emplace(*with.breaker, static_cast<circuit_observer&>(*this), instant{},
                      w.random_.next());
    }
    publish();
  }

  instant now() const { return instant_of(all.now_); }

  record& record_of(std::uint32_t slot) {
    if (slot >= records.size())
      records.resize(slot + 1);
    return records[slot];
  }

  void call(const call_class& as, std::uint32_t fan_out) {
    const auto of = std::make_shared<request>(request{.so_far = {.began = all.now_,
                                                                 .ended = 0,
                                                                 .tenant = as.tenant,
                                                                 .importance = as.importance,
                                                                 .good = true,
                                                                 .attempts = 0},
                                                      .unanswered = fan_out});
    for (std::uint32_t i = 0; i < fan_out; ++i) {
      const auto slot = core.open();
      record_of(slot) = {.of = of, .as = as};
      core.start(slot, {}, now());
    }
  }

  void later(std::function<void()> what) { all.at(all.now_, std::move(what)); }

  template <class F>
  void at_bulkhead(F f) {
    later([this, f] {
      pool->advance(now());
      f(*pool);
    });
  }

  void publish() {
    if (breaker)
      breaker->publish(view);
  }

  template <class F>
  void at_breaker(F f) {
    later([this, f] {
      f(*breaker);
      publish();
    });
  }

  // -- supervisor_effects
  void ask_probe(attempt_id attempt, instant hold_until) override {
    at_breaker([this, attempt, hold_until](circuit_breaker& b) {
      const auto decision = b.admit(now(), hold_until);
      later([this, attempt, decision] { core.on_probe(attempt, decision, now()); });
    });
  }
  void tell_breaker(const permit& held, const attempt_outcome& how) override {
    at_breaker([this, held, how](circuit_breaker& b) { b.on_outcome(held, how, now()); });
  }
  void tell_successes(const success_batch& batch) override {
    at_breaker([this, batch](circuit_breaker& b) { b.on_successes(batch, now()); });
  }
  static ticket_id ticket_of(attempt_id a) { return (ticket_id{a.slot} << 32U) | a.serial; }
  static attempt_id attempt_of(ticket_id t) {
    return {.slot = static_cast<std::uint32_t>(t >> 32U), .serial = static_cast<std::uint32_t>(t)};
  }
  void ask_permit(attempt_id attempt) override {
    at_bulkhead([attempt, as = records[attempt.slot].as](bulkhead& b) {
      b.ask(1, ticket_of(attempt), as);
    });
  }
  void withdraw(attempt_id attempt) override {
    at_bulkhead([attempt](bulkhead& b) { b.withdraw(1, ticket_of(attempt)); });
  }
  void return_permits(std::uint32_t count) override {
    at_bulkhead([count](bulkhead& b) { b.give_back(1, count); });
  }
  void tell_samples(const latency_samples& samples) override {
    at_bulkhead([samples](bulkhead& b) { b.on_samples(samples); });
  }
  void start_attempt(attempt_id attempt) override {
    ++records[attempt.slot].of->so_far.attempts;
    later([this, attempt] {
      all.arrive([this, attempt](bool failed) {
        reply_failed = failed;
        core.on_reply(attempt, failed ? reply_class{error_class{}} : std::nullopt, now());
      });
    });
  }
  // The target doesn't know: it does what it has been told to do, though nobody waits for it.
  void cut_attempt(attempt_id, errc) override {}
  void answer(std::uint32_t slot, const call_end& end) override {
    const auto of = std::exchange(records[slot].of, nullptr);
    of->so_far.good = of->so_far.good && !end.error && !reply_failed;
    if (--of->unanswered > 0)
      return;
    of->so_far.ended = all.now_;
    of->so_far.good = of->so_far.good && all.now_ - of->so_far.began <= patience;
    all.outcomes_.push_back(of->so_far);
  }
  void copy_call(std::uint32_t from, std::uint32_t to) override {
    auto copy = records[from];
    record_of(to) = std::move(copy);
  }
  void wake_at(instant due) override {
    all.at(std::max(all.now_, static_cast<double>(due.time_since_epoch().count()) / 1e9 + 1e-9),
           [this, wish = ++last_wish] {
             if (wish == last_wish) // else replaced
               core.on_tick(now());
           });
  }
  error_class classify(errc code) const override {
    return {.counts = !is_rejection(code), .retryable = !is_rejection(code)};
  }

  // -- bulkhead_effects
  void grant(holder_id, ticket_id ticket, std::uint32_t extra, bool keep) override {
    later([this, ticket, extra, keep] { core.on_permit(attempt_of(ticket), extra, keep, now()); });
  }
  void refuse(holder_id, ticket_id ticket, errc why) override {
    later([this, ticket, why] { core.on_refused(attempt_of(ticket), why, now()); });
  }
  void recall(holder_id holder, std::uint64_t round) override {
    later([this, holder, round] {
      const auto unused = core.on_recall();
      at_bulkhead([holder, round, unused](bulkhead& b) { b.on_recalled(holder, round, unused); });
    });
  }

  // -- circuit_observer
  void on_transition(const circuit_transition& what) override {
    all.transitions_.push_back({all.now_, what.from, what.to});
  }
};

world::world(const guard_settings& guard, const target_settings& with, std::uint64_t seed)
    : target(with), random_(seed), guard_(std::make_unique<guarded>(*this, guard)) {}

world::~world() = default;

double world::exponential(double mean) {
  return -mean * std::log(1 - random_.unit());
}

void world::at(seconds when, std::function<void()> what) {
  events_.push_back({when, ++last_event_, std::move(what)});
  std::push_heap(events_.begin(), events_.end());
}

void world::calls(const load& what, seconds from, seconds to) {
  at(from + exponential(1 / what.calls_per_second), [this, what, to] { come(what, to); });
}

void world::come(const load& what, seconds to) {
  if (now_ >= to)
    return;
  call(what.as, what.fan_out);
  at(now_ + exponential(1 / what.calls_per_second), [this, what, to] { come(what, to); });
}

void world::call(const call_class& as, std::uint32_t fan_out) {
  guard_->call(as, fan_out);
}

void world::arrive(attempt_end done) {
  arrivals_.push_back(now_);
  if (!target.answers)
    return;
  if (service_) {
    service_(std::move(done));
    return;
  }
  waiting_.push_back(std::move(done));
  serve();
}

void world::serve() {
  while (busy_ < target.servers && !waiting_.empty()) {
    ++busy_;
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    const auto takes =
        target.straggler_share > 0 && random_.unit() < target.straggler_share
            ? target.straggles
            : target.service * (1 - target.spread) + exponential(target.service * target.spread);
    const auto failed = random_.unit() < target.failure_share;
    at(now_ + takes, [this, failed, done = std::move(next)] {
      --busy_;
      ++served_;
      done(failed);
      serve();
    });
  }
}

void world::run(seconds until) {
  while (!events_.empty() && events_.front().when <= until) {
    std::pop_heap(events_.begin(), events_.end());
    auto next = std::move(events_.back());
    events_.pop_back();
    now_ = next.when;
    next.what();
  }
  now_ = until;
}

std::uint32_t world::limit() const {
  return guard_->pool ? guard_->pool->limit() : 0;
}

figures world::figures_of(seconds from, seconds to,
                          const std::function<bool(const outcome&)>& counts) const {
  figures result;
  std::vector<seconds> took;
  for (const auto& each : outcomes_) {
    if (each.began < from || each.began >= to || !counts(each))
      continue;
    ++result.offered;
    result.attempts += each.attempts;
    if (each.good)
      took.push_back(each.ended - each.began);
  }
  std::sort(took.begin(), took.end());
  const auto quantile = [&](double q) {
    return took.empty() ? 0 : took[static_cast<std::size_t>(q * static_cast<double>(took.size()))];
  };
  result.p50 = quantile(0.5);
  result.p99 = quantile(0.99);
  result.attempts /= std::max(1.0, result.offered);
  const auto came = [this](seconds when) {
    return std::lower_bound(arrivals_.begin(), arrivals_.end(), when);
  };
  result.on_target = static_cast<double>(came(to) - came(from)) / (to - from);
  result.goodput = static_cast<double>(took.size()) / (to - from);
  result.offered /= to - from;
  return result;
}

figures world::between(seconds from, seconds to) const {
  return figures_of(from, to, [](const outcome&) { return true; });
}

figures world::between_of_others(seconds from, seconds to, std::uint64_t tenant) const {
  return figures_of(from, to, [=](const outcome& each) { return each.tenant != tenant; });
}

} // namespace bulwark_effect
