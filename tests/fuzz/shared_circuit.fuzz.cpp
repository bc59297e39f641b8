// A circuit breaker that nodes share: owner, shares and the breakers of three nodes, with letters
// that are late, lost, doubled and overtaken, nodes and owners that come and go, and words that none
// of them has said.
#include "fuzz/bytes.hpp"
#include "fuzz/letters.hpp"
#include "models/must.hpp"

#include "bulwark/circuit_share.hpp"
#include "bulwark/shared_circuit.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <variant>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

constexpr timespan lease_time = 100ms;
constexpr std::size_t most_nodes = 3;

struct nobody final : circuit_observer {
  void on_transition(const circuit_transition&) override {}
};

struct outcome {
  permit held;
  std::optional<bool> failed;
};

class world;

struct member final : circuit_share_effects {
  world& all;
  const std::size_t place;
  const node_key key;
  nobody observer;
  circuit_breaker own;
  circuit_share share;
  bool up = false;  // as it knows
  bool cut = false; // the line is lost, and it hasn't been told yet
  std::uint64_t generation = 0;
  std::vector<permit> calls;  // in progress, by its own breaker's leave
  std::vector<permit> probes; // in progress, by the owner's

  member(world& w, std::size_t where, node_key id, owner_lost when_lost);
  void report(const circuit_report& report) override;
  void policy_changed(const circuit_breaker_limits& policy) override;
};

class world final : shared_circuit_effects {
public:
  explicit world(bytes& input)
      : input_(input),
        with_{.lease_time = lease_time, .trips_for = static_cast<trip_scope>(input.below(3))},
        when_lost_(static_cast<owner_lost>(input.below(3))) {
    start_owner();
    for (std::size_t i = 0; i < most_nodes; ++i)
      start(i);
  }

  void run() {
    while (!input_.empty()) {
      step();
      check();
    }
    if (!forged_)
      finish();
  }

  instant now{1h};

private:
  friend struct member;

  bytes& input_;
  const sharing_policy with_;
  const owner_lost when_lost_;
  circuit_breaker_limits policy_{
      .failure_threshold = 2, .success_threshold = 2, .open_for = 20ms, .half_open_calls = 2};
  std::uint32_t most_probes_ = 2;
  nobody observer_;
  std::unique_ptr<shared_circuit> owner_;
  std::uint64_t generation_ = 0;
  std::array<std::unique_ptr<member>, most_nodes> nodes_;
  node_key last_key_ = 0;
  bool forged_ = false;
  letters<std::variant<std::pair<node_key, circuit_report>, outcome>> to_owner_;
  letters<std::pair<node_key, std::variant<circuit_word, permit>>> to_nodes_;

  void say(node_key to, const circuit_word& word) override {
    for (auto& each : nodes_)
      if (each->key == to && !each->cut)
        to_nodes_.post(each->place, {to, word});
  }

  void start_owner() {
    owner_ = std::make_unique<shared_circuit>(
        policy_, with_, static_cast<shared_circuit_effects&>(*this), observer_, now);
    generation_ = 0;
  }

  void end_owner() {
    owner_.reset();
    for (auto& each : nodes_)
      cut(*each);
  }

  void start(std::size_t i) {
    nodes_[i] = std::make_unique<member>(*this, i, ++last_key_, when_lost_);
    set_line(*nodes_[i], true);
  }

  // What is under way on a line that is lost is lost with it.
  void cut(member& of) {
    of.cut = true;
    to_owner_.lose_all(of.place);
    to_nodes_.lose_all(of.place);
  }

  void set_line(member& of, bool up) {
    cut(of);
    of.cut = !up;
    of.up = up;
    of.share.on_line(up, now);
    of.share.on_change(now);
  }

  void arrive_at_owner(const std::variant<std::pair<node_key, circuit_report>, outcome>& what) {
    if (!owner_)
      return;
    if (const auto* over = std::get_if<outcome>(&what))
      owner_->on_outcome(over->held, {.failed = over->failed}, now);
    else
      owner_->on_report(std::get<0>(what).first, std::get<0>(what).second, now);
  }

