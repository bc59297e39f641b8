#include "bulwark/cluster_statistics.hpp"

#include "support/catch.hpp"

#include "bulwark/random.hpp"

#include <algorithm>
#include <cmath>

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

const std::string here;

// That many calls of a millisecond, all succeeded but those in flight.
guard_figures figures(std::uint64_t calls, std::uint64_t in_flight = 0) {
  guard_figures result;
  result.calls = {.calls = calls, .succeeded = calls - in_flight, .in_flight = in_flight};
  for (auto i = in_flight; i < calls; ++i)
    result.latency.record(1ms);
  return result;
}

struct fixture {
  cluster_statistics cluster{{.interval = 1s, .read_timeout = 500ms, .answer_timeout = 10s}};
  instant now{1h};

  std::vector<std::string> asked() {
    std::vector<std::string> result;
    for (const auto& each : cluster.due(now))
      result.push_back(each.node);
    return result;
  }
  // The one question that is due now.
  std::uint64_t ask() {
    const auto questions = cluster.due(now);
    REQUIRE(questions.size() == 1);
    return questions[0].number;
  }
  void connect(const std::string& name) {
    cluster.add(name);
    cluster.on_connected(name, now);
  }
  // Connected, and has answered once.
  void tell(const std::string& name, std::uint64_t incarnation, const guard_figures& what) {
    connect(name);
    REQUIRE(cluster.on_answer(ask(), incarnation, what));
  }
  void tell_here(std::uint64_t incarnation, const guard_figures& what) {
    cluster.read(99, now);
    for (const auto& each : cluster.due(now)) {
      if (each.node == here)
        REQUIRE(cluster.on_answer(each.number, incarnation, what));
      else
        cluster.on_no_answer(each.number);
    }
    REQUIRE(cluster.finished(now) == std::vector<std::uint64_t>{99});
  }
  [[nodiscard]] cluster_statistics::summary of(const std::string& name) const {
    return cluster.of(name, now);
  }
  [[nodiscard]] counters total() const { return cluster.total().figures.calls; }
};

using names = std::vector<std::string>;
using readers = std::vector<std::uint64_t>;

} // namespace

// -- who is there ----------------------------------------------------------------------

TEST_CASE("the own node is there from the beginning and the others come as they are known [D70]",
          "[cluster]") {
  fixture f;
  CHECK(f.of(here).state == node_state::here);
  f.cluster.add("b");
  f.cluster.add("a");
  f.cluster.add("a");
  CHECK(f.cluster.nodes() == names{here, "a", "b"});
  CHECK(f.of("a").state == node_state::awaited);
  CHECK(f.of("a").age == std::nullopt);
  f.connect("a");
  CHECK(f.of("a").state == node_state::connected);
  f.cluster.on_lost("a");
  CHECK(f.of("a").state == node_state::lost);
  f.cluster.on_lost("b"); // never was there
  CHECK(f.of("b").state == node_state::awaited);
}

TEST_CASE("what is told of the own node's connection or of a stranger changes nothing",
          "[cluster]") {
  fixture f;
  f.cluster.on_connected("stranger", f.now);
  f.cluster.on_lost("stranger");
  f.cluster.remove("stranger");
  f.cluster.on_lost(here);
  f.cluster.remove(here);
  f.cluster.on_connected(here, f.now);
  CHECK(f.cluster.nodes() == names{here});
  CHECK(f.of(here).state == node_state::here);
  CHECK(f.asked().empty());
  CHECK(f.cluster.next_wake() == std::nullopt);
}

TEST_CASE("figures have the age of the question that they answer [D70]", "[cluster]") {
  fixture f;
  f.connect("a");
  const auto question = f.ask();
  REQUIRE(f.cluster.asked(question) != nullptr);
  CHECK(*f.cluster.asked(question) == "a");
  f.now += 300ms;
  f.cluster.on_answer(question, 7, figures(3));
  CHECK(f.cluster.asked(question) == nullptr);
  CHECK(f.of("a").age == 300ms);
  f.now += 200ms;
  CHECK(f.of("a").age == 500ms);
}

// -- when to ask -----------------------------------------------------------------------

TEST_CASE("a node is asked when it is connected and then at the interval [D75]", "[cluster]") {
  fixture f;
  f.cluster.add("a");
  CHECK(f.asked().empty());
  f.connect("a");
  CHECK(f.cluster.next_wake() == f.now);
  f.cluster.on_answer(f.ask(), 7, figures(1));
  f.now += 999ms;
  CHECK(f.asked().empty());
  CHECK(f.cluster.next_wake() == f.now + 1ms);
  f.now += 1ms;
  CHECK(f.asked() == names{"a"});
}

