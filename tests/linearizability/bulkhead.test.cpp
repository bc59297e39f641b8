#include "linearizability/checker.hpp"
#include "linearizability/clients.hpp"
#include "models/waiting_line.hpp"
#include "support/catch.hpp"
#include "support/real_system.hpp"

#include "bulwark/all.hpp"
#include "bulwark/bulkhead_actor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

/// @file The bulkhead's actor among holders that ask for permits all at once, on real threads, and
/// end with permits in their hands: what they get is what one waiting line would give them.
///
/// A holder that waits gets its answer when something else happens. So an ask is written down twice:
/// when it comes to the line, and as the answer that was got, which has to be one that was given by
/// then.

using namespace bulwark;
using namespace bulwark_tests;
using namespace bulwark_tests::waiting;
using namespace std::chrono_literals;

namespace {

// -- what holders do ----------------------------------------------------------------------

struct end {};

struct bulkhead_use {
  holder_id by = 0;
  std::variant<ask, withdrawal, return_home, answer, grant, refusal, end> what;
};

std::string to_text(const bulkhead_use& use) {
  struct {
    std::string operator()(const ask& x) { return fmt::format("ask {}", x.ticket); }
    std::string operator()(const withdrawal& x) { return fmt::format("withdraw {}", x.ticket); }
    std::string operator()(const return_home& x) { return fmt::format("return {}", x.permits); }
    std::string operator()(const answer& x) {
      return fmt::format("answer recall {}: {} returned", x.round, x.returned);
    }
    std::string operator()(const grant& x) {
      return fmt::format("{} granted, {} extra{}", x.ticket, x.extra, x.keep ? ", to keep" : "");
    }
    std::string operator()(const refusal& x) {
      return fmt::format("{} refused: {}", x.ticket, to_string(x.why));
    }
    std::string operator()(const end&) { return "end"; }
  } text;
  return std::visit(text, use.what);
}

// -- the sequential model -----------------------------------------------------------------

// What makes a model wrong on purpose.
enum class flaw { none, one_worker_more, longer_queue, last_in_first_out, keeps_what_was_lost };

class modelled_bulkhead {
public:
  /// `mortal`: the holders that end; what was decided for them may never have been heard.
  modelled_bulkhead(const bulkhead_policy& policy, std::set<holder_id> mortal, flaw wrong)
      : mortal_(std::move(mortal)), wrong_(wrong) {
    line_.policy = policy;
    line_.policy.max_workers += wrong == flaw::one_worker_more ? 1 : 0;
    line_.policy.queue_size += wrong == flaw::longer_queue ? 1 : 0;
  }

  [[nodiscard]] std::vector<modelled_bulkhead> after(const operation<bulkhead_use>& next) const {
    auto result = *this;
    if (!result.does(next.what))
      return {};
    for (const auto& each : std::exchange(result.line_.decided, {}))
      result.decided_.push_back(each);
    result.line_.called_back.clear();
    return {result};
  }

  /// Everybody has heard what was decided for him.
  [[nodiscard]] bool complete() const {
    return std::all_of(decided_.begin(), decided_.end(),
                       [this](const decision& each) { return mortal_.contains(each.holder); });
  }

  /// A decision, once it is made, stays until it is heard.
  static bool only_reads(const bulkhead_use& use) {
    return std::holds_alternative<grant>(use.what) || std::holds_alternative<refusal>(use.what);
  }

  friend bool operator<(const modelled_bulkhead& a, const modelled_bulkhead& b) {
    const auto all = [](const modelled_bulkhead& of) {
      return std::tie(of.line_.line.all, of.line_.out, of.line_.unanswered, of.line_.keepers);
    };
    if (all(a) != all(b))
      return all(a) < all(b);
    return std::lexicographical_compare(
        a.decided_.begin(), a.decided_.end(), b.decided_.begin(), b.decided_.end(),
        [](const decision& x, const decision& y) { return digits(x) < digits(y); });
  }

private:
  waiting_line line_;
  std::vector<decision> decided_; // and not heard yet
  std::set<holder_id> mortal_;
  flaw wrong_;

  static std::tuple<holder_id, ticket_id, std::uint32_t, int> digits(const decision& of) {
    if (const auto* given = std::get_if<grant>(&of.what))
      return {of.holder, given->ticket, given->extra, given->keep ? 1 : 0};
    const auto& refused = std::get<refusal>(of.what);
    return {of.holder, refused.ticket, 0, 1 + static_cast<int>(refused.why)};
  }