  void arrive_at(std::size_t i,
                 const std::pair<node_key, std::variant<circuit_word, permit>>& what) {
    auto& node = *nodes_[i];
    if (node.key != what.first || !node.up || node.cut)
      return;
    if (const auto* word = std::get_if<circuit_word>(&what.second))
      node.share.on_word(*word, now);
    else if (const auto own = node.share.to_own(std::get<permit>(what.second)))
      node.probes.push_back(*own);
    else
      to_owner_.post(i, outcome{std::get<permit>(what.second), std::nullopt});
    node.share.on_change(now);
  }

  void begin_call(member& of) {
    if (of.share.owner_decides()) {
      if (!owner_ || !of.up || of.cut)
        return;
      const auto leave =
          owner_->admit(of.key, now, input_.byte() % 2 == 0 ? end_of_time : now + 10ms);
      if (const auto* given = std::get_if<permit>(&leave))
        to_nodes_.post(of.place, {of.key, *given});
      return;
    }
    const auto leave = of.own.admit(now, input_.byte() % 2 == 0 ? end_of_time : now + 10ms);
    if (const auto* given = std::get_if<permit>(&leave); given && of.calls.size() < 16)
      of.calls.push_back(*given);
  }

  void end_call(member& of) {
    const auto how = input_.byte();
    const auto failed = how % 4 == 3 ? std::nullopt : std::optional{how % 4 != 0};
    if (!of.probes.empty()) {
      const auto held = of.probes.back();
      of.probes.pop_back();
      if (const auto owners = of.share.to_owners(held); owners && of.up && !of.cut)
        to_owner_.post(of.place, outcome{*owners, failed});
    } else if (!of.calls.empty()) {
      const auto held = of.calls[how % of.calls.size()];
      std::erase(of.calls, held);
      if (!failed)
        of.own.on_cancelled(held, now);
      else if (*failed)
        of.own.on_failure(held, now);
      else
        of.own.on_success(held, now);
    }
  }

  // Time passes, and everybody is woken when he asked for it.
  void pass(timespan length) {
    const auto until = now + length;
    for (int turns = 0;; ++turns) {
      MUST(turns < 1'000); // else they wake each other for ever
      auto next = owner_ ? owner_->due() : end_of_time;
      for (const auto& each : nodes_)
        next = std::min({next, each->share.due(), each->own.due()});
      if (next > until)
        break;
      now = std::max(now, next);
      if (owner_ && owner_->due() <= now)
        owner_->on_tick(now);
      for (auto& each : nodes_) {
        each->own.on_tick(now);
        each->share.on_change(now);
      }
    }
    now = until;
  }

  void forge() {
    forged_ = true;
    if (input_.byte() % 2 == 0) {
      to_owner_.post(0, std::pair{input_.below(5) + last_key_ - 2,
                                  circuit_report{.stamp = {input_.any<std::uint64_t>(),
                                                           input_.any<std::uint64_t>()},
                                                 .trips = input_.any<std::uint64_t>(),
                                                 .tripped = input_.byte() % 2 == 0,
                                                 .seen = input_.any<std::uint64_t>()}});
      return;
    }
    const auto i = input_.below(most_nodes);
    circuit_word word{.answers = {1U + input_.below(4), 1U + input_.below(8)},
                      .number = input_.any<std::uint64_t>(),
                      .closed_down = input_.below(8) == 0,
                      .state = static_cast<circuit_state>(input_.below(5)),
                      .generation = input_.any<std::uint64_t>(),
                      .probes_in = timespan{input_.any<std::int64_t>()},
                      .policy = policy_};
    const auto odd = input_.byte();
    if (odd % 2 == 0)
      word.policy.open_for = timespan{input_.any<std::int64_t>()};
    if (odd % 4 == 0)
      word.policy.half_open_calls = input_.any<std::uint32_t>();
    word.lease_time = odd % 8 < 6 ? lease_time : timespan{input_.any<std::int64_t>()};
    to_nodes_.post(i, {nodes_[i]->key, word});
  }

  void operate() {
    if (!owner_)
      return;
    switch (input_.below(4)) {
    case 0:
      return owner_->force_open(now);
    case 1:
      return owner_->disable(now);
    case 2:
      return owner_->reset(now);
    default:
      policy_.half_open_calls = 1 + input_.below(3);
      policy_.failure_threshold = 1 + input_.below(3);
      most_probes_ = std::max(most_probes_, policy_.half_open_calls);
      return owner_->change_policy(policy_, now);
    }
  }

  void step() {
    const auto what = input_.byte();
    const auto which = what / 32 % most_nodes;
    auto& node = *nodes_[which];
    switch (what % 32) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
      begin_call(node);
      break;
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
    case 12:
    case 13:
      end_call(node);
      break;
    case 14:
    case 15:
    case 16:
      return to_owner_.deliver(input_,
                               [this](auto, const auto& letter) { arrive_at_owner(letter); });
    case 17:
    case 18:
    case 19:
    case 20:
      return to_nodes_.deliver(input_,
                               [this](auto i, const auto& letter) { arrive_at(i, letter); });
    case 21:
    case 22:
    case 23:
    case 24:
      return pass((1 + input_.byte()) * 500us);
    case 25:
      operate();
      break;
    case 26:
      set_line(node, !node.up);
      break;
    case 27:
      cut(node); // it is told later
      if (owner_)
        owner_->lose(node.key, now);
      break;
    case 28:
      start(node.place);
      break;
    case 29:
      owner_ ? end_owner() : start_owner();
      break;
    case 30:
      if (owner_ && input_.below(4) == 0) {
        owner_->close(now);
        deliver_all();
        end_owner();
      }
      break;
    default:
      return forge();
    }
    nodes_[which]->share.on_change(now);
  }