TEST_CASE("the own node is asked for a reader only [D75]", "[cluster]") {
  fixture f;
  CHECK(f.asked().empty());
  CHECK(f.cluster.next_wake() == std::nullopt);
  f.cluster.read(1, f.now);
  CHECK(f.asked() == names{here});
}

TEST_CASE("a node that owes an answer is not asked again before it is given up [D75] [D76]",
          "[cluster]") {
  fixture f;
  f.connect("a");
  f.connect("b");
  auto questions = f.cluster.due(f.now);
  REQUIRE(questions.size() == 2);
  f.cluster.on_answer(questions[1].number, 7, figures(1));
  for (int second = 1; second < 10; ++second) {
    f.now += 1s;
    f.cluster.read(static_cast<std::uint64_t>(second), f.now);
    for (const auto& each : f.cluster.due(f.now)) {
      CHECK(each.node != "a"); // but the others go on
      f.cluster.on_answer(each.number, each.node == here ? 1 : 7, figures(1));
    }
  }
  f.now += 1s;
  const auto again = f.cluster.due(f.now);
  REQUIRE(again.size() >= 1);
  CHECK(std::count_if(again.begin(), again.end(), [](const auto& q) { return q.node == "a"; })
        == 1);
  CHECK_FALSE(f.cluster.on_answer(questions[0].number, 8, figures(100))); // too late
}

TEST_CASE("an error leaves the node for the next interval [D77]", "[cluster]") {
  fixture f;
  f.connect("a");
  f.cluster.on_no_answer(f.ask());
  CHECK(f.asked().empty());
  CHECK(f.of("a").age == std::nullopt);
  f.now += 1s;
  CHECK(f.asked() == names{"a"});
}

TEST_CASE("a policy that asks more often holds at once and its ranges are checked [D79]",
          "[cluster]") {
  fixture f;
  f.tell("a", 7, figures(1));
  f.cluster.change_policy({.interval = 100ms}, f.now);
  CHECK(f.cluster.next_wake() == f.now + 100ms);
  CHECK(find_mistakes(cluster_policy{}).empty());
  const auto mistakes =
      find_mistakes(cluster_policy{.interval = 9ms, .read_timeout = 0ms, .answer_timeout = 25h});
  REQUIRE(mistakes.size() == 3);
  CHECK(mistakes[0] == policy_mistake{"cluster.interval", "9ms", "10ms .. 1d"});
  CHECK(mistakes[1] == policy_mistake{"cluster.read_timeout", "0s", "1ms .. 1h"});
  CHECK(mistakes[2] == policy_mistake{"cluster.answer_timeout", "1d1h", "10ms .. 1d"});
}

// -- readers ---------------------------------------------------------------------------

TEST_CASE("a reader waits for an answer to a question asked after it came [D75]", "[cluster]") {
  fixture f;
  f.connect("a");
  const auto old = f.ask();
  f.cluster.read(5, f.now);
  const auto ours = f.ask(); // of the own node; "a" still owes one
  f.cluster.on_answer(ours, 1, figures(0));
  f.cluster.on_answer(old, 7, figures(1));
  CHECK(f.cluster.finished(f.now).empty());
  f.cluster.on_answer(f.ask(), 7, figures(2));
  CHECK(f.cluster.finished(f.now) == readers{5});
  CHECK(f.cluster.finished(f.now).empty());
  CHECK(f.of("a").figures.calls.calls == 2);
}

TEST_CASE("readers that come together share their questions [D75]", "[cluster]") {
  fixture f;
  f.connect("a");
  for (std::uint64_t reader = 0; reader < 100; ++reader)
    f.cluster.read(reader, f.now);
  const auto questions = f.cluster.due(f.now);
  CHECK(questions.size() == 2);
  for (const auto& each : questions)
    f.cluster.on_answer(each.number, 7, figures(1));
  CHECK(f.cluster.finished(f.now).size() == 100);
  CHECK(f.asked().empty());
}

TEST_CASE("a reader waits no longer than the read timeout for a node that is silent [D76]",
          "[cluster]") {
  fixture f;
  f.tell("a", 7, figures(3));
  f.cluster.read(5, f.now);
  REQUIRE(f.cluster.due(f.now).size() == 2);
  CHECK(f.cluster.next_wake() == f.now + 500ms);
  f.now += 499ms;
  CHECK(f.cluster.finished(f.now).empty());
  f.now += 1ms;
  CHECK(f.cluster.finished(f.now) == readers{5});
  CHECK(f.of("a").figures.calls.calls == 3);
}

