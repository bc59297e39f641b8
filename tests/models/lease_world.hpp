#pragma once

#include "bulwark/bulkhead.hpp"
#include "bulwark/bulkhead_share.hpp"
#include "bulwark/random.hpp"
#include "bulwark/shared_bulkhead.hpp"
#include "bulwark/supervisor.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <utility>
#include <vector>

/// @file Many nodes with one bulkhead, an owner, and a network that does what networks do.
///
/// All cores are the real ones: each node has supervisors, a bulkhead and its share; the owner has a
/// shared_bulkhead. Only messages, time and calls are made here. After each event that concerns the
/// limit it is checked; what is wrong is kept in `wrong`, with the time.

namespace bulwark_tests {

using namespace bulwark;

struct world_settings {
  std::uint64_t seed = 1;
  std::uint32_t nodes = 3;
  std::uint32_t supervisors = 2; // each node's
  bulkhead_policy policy{.max_workers = 10, .queue_size = 1'000};
  timespan lease_time = std::chrono::seconds{1};
  owner_lost when_lost = owner_lost::local;
  timespan between_calls = std::chrono::milliseconds{5}; // of a node, on average
  timespan service = std::chrono::milliseconds{8};       // on average
  std::optional<timespan> deadline = std::chrono::seconds{2};
  timespan least_delay = std::chrono::microseconds{100};
  timespan most_delay = std::chrono::milliseconds{5};
  bool in_order = true; // as TCP has it; else messages overtake each other
  double lost = 0;      // share of messages that are
  double doubled = 0;
};

class lease_world : private shared_bulkhead_effects {
public:
  explicit lease_world(const world_settings& settings) : with(settings), random_(settings.seed) {
    start_owner();
    for (std::uint32_t i = 0; i < with.nodes; ++i) {
      nodes_.push_back(nullptr);
      start_node(i);
    }
  }

  struct tally {
    std::uint64_t alone = 0;
    std::uint64_t unheard = 0;
    std::uint64_t calls = 0;
  };

  instant now{};
  std::vector<std::string> wrong;
  std::uint64_t events = 0;
  std::uint64_t messages = 0; // between nodes and owner
  std::uint64_t calls = 0;    // begun
  std::uint64_t served = 0;   // that the target has answered
  std::uint64_t answered = 0;
  std::uint64_t most_running = 0;
  std::uint64_t started_alone = 0;   // without a lease, as the policy has it
  std::uint64_t started_unheard = 0; // before the node was told that the line is lost
  std::map<errc, std::uint64_t> errors;

  /// Lets `span` pass.
  void run_for(timespan span) {
    const auto end = now + span;
    while (!queue_.empty() && queue_.top().at <= end && wrong.size() < 5) {
      auto next = std::move(const_cast<event&>(queue_.top()));
      queue_.pop();
      now = next.at;
      ++events;
      next.happen();
    }
    now = end;
  }

  /// Each node's calls begin, or no more do.
  void let_calls_come(bool come) {
    calls_come_ = come;
    for (std::uint32_t i = 0; come && i < with.nodes; ++i)
      next_call(i);
  }

  // -- what goes wrong ------------------------------------------------------------------

  /// The connection is lost: both sides are told, each in its own time; then it is there again.
  void break_line(std::uint32_t i, timespan told_within, timespan away) {
    auto& n = *nodes_[i];
    take_down(n);
    const auto key = n.key;
    at(now + between(timespan{0}, told_within), [this, key] { lose(key); });
    on_node(i, now + between(timespan{0}, told_within), [this](node& x) {
      x.share.on_line(false, now);
      x.after_event();
    });
    reconnect(i, now + told_within + away);
  }

  /// Messages vanish, and nobody is told.
  void cut(std::uint32_t i, timespan span, bool to_owner, bool to_node) {
    nodes_[i]->cut_to_owner = to_owner ? now + span : nodes_[i]->cut_to_owner;
    nodes_[i]->cut_to_node = to_node ? now + span : nodes_[i]->cut_to_node;
  }

