// A bulkhead that nodes share: owner, shares and the bulkheads of three nodes, with letters that are
// late, lost, doubled and overtaken, nodes and owners that come and go, and words that none of them
// has said.
#include "fuzz/bytes.hpp"
#include "fuzz/letters.hpp"
#include "models/must.hpp"

#include "bulwark/bulkhead_share.hpp"
#include "bulwark/shared_bulkhead.hpp"

#include <algorithm>
#include <memory>
#include <vector>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

constexpr timespan lease_time = 100ms;
constexpr std::size_t most_nodes = 3;

class world;

// A node with one holder of its permits.
struct member final : bulkhead_effects, bulkhead_share_effects {
  world& all;
  const std::size_t place;
  const node_key key;
  lease_view view;
  bulkhead local;
  bulkhead_share share;
  bool up = false;           // as it knows
  bool cut = false;          // the line is lost, and it hasn't been told yet
  std::uint64_t session = 0; // of its last report

  ticket_id last_ticket = 0;
  std::vector<ticket_id> waiting;
  std::vector<bool> running; // each call: whether it counts against the limit
  std::uint32_t unused = 0;
  bool keeps = false;
  // What the bulkhead wished, done once it has returned.
  std::vector<std::pair<ticket_id, std::uint32_t>> granted;
  std::uint32_t going_home = 0;
  std::vector<std::uint64_t> recalls;

  member(world& w, std::size_t where, node_key id, owner_lost when_lost);

  void grant(holder_id, ticket_id ticket, std::uint32_t extra, bool keep) override {
    keeps = keep;
    granted.emplace_back(ticket, extra);
  }
  void refuse(holder_id, ticket_id ticket, errc) override { std::erase(waiting, ticket); }
  void recall(holder_id, std::uint64_t round) override { recalls.push_back(round); }
  void report(const share_report& report) override;
  void policy_changed(const bulkhead_policy&) override {}

  void begin_call();
  void end_call(std::size_t which);
  void start_on_permit();
  void free_permit();
  void go_idle();
  void settle();
};

