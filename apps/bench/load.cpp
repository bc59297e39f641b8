#include "load.hpp"

#include "report/books.hpp"

#include <chrono>
#include <stdexcept>
#include <utility>

namespace bench {

namespace {

constexpr auto one_second = std::chrono::seconds{1};

// Sends one request after the other, `in_flight` of them at a time, and says when all are answered.
class caller : public caf::event_based_actor {
public:
  caller(caf::actor_config& config, caf::actor target, std::size_t in_flight, timing how)
      : caf::event_based_actor(config),
        target_(std::move(target)),
        in_flight_(in_flight),
        how_(how) {}

protected:
  caf::behavior make_behavior() override {
    return {[this](start_atom, std::uint64_t calls, const caf::actor& judge) {
      judge_ = judge;
      left_ = calls;
      for (std::size_t i = 0; i < in_flight_ && left_ > 0; ++i)
        send_one();
    }};
  }

private:
  void send_one() {
    --left_;
    ++open_;
    const auto on_value = [this](std::int32_t) { answered(); };
    const auto on_error = [this](const caf::error&) { answered(); };
    BULWARK_DEPRECATED_BEGIN
    if (how_ == timing::infinite)
      request(target_, caf::infinite, std::int32_t{1}).then(on_value, on_error);
    else
      request(target_, one_second, std::int32_t{1}).then(on_value, on_error);
    BULWARK_DEPRECATED_END
  }

  void answered() {
    --open_;
    if (left_ > 0)
      send_one();
    else if (open_ == 0)
      bulwark::compat::tell(caf::actor_cast<caf::strong_actor_ptr>(judge_), done_atom_v);
  }

  caf::actor target_;
  caf::actor judge_;
  std::size_t in_flight_;
  timing how_;
  std::uint64_t left_ = 0;
  std::uint64_t open_ = 0;
};

// Its requests are under way until it ends.
caf::behavior stuck_caller(caf::event_based_actor* self, const caf::actor& target,
                           std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    bulwark::compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(target),
                             caf::strong_actor_ptr{self->ctrl()},
                             self->new_request_id(caf::message_priority::normal),
                             caf::make_message(stuck_atom_v), self->context());
  return {[](done_atom) {}};
}

} // namespace

system_of::config::config(std::size_t workers, const std::string& policy) {
  static const bool known = [] {
    caf::init_global_meta_objects<caf::id_block::bench>();
    caf::init_global_meta_objects<caf::id_block::bulwark>();
    caf::core::init_global_meta_objects();
    return true;
  }();
  static_cast<void>(known);
  set("caf.scheduler.max-threads", workers);
  set("caf.scheduler.policy", policy);
}

system_of::system_of(std::size_t workers, const std::string& policy)
    : config_(workers, policy), system_(config_) {}

caf::behavior increment() {
  return {
      [](std::int32_t x) { return x + 1; },
      // As if somebody else would answer.
      [](stuck_atom) { return caf::delegated<std::int32_t>{}; },
  };
}

caf::behavior naive_proxy(caf::event_based_actor* self, const caf::actor& target) {
  return {[self, target](std::int32_t x) {
    auto promise = self->make_response_promise();
    BULWARK_DEPRECATED_BEGIN
    self->request(target, one_second, x)
        .then([promise](std::int32_t y) mutable { promise.deliver(y); },
              [promise](caf::error& error) mutable { promise.deliver(std::move(error)); });
    BULWARK_DEPRECATED_END
    return promise;
  }};
}

bulwark::guard_policy everything() {
  using namespace std::chrono_literals;
  return {.deadline = 1h,
          .attempt_timeout = 30min,
          .retry = bulwark::retry_policy{},
          .breaker = bulwark::circuit_breaker_policy{},
          .bulkhead = bulwark::bulkhead_policy{.max_workers = 2'000'000, .queue_size = 1000}};
}

callers::callers(caf::actor_system& system, const std::vector<caf::actor>& targets,
                 std::size_t count, std::size_t in_flight, timing how)
    : self_(system) {
  for (std::size_t i = 0; i < count; ++i)
    callers_.push_back(system.spawn<caller>(targets[i % targets.size()], in_flight, how));
}

callers::~callers() {
  for (const auto& each : callers_)
    caf::anon_send_exit(each, caf::exit_reason::kill);
}

std::size_t callers::rounded(std::size_t calls) const noexcept {
  return calls / callers_.size() * callers_.size();
}

double callers::run(std::size_t calls) {
  const auto each = std::uint64_t{calls / callers_.size()};
  const auto begin = std::chrono::steady_clock::now();
  for (const auto& who : callers_)
    bulwark::compat::tell(caf::actor_cast<caf::strong_actor_ptr>(who), start_atom_v, each,
                          caf::actor{self_});
  for (std::size_t i = 0; i < callers_.size(); ++i)
    self_->receive([](done_atom) {});
  const auto elapsed = std::chrono::steady_clock::now() - begin;
  return std::chrono::duration<double, std::nano>(elapsed).count()
         / static_cast<double>(rounded(calls));
}

callers guarded_target::calls_to(const caf::actor& whom, timing how) {
  constexpr std::size_t caller_count = 64;
  constexpr std::size_t in_flight = 4;
  return {*system, {whom}, caller_count, in_flight, how};
}

caf::actor make_stuck(caf::actor_system& system, const caf::actor& target, std::size_t count) {
  return system.spawn(stuck_caller, target, count);
}

figure audited(bulwark::node& node, figure measured) {
  // Some calls may be stuck on purpose.
  const auto found = apps::find_imbalances(apps::read_books(node), false);
  if (!found.empty())
    throw std::runtime_error{"the books do not balance: " + found.front()};
  return measured;
}

std::uint64_t messages_so_far(caf::actor_system& system) {
  return static_cast<std::uint64_t>(system.base_metrics().processed_messages->value());
}

} // namespace bench