  /// The process is stopped, and wakes later.
  void pause(std::uint32_t i, timespan span) { nodes_[i]->asleep_until = now + span; }

  /// SIGKILL, and another process afterwards. What the target has begun goes on.
  void crash(std::uint32_t i, timespan told_within, timespan away) {
    const auto key = nodes_[i]->key;
    at(now + between(timespan{0}, told_within), [this, key] { lose(key); });
    for (auto& [what, counts] : running_)
      if (what[0] == key)
        counts = false;
    answered += nodes_[i]->supervisors_in_flight(); // nobody is left to ask
    nodes_[i] = nullptr;
    at(now + away, [this, i] {
      start_node(i);
      if (calls_come_)
        next_call(i);
    });
  }

  void crash_owner(timespan told_within, timespan away) {
    owner_ = nullptr;
    for (std::uint32_t i = 0; i < with.nodes; ++i) {
      if (!nodes_[i])
        continue;
      forget(nodes_[i]->key);
      take_down(*nodes_[i]);
      on_node(i, now + between(timespan{0}, told_within), [this](node& x) {
        x.share.on_line(false, now);
        x.after_event();
      });
    }
    at(now + away, [this] { start_owner(); });
    for (std::uint32_t i = 0; i < with.nodes; ++i)
      reconnect(i, now + away + between(timespan{0}, std::chrono::seconds{1}));
  }

  void change_policy(const bulkhead_policy& policy) {
    with.policy = policy;
    widest_ = std::max(widest_, policy.max_workers);
    if (owner_)
      owner_->change_policy(policy);
  }

  /// From now on the network loses nothing.
  void mend_the_network() {
    with.lost = 0;
    with.doubled = 0;
  }

  // -- what is seen -------------------------------------------------------------------------

  [[nodiscard]] std::uint64_t running() const { return running_.size(); }
  [[nodiscard]] bool has(std::uint32_t i) const { return nodes_[i] != nullptr; }
  [[nodiscard]] const bulkhead_share& share(std::uint32_t i) const { return nodes_[i]->share; }
  [[nodiscard]] const bulkhead& local(std::uint32_t i) const { return nodes_[i]->local; }
  [[nodiscard]] bool has_owner() const { return owner_ != nullptr; }
  [[nodiscard]] const shared_bulkhead& owner() const { return *owner_; }
  [[nodiscard]] std::uint64_t held_at_owner(std::uint32_t i) const {
    return owner_->leased(nodes_[i]->key);
  }
  timespan between(timespan low, timespan high) {
    return low + timespan{static_cast<std::int64_t>(random_.unit() * double((high - low).count()))};
  }
  std::uint32_t any(std::uint32_t count) {
    return static_cast<std::uint32_t>(random_.next() % count);
  }
  random_stream& chance() { return random_; }

private:
  struct event {
    instant at;
    std::uint64_t number;
    std::function<void()> happen;
    friend bool operator<(const event& a, const event& b) {
      return std::pair{a.at, a.number} > std::pair{b.at, b.number};
    }
  };

  struct node;

  /// A supervisor of a node, and its target.
  struct station : private supervisor_effects {
    lease_world& all;
    node& of;
    const holder_id holder;
    supervisor_limits limits;
    supervisor core;
    instant wake = end_of_time;

    station(lease_world& world, node& n, holder_id id)
        : all(world),
          of(n),
          holder(id),
          limits{.deadline = world.with.deadline, .bulkhead = true},
          core(limits, nullptr, *this, world.now, world.random_.next(), &n.view) {}

    void begin() {
      ++all.calls;
      core.start(core.open(), {}, all.now);
    }