class world final : shared_bulkhead_effects {
public:
  explicit world(bytes& input)
      : input_(input), when_lost_(static_cast<owner_lost>(input.below(3))) {
    policy_ = policy_from();
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
  const owner_lost when_lost_;
  bulkhead_policy policy_;
  std::uint64_t widest_ = 0;
  std::uint64_t last_token_ = 0; // of all owners
  std::unique_ptr<shared_bulkhead> owner_;
  std::array<std::unique_ptr<member>, most_nodes> nodes_;
  std::array<std::uint64_t, most_nodes> sessions_{}; // that the owner has heard of; 0: none
  node_key last_key_ = 0;
  bool forged_ = false;
  letters<std::pair<node_key, share_report>> to_owner_;
  letters<std::pair<node_key, share_grant>> to_nodes_;

  bulkhead_policy policy_from() {
    return {.max_workers = 1 + input_.below(7), .queue_size = input_.below(6)};
  }

  void grant(node_key to, const share_grant& grant) override {
    last_token_ = std::max(last_token_, grant.token.number);
    for (auto& each : nodes_)
      if (each && each->key == to && !each->cut)
        to_nodes_.post(each->place, {to, grant});
  }

  void start_owner() {
    owner_ = std::make_unique<shared_bulkhead>(policy_, lease_time, last_token_ + 1,
                                               static_cast<shared_bulkhead_effects&>(*this));
    widest_ = policy_.max_workers;
    for (std::size_t i = 0; i < most_nodes; ++i)
      forget(i);
  }

  void end_owner() {
    owner_.reset();
    for (std::size_t i = 0; i < most_nodes; ++i) {
      forget(i);
      cut(*nodes_[i]);
    }
  }

  void start(std::size_t i) {
    nodes_[i] = std::make_unique<member>(*this, i, ++last_key_, when_lost_);
    sessions_[i] = 0;
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
    of.settle();
  }

  // What it runs counts no more: the owner has taken it back.
  void forget(std::size_t i) {
    sessions_[i] = 0;
    if (nodes_[i])
      nodes_[i]->running.assign(nodes_[i]->running.size(), false);
  }

  void after_owner() {
    for (auto& each : nodes_)
      if (sessions_[each->place] != 0 && !owner_->knows(each->key))
        forget(each->place);
  }

  void arrive_at_owner(std::size_t i, const std::pair<node_key, share_report>& what) {
    if (!owner_)
      return;
    const auto& [key, report] = what;
    if (nodes_[i]->key == key && report.stamp.session >= sessions_[i]) {
      if (report.stamp.session > sessions_[i])
        forget(i);
      sessions_[i] = report.stamp.session;
    }
    owner_->on_report(key, report, now);
    after_owner();
  }

  void arrive_at(std::size_t i, const std::pair<node_key, share_grant>& what) {
    auto& node = *nodes_[i];
    if (node.key != what.first || !node.up || node.cut)
      return;
    node.share.on_grant(what.second, now);
    node.settle();
  }

  void lose(std::size_t i) {
    cut(*nodes_[i]); // it is told later
    if (!owner_)
      return;
    owner_->lose(nodes_[i]->key);
    forget(i);
    after_owner();
  }

  void pass(timespan length) {
    const auto until = now + length;
    for (int turns = 0;; ++turns) {
      MUST(turns < 1'000); // else they wake each other for ever
      auto next = owner_ ? owner_->due() : end_of_time;
      for (const auto& each : nodes_)
        next = std::min(next, each->share.due());
      if (next > until)
        break;
      now = std::max(now, next);
      // Its clock or theirs is first: the bytes say which.
      for (auto& each : nodes_)
        each->settle();
      if (owner_ && owner_->due() <= now) {
        owner_->on_tick(now);
        after_owner();
      }
    }
    now = until;
  }

  void forge() {
    forged_ = true;
    if (input_.byte() % 2 == 0) {
      to_owner_.post(0, {input_.below(5) + last_key_ - 2,
                         {.stamp = {input_.any<std::uint64_t>(), input_.any<std::uint64_t>()},
                          .carried = input_.any<std::uint64_t>(),
                          .returned = input_.any<std::uint64_t>(),
                          .waiting = input_.any<std::uint32_t>(),
                          .served_seen = input_.any<std::uint64_t>(),
                          .refused_seen = input_.any<std::uint64_t>(),
                          .recalled = input_.any<std::uint64_t>(),
                          .token_seen = input_.any<std::uint64_t>()}});
      return;
    }
    const auto i = input_.below(most_nodes);
    share_grant grant{.answers = {1U + input_.below(4), 1U + input_.below(8)},
                      .granted = input_.any<std::uint64_t>(),
                      .served = input_.any<std::uint64_t>(),
                      .refused = input_.any<std::uint64_t>(),
                      .recall = input_.any<std::uint64_t>(),
                      .keep = input_.byte() % 2 == 0,
                      .closed = input_.below(8) == 0,
                      .nodes = input_.any<std::uint32_t>(),
                      .token = {input_.any<std::uint64_t>(), input_.any<std::uint64_t>()},
                      .policy = {.max_workers = input_.any<std::uint32_t>(),
                                 .queue_size = input_.any<std::uint32_t>()}};
    grant.lease_time = input_.byte() % 8 < 6 ? lease_time : timespan{input_.any<std::int64_t>()};
    to_nodes_.post(i, {nodes_[i]->key, grant});
  }

  void step() {
    const auto what = input_.byte();
    auto& node = *nodes_[what / 32 % most_nodes];
    switch (what % 32) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
      return node.begin_call();
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
      return node.end_call(input_.byte());
    case 12:
      return node.go_idle();
    case 13:
      if (!node.waiting.empty()) { // gives up
        const auto ticket = node.waiting[input_.byte() % node.waiting.size()];
        std::erase(node.waiting, ticket);
        node.local.withdraw(1, ticket);
        node.settle();
      }
      return;
    case 14:
    case 15:
    case 16:
    case 17:
      return to_owner_.deliver(input_,
                               [this](auto i, const auto& letter) { arrive_at_owner(i, letter); });
    case 18:
    case 19:
    case 20:
    case 21:
      return to_nodes_.deliver(input_,
                               [this](auto i, const auto& letter) { arrive_at(i, letter); });
    case 22:
    case 23:
    case 24:
      return pass((1 + input_.byte()) * 500us);
    case 25:
      policy_ = policy_from();
      widest_ = std::max<std::uint64_t>(widest_, policy_.max_workers);
      if (owner_)
        owner_->change_policy(policy_);
      return;
    case 26:
      return set_line(node, !node.up);
    case 27:
      return lose(node.place);
    case 28:
      lose(node.place);
      return start(node.place);
    case 29:
      return owner_ ? end_owner() : start_owner();
    case 30:
      if (owner_ && input_.below(4) == 0) {
        owner_->close();
        deliver_all();
        end_owner();
      }
      return;
    default:
      return forge();
    }
  }

  void check() {
    std::uint64_t counted = 0;
    for (auto& each : nodes_) {
      // Every permit is somewhere.
      MUST(each->local.leased() == each->running.size() + each->unused);
      MUST(each->local.queued() == each->waiting.size());
      MUST(each->granted.empty() && each->recalls.empty());
      counted +=
          static_cast<std::uint64_t>(std::count(each->running.begin(), each->running.end(), true));
    }
    MUST(forged_ || counted <= widest_);
    if (!owner_)
      return;
    std::uint64_t leased = 0;
    for (node_key key = 0; key <= last_key_ + 4; ++key)
      leased += owner_->leased(key);
    MUST(owner_->leased() == leased);
    MUST(owner_->queued() == 0 || owner_->free() == 0);
  }

  void deliver_all() {
    for (int turns = 0; !to_owner_.empty() || !to_nodes_.empty(); ++turns) {
      MUST(turns < 1'000); // else they talk for ever
      to_owner_.deliver_all([this](auto i, const auto& letter) { arrive_at_owner(i, letter); });
      to_nodes_.deliver_all([this](auto i, const auto& letter) { arrive_at(i, letter); });
    }
  }

  // Once the network is in order nobody waits, and all agree on every permit.
  void finish() {
    if (!owner_)
      start_owner();
    deliver_all();
    for (auto& each : nodes_)
      if (!each->up || each->cut || each->share.state() != bulkhead_share::mode::leased)
        set_line(*each, true); // and says so at once
    const auto busy = [this] {
      return std::any_of(nodes_.begin(), nodes_.end(), [](const auto& each) {
        return !each->running.empty() || !each->waiting.empty();
      });
    };
    for (int i = 0; i < 2 || (i < 100 && busy()); ++i) {
      deliver_all();
      for (auto& each : nodes_)
        while (!each->running.empty())
          each->end_call(0);
      pass(lease_time / 10);
    }
    deliver_all();
    std::uint64_t held = 0;
    for (auto& each : nodes_) {
      MUST(each->share.state() == bulkhead_share::mode::leased);
      MUST(each->waiting.empty());
      MUST(owner_->leased(each->key) == each->local.policy().max_workers);
      held += owner_->leased(each->key);
    }
    MUST(owner_->queued() == 0);
    MUST(owner_->leased() <= owner_->policy().max_workers || owner_->leased() > held);
    check();
  }
};

// -- a node ---------------------------------------------------------------------------------

member::member(world& w, std::size_t where, node_key id, owner_lost when_lost)
    : all(w),
      place(where),
      key(id),
      local({}, *this),
      share(local, view, *this, when_lost, w.now) {}

void member::report(const share_report& report) {
  session = report.stamp.session;
  if (up && !cut)
    all.to_owner_.post(place, {key, report});
}

// As a supervisor does it: what it holds unused is good as long as the lease is.
void member::begin_call() {
  if (waiting.size() + running.size() >= 24)
    return;
  if (unused > 0 && waiting.empty() && view.until() > all.now) {
    --unused;
    start_on_permit();
  } else {
    waiting.push_back(++last_ticket);
    local.ask(1, last_ticket);
  }
  settle();
}

void member::start_on_permit() {
  const auto leased = share.state() == bulkhead_share::mode::leased;
  running.push_back(leased && all.owner_ && all.sessions_[place] == session);
}

void member::end_call(std::size_t which) {
  if (running.empty())
    return;
  running.erase(running.begin() + static_cast<std::ptrdiff_t>(which % running.size()));
  free_permit();
  settle();
}

void member::free_permit() {
  if (keeps)
    ++unused;
  else
    ++going_home;
}

void member::go_idle() {
  going_home += std::exchange(unused, 0U);
  settle();
}

void member::settle() {
  for (int turns = 0;; ++turns) {
    MUST(turns < 1'000); // else they talk for ever
    share.on_change(all.now);
    if (!granted.empty()) {
      for (auto [ticket, extra] : std::exchange(granted, {})) {
        unused += extra;
        if (std::erase(waiting, ticket) != 0 && view.until() > all.now)
          start_on_permit();
        else
          free_permit();
      }
    } else if (going_home > 0) {
      local.give_back(1, std::exchange(going_home, 0U));
    } else if (!recalls.empty()) {
      keeps = false;
      for (auto round : std::exchange(recalls, {}))
        local.on_recalled(1, round, std::exchange(unused, 0U));
    } else {
      return;
    }
  }
}

} // namespace

BULWARK_FUZZ(input) {
  world all{input};
  all.run();
}
