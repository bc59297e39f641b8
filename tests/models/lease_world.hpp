#pragma once

#include "bulwark/bulkhead.hpp"
#include "bulwark/bulkhead_share.hpp"
#include "bulwark/fence.hpp"
#include "bulwark/shared_bulkhead.hpp"
#include "bulwark/supervisor.hpp"

#include "models/simulated_network.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
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
  std::uint32_t idle = 0;        // nodes without calls: the last
  bulkhead_policy policy{.max_workers = 10, .queue_size = 1'000};
  timespan lease_time = std::chrono::seconds{1};
  owner_lost when_lost = owner_lost::local;
  timespan between_calls = std::chrono::milliseconds{5}; // of a node, on average
  timespan service = std::chrono::milliseconds{8};       // on average
  std::optional<timespan> deadline = std::chrono::seconds{2};
  timespan mail{0}; // a message from one to another of a node takes at most
  network_settings network{};
};

class lease_world : public simulation, private shared_bulkhead_effects {
public:
  explicit lease_world(const world_settings& settings)
      : simulation(settings.seed, settings.network), with(settings) {
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

  std::vector<std::string> wrong;
  std::uint64_t calls = 0;  // begun
  std::uint64_t served = 0; // that the target has answered
  std::uint64_t answered = 0;
  std::uint64_t most_running = 0;
  std::uint64_t started_alone = 0;   // without a lease, as the policy has it
  std::uint64_t started_unheard = 0; // before the node was told that the line is lost
  std::map<errc, std::uint64_t> errors;

  /// Lets `span` pass.
  void run_for(timespan span) {
    const auto end = now + span;
    while (wrong.size() < 5 && step(end)) {
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

  /// The connection is lost: both sides are told, each in its own time; then it is there again. Some
  /// nodes are told of nothing but that.
  void break_line(std::uint32_t i, timespan told_within, timespan away) {
    auto& n = *nodes_[i];
    if (!n.connected)
      return; // is broken
    take_down(n);
    const auto key = n.key;
    at(now + between(timespan{0}, told_within), [this, key] { lose(key); });
    if (any(4) != 0)
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
  void pause(std::uint32_t i, timespan span) {
    auto& n = *nodes_[i];
    n.asleep_until = std::max(n.asleep_until, now + span);
    at(n.asleep_until, [this, i, key = n.key] {
      auto* x = nodes_[i].get();
      if (x == nullptr || x->key != key || x->asleep_until > now)
        return;
      for (auto& each : std::exchange(x->slept_over, {}))
        each(*x);
    });
  }

  /// SIGKILL, and another process afterwards. What the target has begun goes on.
  void crash(std::uint32_t i, timespan told_within, timespan away) {
    const auto key = nodes_[i]->key;
    at(now + between(timespan{0}, told_within), [this, key] { lose(key); });
    count_no_more(key);
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
      lost_by_word_[nodes_[i]->key] = true; // the next owner knows of no lease, and it not of that
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

  // -- what is seen -------------------------------------------------------------------------

  [[nodiscard]] std::uint64_t running() const { return running_.size(); }
  [[nodiscard]] bool has(std::uint32_t i) const { return nodes_[i] != nullptr; }
  [[nodiscard]] const bulkhead_share& share(std::uint32_t i) const { return nodes_[i]->share; }
  [[nodiscard]] const bulkhead& local(std::uint32_t i) const { return nodes_[i]->local; }
  /// The newest permit that the owner has given, and whether the target would still take it.
  [[nodiscard]] permit_token newest_token() const { return newest_token_; }
  [[nodiscard]] bool target_takes(std::uint64_t number) { return fence_.admit({number, 0}); }
  /// Permits that the node's supervisors have, used or not.
  [[nodiscard]] std::uint64_t at_supervisors(std::uint32_t i) const {
    std::uint64_t result = 0;
    for (const auto& each : nodes_[i]->stations)
      result += each->core.permits_in_use() + each->core.permits_unused();
    return result;
  }
  [[nodiscard]] bool has_owner() const { return owner_ != nullptr; }
  [[nodiscard]] const shared_bulkhead& owner() const { return *owner_; }
  [[nodiscard]] std::uint64_t held_at_owner(std::uint32_t i) const {
    return owner_->leased(nodes_[i]->key);
  }

private:
  struct node;

  /// A supervisor of a node, and its target.
  struct station : private supervisor_effects {
    lease_world& all;
    node& of;
    const holder_id holder;
    supervisor_limits limits;
    supervisor core;
    instant wake = end_of_time;
    instant last_in{}; // when what the bulkhead has sent last arrives
    instant last_out{};
    // Attempts with a permit of their own: in which session under a lease it was given, 0: without;
    // and how often the owner had been lost by then.
    std::map<ticket_id, std::pair<std::uint64_t, std::uint64_t>> given;

    station(lease_world& world, node& n, holder_id id)
        : all(world),
          of(n),
          holder(id),
          limits{.deadline = world.with.deadline, .bulkhead = true},
          core(limits, nullptr, *this, world.now, world.chance.next(), &n.view) {}

    void begin() {
      ++all.calls;
      core.start(core.open(), {}, all.now);
    }

  private:
    void ask_probe(attempt_id, instant) override {}
    void tell_breaker(const permit&, const attempt_outcome&) override {}
    void tell_successes(const success_batch&) override {}
    void ask_permit(attempt_id attempt) override {
      tell_bulkhead([this, attempt](bulkhead& b) {
        const auto before = b.queued();
        b.ask(holder, ticket_of(attempt));
        of.waited += b.queued() > before ? 1 : 0;
      });
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
      all.end_work({of.key, holder, attempt.slot, attempt.serial});
    }
    void answer(std::uint32_t, const call_end& end) override {
      ++all.answered;
      if (end.error)
        ++all.errors[*end.error];
    }
    void wake_at(instant due) override {
      wake = due;
      all.on_node(of.place, all.rings(due), [this, due](node&) {
        if (wake == due)
          core.on_tick(all.now);
      });
    }
    [[nodiscard]] error_class classify(errc) const override { return {}; }

    template <class F>
    void tell_bulkhead(F f) {
      all.on_node(of.place, all.delivered(last_out), [f](node& n) {
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
    std::vector<std::function<void(node&)>> slept_over; // to be done on waking
    instant cut_to_owner{};
    instant cut_to_node{};
    instant last_to_owner{};
    instant last_to_node{};
    instant wake = end_of_time;
    std::uint64_t session = 0;      // of the last report
    std::uint32_t nodes = 1;        // as the owner said last
    std::uint64_t full = 0;         // calls refused for it in this session
    bool told_to_keep = false;      // the owner's last word
    std::uint64_t told_refused = 0; // the same
    std::uint64_t told_served = 0;  // the most that was heard of it in this session
    std::uint64_t handed_on = 0;    // permits for calls
    std::uint64_t membership = 0;   // at the owner, of which its lease is: see `member`

    // Of the session, which may not have been told yet.
    bool untold = false;
    bool told_at_once = false;
    std::uint64_t brought = 0; // permits that were out when it began
    std::uint64_t alone = 0;   // that were given since without a lease
    std::uint64_t waited = 0;  // calls that have waited for one
    std::uint64_t lost = 0;    // how often its owner was
    bulkhead_share::mode was = bulkhead_share::mode::joining;

    node(lease_world& world, std::uint32_t where, node_key id)
        : all(world),
          place(where),
          key(id),
          local({}, *this),
          share(local, view, *this, world.with.when_lost, world.now) {}

    void after_event() {
      share.on_change(all.now);
      check_unused();
      if (share.state() != was) {
        lost = times_lost();
        was = share.state();
        if (was == bulkhead_share::mode::lost && !std::exchange(told_at_once, false)) {
          begin_session();
          untold = true;
        }
      }
      const auto due = share.due();
      if (due < wake) {
        wake = due;
        all.on_node(place, all.rings(due), [this, due](node&) {
          if (wake == due)
            wake = end_of_time;
          after_event();
        });
      }
    }

    /// Without the owner nobody keeps what it doesn't need: the owner would count it.
    void check_unused() const {
      for (const auto& each : stations)
        if (share.state() == bulkhead_share::mode::lost && local.settled()
            && each->core.permits_unused() > 0)
          all.complain("permits lie unused though the owner is lost");
    }

    [[nodiscard]] std::uint64_t supervisors_in_flight() const {
      std::uint64_t result = 0;
      for (const auto& each : stations)
        result += each->core.live();
      return result;
    }

    [[nodiscard]] std::uint64_t times_lost() const {
      const auto just_now = was != share.state() && share.state() == bulkhead_share::mode::lost;
      return lost + (just_now ? 1 : 0);
    }

    void begin_session() {
      brought = local.leased();
      alone = 0;
      waited = local.queued();
    }

  private:
    void grant(holder_id to, ticket_id ticket, std::uint32_t extra, bool keep) override {
      const auto leased = share.state() == bulkhead_share::mode::leased;
      ++handed_on;
      alone += leased ? 0 : 1 + extra;
      tell(to, [=, this, given_in = leased ? session : 0, losses = times_lost()](station& s) {
        s.given[ticket] = {given_in, losses};
        s.core.on_permit(attempt_of(ticket), extra, keep, all.now);
        s.given.erase(ticket);
      });
    }
    void refuse(holder_id to, ticket_id ticket, errc why) override {
      if (why == errc::bulkhead_full && share.state() == bulkhead_share::mode::leased)
        ++full;
      tell(to, [=, this](station& s) { s.core.on_refused(attempt_of(ticket), why, all.now); });
    }
    void recall(holder_id to, std::uint64_t round) override {
      tell(to, [=, this](station& s) {
        const auto back = s.core.on_recall();
        all.on_node(place, all.delivered(s.last_out), [=](node& n) {
          n.local.on_recalled(to, round, back);
          n.after_event();
        });
      });
    }
    template <class F>
    void tell(holder_id to, F f) {
      all.on_node(place, all.delivered(stations[to - 1]->last_in),
                  [f, to](node& n) { f(*n.stations[to - 1]); });
    }
    void report(const share_report& report) override {
      if (session != report.stamp.session) {
        full = 0;
        told_served = 0;
        if (!std::exchange(untold, false) && session != 0) { // is lost just now
          begin_session();
          told_at_once = true;
        }
      }
      session = report.stamp.session;
      if (report.carried > brought + alone)
        all.complain("a node carries over more than it ever had");
      if (report.waiting > 0 && all.with.when_lost == owner_lost::fail_closed
          && share.state() == bulkhead_share::mode::lost)
        all.complain("calls wait that are to be refused");
      all.send_to_owner(*this, report);
    }
    void policy_changed(const bulkhead_policy&) override {}
  };

  // Whose attempt: node, holder, slot, serial.
  using work = std::array<std::uint64_t, 4>;

  world_settings with;
  std::vector<std::unique_ptr<node>> nodes_;
  std::unique_ptr<shared_bulkhead> owner_;
  node_key last_key_ = 0;
  std::unordered_map<node_key, std::uint32_t> places_; // where a node is, or was
  std::map<node_key, std::uint64_t> sessions_;         // that the owner has heard of
  // For as long as the owner hears of a node in a session often enough, it is a member.
  struct member {
    std::uint64_t number = 0;
    std::uint64_t serial = 0;
    instant until{};
  };
  std::map<node_key, member> members_;
  std::uint64_t last_member_ = 0;
  std::map<node_key, bool> lost_by_word_;
  std::map<work, bool> running_; // whether it counts against the limit: the owner knows of it
  std::uint64_t counted_ = 0;    // of these
  std::uint32_t widest_ = 0;
  bool calls_come_ = false;
  instant owner_wake_ = end_of_time;
  std::uint64_t owner_life_ = 0;
  instant crowded_since_ = end_of_time; // more wait at the owner than may
  fence fence_;                         // the target's
  std::uint64_t highest_fence_ = 0;     // that it was shown
  permit_token newest_token_;

  static ticket_id ticket_of(attempt_id a) { return (ticket_id{a.slot} << 32U) | a.serial; }
  static attempt_id attempt_of(ticket_id t) {
    return {.slot = static_cast<std::uint32_t>(t >> 32U), .serial = static_cast<std::uint32_t>(t)};
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
        n->slept_over.push_back(std::move(f));
      else
        f(*n);
    });
  }

  /// When a message within a node arrives, of which `last` is the one before it.
  instant delivered(instant& last) {
    if (with.mail == timespan{0})
      return now;
    return last = std::max(last, now + between(timespan{0}, with.mail));
  }

  void start_node(std::uint32_t i) {
    nodes_[i] = std::make_unique<node>(*this, i, ++last_key_);
    auto& n = *nodes_[i];
    places_[n.key] = i;
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
    if (!nodes_[i])
      return;
    on_node(i, when, [this, i, line = nodes_[i]->line](node& x) {
      if (x.line != line)
        return; // has broken anew
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
      if (!calls_come_ || i + with.idle >= with.nodes)
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
  void send(const node& with_whom, instant& last, F arrive) {
    if (with_whom.connected)
      transmit(last, arrive);
  }

  void send_to_owner(node& from, const share_report& report) {
    send(from, from.last_to_owner,
         [this, i = from.place, key = from.key, line = from.line, report] {
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
           note_member(key, report.stamp.serial);
           owner_->on_report(key, report, now);
           after_owner();
         });
  }

  void grant(node_key to, const share_grant& grant) override {
    const auto i = places_.at(to);
    if (!nodes_[i] || nodes_[i]->key != to)
      return;
    auto& n = *nodes_[i];
    newest_token_ = grant.token;
    n.told_to_keep = grant.keep;
    if (grant.refused > std::exchange(n.told_refused, grant.refused))
      check_refusal();
    if (sessions_[to] == n.session && !n.untold
        && grant.served + grant.refused > n.waited + n.alone)
      complain("more calls are served and refused than have waited");
    const auto membership = members_[to].number;
    send(n, n.last_to_node, [this, place = n.place, to, line = n.line, grant, membership] {
      auto* x = nodes_[place].get();
      if (x == nullptr || x->key != to || x->line != line || x->cut_to_node > now)
        return;
      on_node(place, now, [this, grant, membership](node& y) {
        const auto session = y.session;
        const auto leased = y.share.state() == bulkhead_share::mode::leased;
        const auto handed_on = y.handed_on;
        y.share.on_grant(grant, now);
        check_grant(y, grant, leased && y.session == session ? y.handed_on - handed_on : 0);
        const auto taken = grant.token.number == y.view.token().number;
        if (taken && std::exchange(y.membership, membership) != membership && leased
            && y.share.state() == bulkhead_share::mode::leased)
          complain("a lease goes on though its owner has taken all back meanwhile");
        y.nodes = taken ? grant.nodes : y.nodes;
        if (taken && y.session == session && y.full > grant.refused)
          complain("a node has refused more calls than the owner said");
        y.after_event();
      });
    });
  }

  /// What a node has made of a grant, in the same session; `handed_on`: so many calls go on.
  void check_grant(node& of, const share_grant& grant, std::uint64_t handed_on) {
    if (of.share.state() != bulkhead_share::mode::leased
        || grant.token.number != of.view.token().number)
      return; // is none, or overtaken
    const auto newly_served = std::max(grant.served, of.told_served) - of.told_served;
    of.told_served += newly_served;
    if (!of.share.may_keep() && handed_on > newly_served)
      complain("a node serves more calls than the owner");
    const auto session = sessions_.find(of.key);
    if (of.share.may_keep() && owner_ && owner_->knows(of.key) && session != sessions_.end()
        && session->second == of.session && of.local.policy().max_workers > owner_->leased(of.key))
      complain("a node may keep permits though the owner doesn't know of all that it has");
  }

  void lose(node_key key) {
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
    members_.erase(key);
    count_no_more(key);
  }

  void note_member(node_key key, std::uint64_t serial) {
    auto& of = members_[key];
    if (of.number == 0 || of.until <= now)
      of = {.number = ++last_member_};
    if (serial <= of.serial)
      return; // overtaken
    of.serial = serial;
    of.until = now + with.lease_time;
  }

  void count_no_more(node_key key) {
    for (auto i = running_.lower_bound({key, 0, 0, 0}); i != running_.end() && i->first[0] == key;
         ++i)
      if (std::exchange(i->second, false))
        --counted_;
  }

  void end_work(const work& id) {
    auto i = running_.find(id);
    if (i == running_.end())
      return;
    if (i->second)
      --counted_;
    running_.erase(i);
  }

  /// Nobody is refused while a node may keep what it doesn't use.
  void check_refusal() {
    for (const auto& each : nodes_)
      if (each && each->share.state() == bulkhead_share::mode::leased && each->share.may_keep()
          && owner_->knows(each->key) && sessions_.contains(each->key)
          && sessions_[each->key] == each->session)
        complain("a call is refused though permits may lie unused");
  }

  void check_owner() {
    if (owner_->queued() > 0 && owner_->free() > 0)
      complain("permits lie free while calls wait");
    const auto crowded = owner_->queued() > owner_->policy().queue_size;
    crowded_since_ = crowded ? std::min(crowded_since_, now) : end_of_time;
    if (crowded && now - crowded_since_ > 3 * with.lease_time)
      complain("more calls wait than may, and nobody is refused");
    for (const auto& each : nodes_)
      if (each && each->told_to_keep && owner_->leased() > owner_->policy().max_workers
          && owner_->knows(each->key))
        complain("a node may keep permits while more are out than there are");
  }

  void after_owner() {
    check_owner();
    for (const auto& [key, of] : members_)
      if (of.until < now && owner_->knows(key))
        complain("a node has been silent for a lease's time, and keeps what it holds");
    const auto all_known = owner_->nodes() == sessions_.size();
    for (auto i = sessions_.begin(); !all_known && i != sessions_.end();) {
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
    const auto given = by.given.find(ticket_of(attempt));
    if (!leased)
      note_alone(on, given != by.given.end() && given->second.second < on.lost);
    else if (!known)
      note_unheard(on);
    show_fence(on, leased && known);
    const work id{on.key, by.holder, attempt.slot, attempt.serial};
    // What was given in another session is what the node came back with.
    const auto counts =
        leased && known && (given == by.given.end() || given->second.first == on.session);
    running_[id] = counts;
    counted_ += counts ? 1 : 0;
    check_limit();
    at(now + between(timespan{0}, 2 * with.service), [this, id, i = on.place, &by, attempt] {
      end_work(id);
      if (nodes_[i] && nodes_[i]->key == id[0])
        on_node(i, now, [this, &by, attempt](node&) {
          if (by.core.on_reply(attempt, std::nullopt, now))
            ++served;
        });
    });
  }

  /// By its policy: nothing, its share of the limit, or whatever comes. `on_its_way`: its permit was,
  /// when the owner was lost.
  void note_alone(const node& on, bool on_its_way) {
    ++started_alone;
    const auto limit = on.share.policy().max_workers;
    std::uint64_t runs = 0;
    for (auto i = running_.lower_bound({on.key, 0, 0, 0});
         i != running_.end() && i->first[0] == on.key; ++i)
      ++runs;
    if (with.when_lost == owner_lost::fail_closed
        || (with.when_lost == owner_lost::local && limit == 0))
      complain("work begun without the owner that should be refused");
    else if (with.when_lost == owner_lost::local && !on_its_way
             && runs >= std::max(limit / on.nodes, 1U))
      complain("work begun without the owner beyond the node's share");
  }

  /// The target is shown the permit. One that is good is let in, and the fence never falls.
  void show_fence(const node& on, bool good) {
    const auto token = on.view.token();
    highest_fence_ = std::max(highest_fence_, token.fence);
    if (fence_.admit(token) != (token.number >= highest_fence_))
      complain("the fence is not where the newest permit says");
    if (good && token.number < highest_fence_)
      complain("a good permit is shut out");
  }

  /// Under a lease that the owner has taken back: only if it was told of a loss, and we not yet.
  void note_unheard(const node& on) {
    ++started_unheard;
    if (owner_ && !lost_by_word_[on.key])
      complain("work begun on a lease that had run out");
  }

  void check_limit() {
    most_running = std::max(most_running, std::uint64_t{running_.size()});
    if (counted_ > widest_)
      complain("more at once than the limit: " + std::to_string(counted_));
  }

  void complain(const std::string& what) {
    wrong.push_back(to_text(now.time_since_epoch()) + ": " + what);
  }
};

} // namespace bulwark_tests