  bool does(const bulkhead_use& use) {
    if (const auto* got = std::get_if<grant>(&use.what))
      return std::erase(decided_, decision{use.by, *got}) == 1;
    if (const auto* got = std::get_if<refusal>(&use.what))
      return std::erase(decided_, decision{use.by, *got}) == 1;
    if (std::holds_alternative<end>(use.what))
      return ends(use.by);
    if (const auto* home = std::get_if<return_home>(&use.what);
        home != nullptr && home->permits > line_.out[use.by])
      return false;
    if (const auto* said = std::get_if<answer>(&use.what))
      if (line_.unanswered[use.by] == 0 || said->returned > line_.out[use.by])
        return false; // to a recall that there was not
    std::visit(
        [&](const auto& what) {
          if constexpr (std::is_constructible_v<to_owner, decltype(what)>)
            line_.on(use.by, what);
        },
        use.what);
    if (wrong_ == flaw::last_in_first_out && std::holds_alternative<ask>(use.what)
        && line_.line.size() > 1)
      std::rotate(line_.line.all.begin(), line_.line.all.end() - 1, line_.line.all.end());
    return true;
  }

  bool ends(holder_id who) {
    if (wrong_ == flaw::keeps_what_was_lost) {
      const auto kept = line_.out[who];
      line_.lose(who);
      line_.out[who] = kept;
    } else {
      line_.lose(who);
    }
    return true;
  }
};

// -- the real one -------------------------------------------------------------------------

class holder_client {
public:
  holder_client(caf::actor_system& sys, const caf::actor& bulkhead, holder_id number,
                std::vector<operation<bulkhead_use>>& into)
      : self_(sys), bulkhead_(bulkhead), me_{.id = number}, notes_(into) {}

  void act(dice& chance) {
    switch (chance.below(10)) {
    case 0:
    case 1:
    case 2:
    case 3:
      if (me_.waiting.size() < 2)
        me_.begin_call();
      break;
    case 4:
    case 5:
    case 6:
      me_.end_call();
      break;
    case 7:
      me_.give_up(static_cast<int>(chance.below(2)));
      break;
    default:
      wait_while_idle();
    }
    send();
    while (hear(false))
      send();
  }

  /// Ends all calls, also those that still wait.
  void finish() {
    do {
      while (me_.in_use > 0)
        me_.end_call();
      wait_while_idle();
    } while (me_.in_use > 0);
    me_.go_idle();
    send();
  }

  /// Hears what there is to be heard until all have finished, and what was sent before.
  void stay_until(const std::atomic<std::size_t>& finished, std::size_t all) {
    while (finished < all)
      if (!hear(false))
        std::this_thread::yield();
      else
        send();
    say(attach_atom_v); // answered after all that was sent before
    flushed_ = false;
    while (!flushed_)
      hear(true);
    notes_.has_happened(notes_.size(), clock_now());
  }

  /// With all that it has: nobody says when the bulkhead hears of it.
  void end_now() { notes_.sent({me_.id, end{}}); }

private:
  struct question {
    std::size_t place; // in the notebook
    moment asked;
  };

  caf::scoped_actor self_;
  const caf::actor& bulkhead_;
  holder me_;
  notebook<bulkhead_use> notes_;
  std::map<ticket_id, question> questions_;
  bool flushed_ = false;

  static attempt_id attempt_of(ticket_id ticket) {
    return {.slot = 1, .serial = static_cast<std::uint32_t>(ticket)};
  }

  template <class T>
  void say(const T& content) {
    compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(bulkhead_),
                    caf::actor_cast<caf::strong_actor_ptr>(self_.ptr()), caf::make_message_id(),
                    caf::make_message(content), nullptr);
  }

  // What the holder wants to be sent.
  void send() {
    for (; !me_.sent.empty(); me_.sent.pop_front())
      std::visit([this](const auto& what) { send(what); }, me_.sent.front());
  }
  void send(const ask& what) {
    notes_.sent({me_.id, what});
    questions_[what.ticket] = {notes_.size(), clock_now()};
    say(permit_request{.attempt = attempt_of(what.ticket)});
  }
  void send(const withdrawal& what) {
    notes_.sent({me_.id, what});
    say(permit_withdrawal{.attempt = attempt_of(what.ticket)});
  }
  void send(const return_home& what) {
    notes_.sent({me_.id, what});
    say(permit_return{.count = what.permits});
  }
  void send(const answer& what) {
    notes_.sent({me_.id, what});
    say(lease_answer{.round = what.round, .returned = what.returned});
  }

  // A decision: its ask has come to the line by now.
  template <class T>
  void got(const T& what) {
    const auto& answered = questions_.at(what.ticket);
    const auto now = clock_now();
    notes_.has_happened(answered.place, now);
    notes_.happened({me_.id, what}, answered.asked, now);
    me_.on(what);
  }

  /// Takes one message; false: there was none, and it was not to be waited for.
  bool hear(bool wait) {
    auto result = true;
    auto on_grant = [this](const permit_grant& x) {
      got(grant{x.attempt.serial, x.extra, x.keep});
    };
    auto on_refusal = [this](const permit_refusal& x) { got(refusal{x.attempt.serial, x.why}); };
    auto on_recall = [this](const lease_recall& x) { me_.on(recall{x.round}); };
    auto on_policy = [this](change_policy_atom, const bulkhead_policy&) { flushed_ = true; };
    if (wait)
      self_->receive(on_grant, on_refusal, on_recall, on_policy);
    else
      self_->receive(
          on_grant, on_refusal, on_recall, on_policy, caf::after(0s) >> [&] { result = false; });
    return result;
  }

