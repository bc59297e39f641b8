#include "bulwark/cluster_statistics.hpp"

#include "support/catch.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

/// @file The statistics of several nodes on random histories: processes count, end and begin,
/// connections come and go, lead to one process or another, and answers are late, doubled or lost.
///
/// What it should come to is said without addresses: of each process that has told anything the
/// latest that it told, once.

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

constexpr cluster_policy policy{.interval = 1s, .read_timeout = 300ms, .answer_timeout = 3s};
constexpr std::size_t most_processes = 9; // as many as an address remembers, with the one there

bool same(const guard_figures& left, const guard_figures& right) {
  return left.calls == right.calls && left.latency == right.latency;
}

struct told {
  instant asked{};
  guard_figures figures = {};
};

// What the model knows of an address.
struct address {
  std::optional<std::size_t> leads_to; // a process, while there is a connection
  std::optional<std::uint64_t> open;   // a question
  instant asked{};
  std::optional<instant> last_asked; // of this connection
  std::uint64_t connection = 0;      // another number for each
  std::uint64_t settled = 0;         // the last question that came to an end
  std::map<std::size_t, told> heard; // by process
  std::optional<std::size_t> latest;
};

struct answer {
  std::uint64_t question;
  std::string node;
  std::uint64_t connection;
  std::size_t process;
  guard_figures figures;
};

struct reader {
  std::uint64_t after; // questions later than this one count
  instant until;
  std::set<std::string> waits_for;
};

class world {
public:
  world() {
    processes_.emplace_back(); // ours, for ever
    begin_process();
    nodes_[""].leads_to = 0;
    for (const auto* name : {"a", "b", "c"}) {
      nodes_[name];
      cluster_.add(name);
    }
  }

  void step(unsigned what, unsigned which) {
    const auto& name = names_.at(which % 3);
    switch (what % 9) {
    case 0:
      work(which);
      break;
    case 1:
      connect(name, which / 3 % processes_.size());
      break;
    case 2:
      lose(name);
      break;
    case 3:
      begin_process();
      break;
    case 4:
      deliver(which, true);
      break;
    case 5:
      deliver(which, false);
      break; // it will come once more
    case 6:
      read();
      break;
    case 7:
      refuse(which);
      break;
    default:
      pass(which * 10ms);
      break;
    }
    go_on();
    check();
  }

  [[nodiscard]] std::size_t answers_taken() const { return taken_; }

private:
  cluster_statistics cluster_{policy};
  instant now_{1h};
  std::vector<std::string> names_{"a", "b", "c"};
  std::map<std::string, address> nodes_;
  std::vector<guard_figures> processes_; // incarnation: index + 1
  std::vector<answer> under_way_;
  std::map<std::uint64_t, reader> readers_;
  std::uint64_t last_question_ = 0;
  std::uint64_t last_reader_ = 0;
  std::uint64_t connections_ = 0;
  std::size_t taken_ = 0;

  void work(unsigned which) {
    auto& process = processes_.at(which % processes_.size());
    auto& books = process.calls;
    if (which % 2 == 0) {
      ++books.calls;
      ++books.in_flight;
    } else if (books.in_flight > 0) {
      --books.in_flight;
      ++(which % 4 == 1 ? books.failed : books.succeeded);
      process.latency.record(which * 1us);
    }
  }

  void begin_process() {
    if (processes_.size() < most_processes)
      processes_.emplace_back();
  }

  void connect(const std::string& name, std::size_t process) {
    auto& of = nodes_.at(name);
    of.leads_to = process;
    of.connection = ++connections_;
    of.open.reset();
    of.last_asked.reset();
    cluster_.on_connected(name, now_);
  }

  void lose(const std::string& name) {
    auto& of = nodes_.at(name);
    of.leads_to.reset();
    of.connection = ++connections_;
    of.open.reset();
    for (auto& [id, each] : readers_)
      each.waits_for.erase(name);
    cluster_.on_lost(name);
  }

  // What the process answers is what it had counted when it was asked.
  void go_on() {
    now_ += 1ns;
    for (auto& [name, of] : nodes_) {
      if (of.open && now_ >= of.asked + policy.answer_timeout) {
        of.settled = *of.open;
        of.open.reset();
      }
    }
    for (const auto& each : cluster_.due(now_)) {
      auto& of = nodes_.at(each.node);
      RC_ASSERT(of.leads_to.has_value());
      RC_ASSERT(!of.open.has_value());
      RC_ASSERT(each.number > last_question_);
      const auto interval_is_over =
          !each.node.empty() && (!of.last_asked || now_ >= *of.last_asked + policy.interval);
      RC_ASSERT((interval_is_over || somebody_waits_for(each.node)));
      last_question_ = each.number;
      of.open = each.number;
      of.asked = now_;
      of.last_asked = now_;
      under_way_.push_back(
          {each.number, each.node, of.connection, *of.leads_to, processes_.at(*of.leads_to)});
    }
    for (const auto& [name, of] : nodes_) // nobody is forgotten
      if (of.leads_to && !of.open && !name.empty())
        RC_ASSERT(now_ < *of.last_asked + policy.interval);
    for (const auto id : cluster_.finished(now_)) {
      RC_ASSERT((now_ >= readers_.at(id).until || has_all(readers_.at(id))));
      readers_.erase(id);
    }
    for (const auto& [id, each] : readers_)
      RC_ASSERT(!(now_ >= each.until || has_all(each)));
  }