  private:
    void ask_probe(attempt_id, instant) override {}
    void tell_breaker(const permit&, std::optional<bool>) override {}
    void ask_permit(attempt_id attempt) override {
      tell_bulkhead([this, attempt](bulkhead& b) { b.ask(holder, ticket_of(attempt)); });
    }
    void withdraw(attempt_id attempt) override {
      tell_bulkhead([this, attempt](bulkhead& b) { b.withdraw(holder, ticket_of(attempt)); });
    }
    void return_permits(std::uint32_t count) override {
      tell_bulkhead([this, count](bulkhead& b) { b.give_back(holder, count); });
    }
    void start_attempt(attempt_id attempt) override { all.start_work(of, *this, attempt); }
    /// Given up: whether the target goes on is its own affair, as it is without nodes.
    void cut_attempt(attempt_id attempt, errc) override {
      all.running_.erase({of.key, holder, attempt.slot, attempt.serial});
    }
    void answer(std::uint32_t, const call_end& end) override {
      ++all.answered;
      if (end.error)
        ++all.errors[*end.error];
    }
    void wake_at(instant due) override {
      wake = due;
      all.on_node(of.place, due, [this, due](node&) {
        if (wake == due)
          core.on_tick(all.now);
      });
    }
    [[nodiscard]] error_class classify(errc) const override { return {}; }

    template <class F>
    void tell_bulkhead(F f) {
      all.on_node(of.place, all.now, [f](node& n) {
        f(n.local);
        n.after_event();
      });
    }
  };

  struct node : private bulkhead_effects, private bulkhead_share_effects {
    lease_world& all;
    const std::uint32_t place;
    const node_key key;
    lease_view view;
    bulkhead local;
    bulkhead_share share;
    std::vector<std::unique_ptr<station>> stations;
    std::uint64_t line = 0;
    bool connected = false;
    instant asleep_until{};
    instant cut_to_owner{};
    instant cut_to_node{};
    instant last_to_owner{};
    instant last_to_node{};
    instant wake = end_of_time;
    std::uint64_t session = 0; // of the last report

    node(lease_world& world, std::uint32_t where, node_key id)
        : all(world),
          place(where),
          key(id),
          local({}, *this),
          share(local, view, *this, world.with.when_lost, world.now) {}

    void after_event() {
      share.on_change(all.now);
      const auto due = share.due();
      if (due < wake) {
        wake = due;
        all.on_node(place, std::max(due, all.now), [this, due](node&) {
          if (wake == due)
            wake = end_of_time;
          after_event();
        });
      }
    }

    [[nodiscard]] std::uint64_t supervisors_in_flight() const {
      std::uint64_t result = 0;
      for (const auto& each : stations)
        result += each->core.live();
      return result;
    }

  private:
    void grant(holder_id to, ticket_id ticket, std::uint32_t extra, bool keep) override {
      tell(to,
           [=, this](station& s) { s.core.on_permit(attempt_of(ticket), extra, keep, all.now); });
    }
    void refuse(holder_id to, ticket_id ticket, errc why) override {
      tell(to, [=, this](station& s) { s.core.on_refused(attempt_of(ticket), why, all.now); });
    }
    void recall(holder_id to, std::uint64_t round) override {
      tell(to, [=, this](station& s) {
        const auto back = s.core.on_recall();
        all.on_node(place, all.now, [=](node& n) {
          n.local.on_recalled(to, round, back);
          n.after_event();
        });
      });
    }
    template <class F>
    void tell(holder_id to, F f) {
      all.on_node(place, all.now, [f, to](node& n) { f(*n.stations[to - 1]); });
    }
    void report(const share_report& report) override {
      session = report.stamp.session;
      all.send_to_owner(*this, report);
    }
    void policy_changed(const bulkhead_policy&) override {}
  };

  // Whose attempt: node, holder, slot, serial.
  using work = std::array<std::uint64_t, 4>;

  world_settings with;
  random_stream random_;
  std::uint64_t last_event_ = 0;
  std::priority_queue<event> queue_;
  std::vector<std::unique_ptr<node>> nodes_;
  std::unique_ptr<shared_bulkhead> owner_;
  node_key last_key_ = 0;
  std::map<node_key, std::uint64_t> sessions_; // that the owner has heard of
  std::map<node_key, bool> lost_by_word_;
  std::map<work, bool> running_; // whether it counts against the limit: the owner knows of it
  std::uint32_t widest_ = 0;
  bool calls_come_ = false;
  instant owner_wake_ = end_of_time;
  std::uint64_t owner_life_ = 0;