  // Who has a permit and waits for another could wait for ever.
  void wait_while_idle() {
    send();
    while (!me_.waiting.empty() && me_.in_use == 0) {
      hear(true);
      send();
    }
  }
};

struct run_of_holders {
  history<bulkhead_use> seen;
  std::set<holder_id> mortal;
  std::uint32_t free_at_last = 0;
};

// Many bulkheads, one after another, each among holders of its own.
class bulkhead_runs {
public:
  explicit bulkhead_runs(std::size_t clients) : threads_(clients) {}

  run_of_holders run(const bulkhead_policy& policy, std::uint64_t seed) {
    const auto bulkhead =
        sys_->spawn<bulkhead_actor>(bulkhead_actor::settings{.name = "db",
                                                             .policy = policy,
                                                             .timeout_manager = nullptr,
                                                             .registry = {},
                                                             .threads = nullptr});
    run_of_holders result;
    const auto count = threads_.count();
    result.seen.resize(count);
    dice chance{seed};
    for (std::size_t i = 0; i < count; ++i)
      if (chance.below(6) == 0)
        result.mortal.insert(i);
    std::atomic<std::size_t> finished{0};
    threads_.run([&](std::size_t i) {
      dice own{seed + i};
      holder_client client{sys_, bulkhead, i, result.seen[i]};
      threads_.meet();
      for (auto left = 5 + own.below(5); left > 0; --left)
        client.act(own);
      const auto dies = result.mortal.contains(i);
      if (!dies)
        client.finish();
      ++finished;
      if (dies)
        client.end_now();
      else
        client.stay_until(finished, count);
    });
    // All holders have ended: what they still had comes back with the news of it.
    for (auto asked = 0; asked < 100'000 && result.free_at_last != policy.max_workers; ++asked)
      result.free_at_last = sys_.get<std::uint32_t>(bulkhead, available_capacity_atom_v);
    caf::anon_send_exit(bulkhead, caf::exit_reason::kill);
    return result;
  }

private:
  real_system sys_;
  client_threads threads_;
};

} // namespace

TEST_CASE(
    "what holders get from a bulkhead that all ask at once is what one waiting line would give "
    "them [L2]",
    "[linearizability]") {
  const auto wanted = histories_wanted(10'000);
  bulkhead_runs three{3};
  bulkhead_runs four{4};
  std::map<flaw, std::uint64_t> noticed;
  std::uint64_t operations = 0, states = 0, waited = 0, refused = 0, extras = 0, ended = 0;
  for (std::uint64_t number = 1; number <= wanted; ++number) {
    dice chance{number};
    const bulkhead_policy policy{.max_workers = 1 + chance.below(4), .queue_size = chance.below(4)};
    const auto done = (number % 2 == 0 ? three : four).run(policy, chance.seed());
    const auto check = [&](flaw wrong, std::uint64_t most_states) {
      return check_linearizable(done.seen, modelled_bulkhead{policy, done.mortal, wrong},
                                most_states);
    };
    const auto result = check(flaw::none, 1'000'000);
    if (!result.linearizable)
      FAIL("history " << number << ", max_workers " << policy.max_workers << ", queue_size "
                      << policy.queue_size
                      << (result.gave_up ? ": too many states" : ": no order explains it")
                      << to_text(done.seen, result));
    REQUIRE(done.free_at_last == policy.max_workers);
    states += result.states;
    ended += done.mortal.size();
    for (const auto& client : done.seen) {
      operations += client.size();
      for (const auto& each : client) {
        waited += std::holds_alternative<withdrawal>(each.what.what) ? 1 : 0;
        refused += std::holds_alternative<refusal>(each.what.what) ? 1 : 0;
        const auto* given = std::get_if<grant>(&each.what.what);
        extras += given != nullptr && given->extra > 0 ? 1 : 0;
      }
    }
    // A model that is wrong is noticed, or this test shows nothing.
    for (auto wrong : {flaw::one_worker_more, flaw::longer_queue, flaw::last_in_first_out,
                       flaw::keeps_what_was_lost}) {
      if (noticed[wrong] >= 20)
        continue;
      const auto told = check(wrong, 10'000);
      noticed[wrong] += told.linearizable || told.gave_up ? 0 : 1;
    }
  }
  CAPTURE(operations, states, waited, refused, extras, ended);
  CHECK(operations >= 20 * wanted);
  if (wanted >= 5'000) {
    CHECK(waited >= 50);
    CHECK(refused >= 50);
    CHECK(extras >= 50);
    CHECK(ended >= 50);
    for (auto [wrong, times] : noticed) {
      CAPTURE(static_cast<int>(wrong));
      CHECK(times >= 5);
    }
  }
}