  void check() {
    for (auto& each : nodes_) {
      MUST(each->own.generation() >= each->generation);
      each->generation = each->own.generation();
      MUST(each->own.probes() == 0 || each->own.state() == circuit_state::half_open);
      MUST(!each->share.owner_decides() || each->share.leased());
    }
    if (!owner_)
      return;
    const auto& circuit = owner_->circuit();
    MUST(circuit.generation() >= generation_);
    generation_ = circuit.generation();
    MUST(circuit.probes() <= most_probes_);
    MUST(circuit.probes() == 0 || circuit.state() == circuit_state::half_open);
  }

  void deliver_all() {
    for (int turns = 0; !to_owner_.empty() || !to_nodes_.empty(); ++turns) {
      MUST(turns < 100); // else they talk for ever
      to_owner_.deliver_all([this](auto, const auto& letter) { arrive_at_owner(letter); });
      to_nodes_.deliver_all([this](auto i, const auto& letter) { arrive_at(i, letter); });
    }
  }

  // Once the network is in order all see what the owner says, and close with it.
  void finish() {
    if (!owner_)
      start_owner();
    deliver_all();
    for (auto& each : nodes_)
      if (!each->up || each->cut || !each->share.leased())
        set_line(*each, true); // and says so at once
    for (int i = 0; i < 3; ++i) {
      deliver_all();
      pass(lease_time / 4);
    }
    deliver_all();
    for (auto& each : nodes_) {
      MUST(each->share.leased());
      MUST(each->own.policy() == owner_->circuit().policy());
      if (owner_->circuit().state() != circuit_state::closed)
        MUST(each->own.state() == owner_->circuit().state());
    }
    // What has tripped by itself would open it for all once more: they are reset, and then the owner.
    for (int i = 0; i < 3; ++i) {
      owner_->reset(now);
      deliver_all();
      for (auto& each : nodes_) {
        if (!each->own.following())
          each->own.reset(now);
        each->share.on_change(now);
      }
      deliver_all();
    }
    check();
    for (auto& each : nodes_)
      MUST(each->own.state() == circuit_state::closed);
  }
};

member::member(world& w, std::size_t where, node_key id, owner_lost when_lost)
    : all(w),
      place(where),
      key(id),
      own(circuit_breaker_limits{}, observer, w.now),
      share(own, *this, when_lost, w.now) {}

void member::report(const circuit_report& report) {
  if (up && !cut)
    all.to_owner_.post(place, std::pair{key, report});
}

void member::policy_changed(const circuit_breaker_limits& policy) {
  own.change_policy(policy, all.now);
}

} // namespace

BULWARK_FUZZ(input) {
  world all{input};
  all.run();
}