  static ticket_id ticket_of(attempt_id a) { return (ticket_id{a.slot} << 32U) | a.serial; }
  static attempt_id attempt_of(ticket_id t) {
    return {.slot = static_cast<std::uint32_t>(t >> 32U), .serial = static_cast<std::uint32_t>(t)};
  }

  void at(instant when, std::function<void()> f) {
    queue_.push({.at = std::max(when, now), .number = ++last_event_, .happen = std::move(f)});
  }

  /// In the node's own time: later if it sleeps, never if it is another process by then.
  void on_node(std::uint32_t i, instant when, std::function<void(node&)> f) {
    if (!nodes_[i])
      return;
    at(when, [this, i, key = nodes_[i]->key, f = std::move(f)]() mutable {
      auto* n = nodes_[i].get();
      if (n == nullptr || n->key != key)
        return;
      if (n->asleep_until > now)
        on_node(i, n->asleep_until, std::move(f));
      else
        f(*n);
    });
  }

  void start_node(std::uint32_t i) {
    nodes_[i] = std::make_unique<node>(*this, i, ++last_key_);
    auto& n = *nodes_[i];
    for (std::uint32_t s = 1; s <= with.supervisors; ++s)
      n.stations.push_back(std::make_unique<station>(*this, n, s));
    on_node(i, now, [](node& x) { x.after_event(); });
    reconnect(i, now);
  }

  void start_owner() {
    ++owner_life_;
    widest_ = with.policy.max_workers;
    const auto time_of_day = static_cast<std::uint64_t>(now.time_since_epoch().count()) + 1;
    owner_ = std::make_unique<shared_bulkhead>(with.policy, with.lease_time, time_of_day,
                                               static_cast<shared_bulkhead_effects&>(*this));
  }

  void reconnect(std::uint32_t i, instant when) {
    on_node(i, when, [this, i](node& x) {
      if (!owner_) {
        reconnect(i, now + std::chrono::milliseconds{200});
        return;
      }
      x.connected = true;
      x.share.on_line(true, now);
      x.after_event();
    });
  }

  void next_call(std::uint32_t i) {
    on_node(i, now + between(timespan{0}, 2 * with.between_calls), [this, i](node& n) {
      if (!calls_come_)
        return;
      n.stations[any(with.supervisors)]->begin();
      next_call(i);
    });
  }

  // -- the network --------------------------------------------------------------------------

  /// What is under way is lost, and what is sent until it is there again.
  static void take_down(node& n) {
    ++n.line;
    n.connected = false;
  }

  template <class F>
  void transmit(const node& with_whom, instant& last, F arrive) {
    ++messages;
    if (!with_whom.connected || random_.unit() < with.lost)
      return;
    const auto copies = random_.unit() < with.doubled ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      auto when = now + between(with.least_delay, with.most_delay);
      if (with.in_order)
        when = last = std::max(when, last);
      at(when, arrive);
    }
  }

  void send_to_owner(node& from, const share_report& report) {
    transmit(
        from, from.last_to_owner, [this, i = from.place, key = from.key, line = from.line, report] {
          auto* n = nodes_[i].get();
          if (n == nullptr || n->key != key || n->line != line || n->cut_to_owner > now || !owner_)
            return;
          if (report.stamp.session != sessions_[key]) {
            if (report.stamp.session < sessions_[key])
              return;
            forget(key);
            lost_by_word_[key] = false;
          }
          sessions_[key] = report.stamp.session;
          if (getenv("LT"))
            fprintf(stderr,
                    "%s report n%d s%lu.%lu carried %lu ret %lu wait %u served %lu recalled %lu | "
                    "running %zu local leased %u\n",
                    to_text(now.time_since_epoch()).c_str(), i, report.stamp.session,
                    report.stamp.serial, report.carried, report.returned, report.waiting,
                    report.served_seen, report.recalled, running_.size(), n->local.leased());
          owner_->on_report(key, report, now);
          after_owner();
        });
  }