TEST_CASE("a reader does not wait for a node that is lost or refuses or is known no longer [D76]",
          "[cluster]") {
  fixture f;
  for (const auto* name : {"a", "b", "c"})
    f.connect(name);
  f.cluster.read(5, f.now);
  for (const auto& each : f.cluster.due(f.now)) {
    if (each.node == here || each.node == "b")
      f.cluster.on_no_answer(each.number);
  }
  CHECK(f.cluster.finished(f.now).empty());
  f.cluster.on_lost("a");
  CHECK(f.cluster.finished(f.now).empty());
  f.cluster.remove("c");
  CHECK(f.cluster.finished(f.now) == readers{5});
}

// -- loss and restart --------------------------------------------------------------------

TEST_CASE("a lost node keeps its last figures and its calls in flight are unresolved [D72]",
          "[cluster]") {
  fixture f;
  f.tell_here(1, figures(10));
  f.tell("a", 7, figures(5, 2));
  CHECK(f.cluster.total().unresolved == 0);
  f.cluster.on_lost("a");
  f.now += 24h;
  CHECK(f.of("a").state == node_state::lost);
  CHECK(f.of("a").age == 24h);
  CHECK(f.of("a").figures.calls == figures(5, 2).calls);
  CHECK(f.total() == counters{.calls = 15, .succeeded = 13, .in_flight = 2});
  CHECK(f.cluster.total().unresolved == 2);
  // The same process again: it goes on where it was.
  f.tell("a", 7, figures(6));
  CHECK(f.total() == figures(16).calls);
  CHECK(f.cluster.total().unresolved == 0);
  CHECK(f.of("a").restarts == 0);
}

TEST_CASE("a process started anew counts on from what the earlier one had [D73]", "[cluster]") {
  fixture f;
  f.tell("a", 7, figures(5, 2));
  f.cluster.on_lost("a");
  f.now += 1s;
  f.connect("a");
  CHECK(f.total().calls == 5); // it hasn't told yet
  f.cluster.on_answer(f.ask(), 8, figures(1));
  CHECK(f.of("a").figures.calls.calls == 1);
  CHECK(f.of("a").earlier.calls.calls == 5);
  CHECK(f.of("a").earlier.latency.count() == 3);
  CHECK(f.of("a").restarts == 1);
  CHECK(f.total() == counters{.calls = 6, .succeeded = 4, .in_flight = 2});
  CHECK(f.cluster.total().figures.latency.count() == 4);
  CHECK(f.cluster.total().unresolved == 2);
}

TEST_CASE("an answer that the earlier process gave late is dropped [D73] [D77]", "[cluster]") {
  fixture f;
  f.connect("a");
  const auto late = f.ask();
  f.cluster.on_lost("a");
  CHECK_FALSE(f.cluster.on_answer(late, 7, figures(5)));
  f.connect("a");
  const auto question = f.ask();
  CHECK_FALSE(f.cluster.on_answer(late, 7, figures(5)));
  CHECK(f.cluster.on_answer(question, 8, figures(1)));
  CHECK_FALSE(f.cluster.on_answer(question, 8, figures(2))); // doubled
  CHECK(f.total().calls == 1);
}

TEST_CASE("an address that leads to several processes in turn counts each once [D73]",
          "[cluster]") {
  fixture f;
  for (std::uint64_t round = 1; round <= 20; ++round) {
    for (std::uint64_t process = 1; process <= 9; ++process)
      f.tell("a", process, figures(round));
  }
  CHECK(f.total() == figures(180).calls);
  CHECK(f.of("a").figures.calls.calls + f.of("a").earlier.calls.calls == 180);
}