  [[nodiscard]] bool waits_for(const reader& who, const std::string& name) const {
    return who.waits_for.count(name) > 0 && nodes_.at(name).settled <= who.after;
  }
  [[nodiscard]] bool somebody_waits_for(const std::string& name) const {
    return std::any_of(readers_.begin(), readers_.end(),
                       [&](const auto& each) { return waits_for(each.second, name); });
  }
  [[nodiscard]] bool has_all(const reader& who) const {
    return std::none_of(who.waits_for.begin(), who.waits_for.end(),
                        [&](const auto& name) { return waits_for(who, name); });
  }

  void deliver(unsigned which, bool last) {
    if (under_way_.empty())
      return;
    const auto i = under_way_.begin() + which % under_way_.size();
    const auto one = *i;
    if (last)
      under_way_.erase(i);
    auto& of = nodes_.at(one.node);
    const auto wanted = of.open == one.question && of.connection == one.connection;
    RC_ASSERT(cluster_.on_answer(one.question, one.process + 1, one.figures) == wanted);
    if (!wanted)
      return;
    ++taken_;
    of.heard[one.process] = {of.asked, one.figures};
    of.latest = one.process;
    of.settled = one.question;
    of.open.reset();
  }

  void refuse(unsigned which) {
    if (under_way_.empty())
      return;
    const auto& one = under_way_[which % under_way_.size()];
    auto& of = nodes_.at(one.node);
    cluster_.on_no_answer(one.question);
    if (of.open == one.question) {
      of.settled = one.question;
      of.open.reset();
    }
  }

  void read() {
    auto& added = readers_[++last_reader_];
    added = {.after = last_question_, .until = now_ + policy.read_timeout, .waits_for = {}};
    for (const auto& [name, of] : nodes_)
      if (of.leads_to)
        added.waits_for.insert(name);
    cluster_.read(last_reader_, now_);
  }

  // At most until something is to be done, which is then done.
  void pass(timespan by) {
    const auto wake = cluster_.next_wake();
    now_ = wake ? std::max(now_, std::min(now_ + by, *wake)) : now_ + by;
  }

  void check() const {
    cluster_statistics::sum expected;
    for (std::size_t process = 0; process < processes_.size(); ++process) {
      const told* newest = nullptr;
      auto runs = false;
      for (const auto& [name, of] : nodes_) {
        const auto i = of.heard.find(process);
        if (i == of.heard.end())
          continue;
        const auto ours = newest != nullptr && process == 0 && nodes_.at("").heard.count(0) > 0;
        if (newest == nullptr || (!ours && i->second.asked > newest->asked))
          newest = &i->second;
        runs = runs || (of.leads_to && of.latest == process);
      }
      if (newest == nullptr)
        continue;
      expected.figures += newest->figures;
      expected.unresolved += runs ? 0 : newest->figures.calls.in_flight;
    }
    const auto total = cluster_.total();
    RC_ASSERT(same(total.figures, expected.figures));
    RC_ASSERT(total.figures.calls.balanced());
    RC_ASSERT(total.unresolved == expected.unresolved);
    for (const auto& [name, of] : nodes_)
      check_node(name, of);
  }

  void check_node(const std::string& name, const address& of) const {
    const auto found = cluster_.of(name, now_);
    if (of.leads_to)
      RC_ASSERT(found.state == (name.empty() ? node_state::here : node_state::connected));
    else
      RC_ASSERT((found.state == node_state::lost || found.state == node_state::awaited));
    RC_ASSERT(found.age.has_value() == of.latest.has_value());
    guard_figures all;
    for (const auto& [process, what] : of.heard)
      all += what.figures;
    auto shown = found.figures;
    shown += found.earlier;
    RC_ASSERT(same(shown, all));
    if (of.latest) {
      RC_ASSERT(same(found.figures, of.heard.at(*of.latest).figures));
      RC_ASSERT(*found.age == now_ - of.heard.at(*of.latest).asked);
    }
  }
};

bool seed_is_given() {
  return std::getenv("RC_PARAMS") != nullptr;
}

} // namespace

TEST_CASE("whatever happens each process is in the total once with the latest that it told [D72] "
          "[D73] [D74] [D75] [K1]",
          "[cluster]") {
  std::size_t taken = 0;
  CHECK(rc::check("cluster statistics and model agree", [&taken] {
    const auto steps = *rc::gen::scale(
        5.0, rc::gen::container<std::vector<std::pair<unsigned, unsigned>>>(
                 rc::gen::pair(rc::gen::inRange(0U, 9U), rc::gen::inRange(0U, 64U))));
    world all;
    for (const auto& [what, which] : steps)
      all.step(what, which);
    taken += all.answers_taken();
  }));
  CHECK((seed_is_given() || taken >= 500));
}