  void grant(node_key to, const share_grant& grant) override {
    auto i = std::find_if(nodes_.begin(), nodes_.end(),
                          [&](const auto& n) { return n && n->key == to; });
    if (i == nodes_.end())
      return;
    auto& n = **i;
    transmit(n, n.last_to_node, [this, place = n.place, to, line = n.line, grant] {
      auto* x = nodes_[place].get();
      if (x == nullptr || x->key != to || x->line != line || x->cut_to_node > now)
        return;
      on_node(place, now, [this, grant](node& y) {
        if (getenv("LT"))
          fprintf(stderr,
                  "%s grant n%d s%lu.%lu granted %lu served %lu refused %lu recall %lu keep %d max "
                  "%u\n",
                  to_text(now.time_since_epoch()).c_str(), y.place, grant.answers.session,
                  grant.answers.serial, grant.granted, grant.served, grant.refused, grant.recall,
                  grant.keep, grant.policy.max_workers);
        y.share.on_grant(grant, now);
        y.after_event();
      });
    });
  }

  void lose(node_key key) {
    if (getenv("LT"))
      fprintf(stderr, "%s owner loses %lu\n", to_text(now.time_since_epoch()).c_str(), key);
    if (owner_) {
      owner_->lose(key);
      after_owner();
    }
    lost_by_word_[key] = true;
    forget(key);
  }

  /// The owner has taken back what the node held: what it runs counts no more.
  void forget(node_key key) {
    sessions_.erase(key);
    for (auto& [what, counts] : running_)
      if (what[0] == key)
        counts = false;
  }

  void after_owner() {
    for (auto i = sessions_.begin(); i != sessions_.end();) {
      const auto key = i++->first;
      if (!owner_->knows(key))
        forget(key); // was silent for too long
    }
    if (owner_->due() < owner_wake_ && owner_->due() != end_of_time) {
      owner_wake_ = owner_->due();
      at(owner_wake_, [this, life = owner_life_, due = owner_wake_] {
        if (owner_wake_ == due)
          owner_wake_ = end_of_time;
        if (!owner_ || owner_life_ != life)
          return;
        owner_->on_tick(now);
        after_owner();
      });
    }
  }

  // -- the target -------------------------------------------------------------------------------

  void start_work(node& on, station& by, attempt_id attempt) {
    const auto leased = on.share.state() == bulkhead_share::mode::leased;
    auto session = sessions_.find(on.key);
    const auto known = owner_ && session != sessions_.end() && session->second == on.session;
    if (!leased)
      ++started_alone;
    else if (!known)
      note_unheard(on);
    const work id{on.key, by.holder, attempt.slot, attempt.serial};
    running_[id] = leased && known;
    check_limit();
    at(now + between(timespan{0}, 2 * with.service), [this, id, i = on.place, &by, attempt] {
      running_.erase(id);
      if (nodes_[i] && nodes_[i]->key == id[0])
        on_node(i, now, [this, &by, attempt](node&) {
          if (by.core.on_reply(attempt, std::nullopt, now))
            ++served;
        });
    });
  }

  /// Under a lease that the owner has taken back: only if it was told of a loss, and we not yet.
  void note_unheard(const node& on) {
    ++started_unheard;
    if (owner_ && !lost_by_word_[on.key])
      complain("work begun on a lease that had run out");
  }

  void check_limit() {
    most_running = std::max(most_running, std::uint64_t{running_.size()});
    const auto counted = static_cast<std::uint64_t>(std::count_if(
        running_.begin(), running_.end(), [](const auto& each) { return each.second; }));
    if (counted > widest_)
      complain("more at once than the limit: " + std::to_string(counted));
  }

  void complain(const std::string& what) {
    wrong.push_back(to_text(now.time_since_epoch()) + ": " + what);
  }
};

} // namespace bulwark_tests