TEST_CASE("of a thousand restarts nothing is lost and little is remembered [D73]", "[cluster]") {
  fixture f;
  for (std::uint64_t process = 1; process <= 1'000; ++process)
    f.tell("a", process, figures(3, 1));
  CHECK(f.total() == counters{.calls = 3'000, .succeeded = 2'000, .in_flight = 1'000});
  CHECK(f.cluster.total().unresolved == 999);
  CHECK(f.cluster.total().figures.latency.count() == 2'000);
  CHECK(f.of("a").earlier.calls.calls == 2'997);
  CHECK(f.of("a").restarts == 999);
}

TEST_CASE("a process that is reached by two addresses is in the total once [D74]", "[cluster]") {
  fixture f;
  f.tell("a", 7, figures(5));
  f.now += 1ms;
  f.tell("b", 7, figures(6));
  CHECK(f.total() == figures(6).calls); // the later word
  CHECK(f.of("a").figures.calls.calls == 5);
  f.cluster.on_lost("b");
  CHECK(f.cluster.total().unresolved == 0);
  CHECK(f.total() == figures(6).calls);
}

TEST_CASE("a node that is connected to itself speaks for itself [D74]", "[cluster]") {
  fixture f;
  f.tell_here(7, figures(5));
  f.now += 1ms;
  f.tell("a", 7, figures(500)); // whoever that is
  CHECK(f.total() == figures(5).calls);
}

TEST_CASE("a node that is known no longer leaves the total [D78]", "[cluster]") {
  fixture f;
  f.tell("a", 7, figures(5));
  f.tell("b", 8, figures(2));
  f.cluster.remove("a");
  CHECK(f.total() == figures(2).calls);
  CHECK(f.cluster.nodes() == names{here, "b"});
  f.cluster.add("a");
  CHECK(f.of("a").state == node_state::awaited);
}

// -- what isn't as it should be -----------------------------------------------------------

TEST_CASE("figures that do not balance are added as they are and the total tells [D77]",
          "[cluster]") {
  fixture f;
  f.tell("a", 7, figures(5));
  CHECK(f.total().balanced());
  auto wrong = figures(3);
  wrong.calls.calls += 1;
  f.tell("b", 8, wrong);
  CHECK(f.of("b").figures.calls == wrong.calls);
  CHECK(f.total().calls == 9);
  CHECK_FALSE(f.total().balanced());
}

TEST_CASE("an answer without an incarnation is none [D77]", "[cluster]") {
  fixture f;
  f.connect("a");
  f.cluster.read(5, f.now);
  for (const auto& each : f.cluster.due(f.now))
    CHECK_FALSE(f.cluster.on_answer(each.number, 0, figures(5)));
  CHECK(f.cluster.finished(f.now) == readers{5});
  CHECK(f.total().calls == 0);
}

TEST_CASE("latencies too many to be sent on are left out of a sum [D77]", "[cluster]") {
  guard_figures most;
  REQUIRE(most.latency.restore({{5, latency_histogram::most_restored}},
                               timespan{5 * latency_histogram::most_restored}, 5ns, 5ns));
  fixture f;
  f.tell("a", 7, most);
  f.tell("b", 8, figures(1));
  f.tell("b", 9, most);
  for (const auto& sum : {f.cluster.total().figures.latency, f.of("b").earlier.latency}) {
    latency_histogram copy;
    CHECK(copy.restore(sum.buckets(), sum.sum(), sum.min(), sum.max()));
  }
}

// -- the total's p99 ----------------------------------------------------------------------

TEST_CASE("the total p99 is the p99 of all calls of all nodes [D71] [Y8]", "[cluster]") {
  random_stream random{4711};
  fixture f;
  std::vector<timespan> all;
  const auto record = [&](guard_figures& to, double middle, int calls) {
    for (int i = 0; i < calls; ++i) {
      // Long tails, as of calls.
      const auto latency = timespan{static_cast<timespan::rep>(middle / (1.001 - random.unit()))};
      to.latency.record(latency);
      ++to.calls.calls;
      ++to.calls.succeeded;
      all.push_back(latency);
    }
  };
  // Many quick calls here, few slow ones there; one node is lost, one was started anew.
  guard_figures own, slow, lost, before, after;
  record(own, 50e3, 20'000);
  record(slow, 80e6, 300);
  record(lost, 2e6, 1'000);
  record(before, 10e6, 200);
  record(after, 1e6, 3'000);
  f.tell_here(1, own);
  f.tell("slow", 2, slow);
  f.tell("lost", 3, lost);
  f.tell("again", 4, before);
  f.tell("again", 5, after);
  f.cluster.on_lost("lost");
  std::sort(all.begin(), all.end());
  const auto total = f.cluster.total().figures;
  CHECK(total.latency.count() == all.size());
  CHECK(total.calls.calls == all.size());
  for (const auto q : {0.5, 0.9, 0.99, 0.999}) {
    const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(all.size())));
    const auto exact = static_cast<double>(all.at(rank - 1).count());
    const auto found = static_cast<double>(total.latency.quantile(q).count());
    CHECK(std::abs(found - exact) <= exact * latency_histogram::relative_error);
  }
  // Averages of the nodes' own would be far off.
  const auto exact = all.at(all.size() * 99 / 100);
  CHECK(slow.latency.quantile(0.99) > 2 * exact);
  CHECK(own.latency.quantile(0.99) < exact / 2);
}

TEST_CASE("latencies that would be more than can be counted are left out of a total [D70]",
          "[cluster]") {
  const auto many = latency_histogram::most_restored;
  guard_figures huge;
  REQUIRE(huge.latency.restore({{0, many}}, 0s, 0s, 0s));
  huge.calls.calls = 1;
  auto total = figures(2);
  total += huge;
  CHECK(total.calls.calls == 3);
  CHECK(total.latency.count() == 2);
  auto other = huge;
  other += figures(2);
  CHECK(other.latency.count() == many);
}
