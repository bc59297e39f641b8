#include "report/books.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>

namespace apps {

namespace {

using bulwark::counters;

// A bulkhead's books, in the form of all others.
counters books_of(const bulwark::bulkhead_stats& stats) {
  counters result{.calls = stats.calls,
                  .succeeded = stats.completed,
                  .failed = stats.failed,
                  .rejected = stats.rejected,
                  .timed_out = stats.timed_out,
                  .cancelled = stats.cancelled};
  const auto ended =
      result.succeeded + result.failed + result.rejected + result.timed_out + result.cancelled;
  result.in_flight = result.calls - std::min(ended, result.calls);
  return result;
}

class audit {
public:
  explicit audit(bool at_rest) : at_rest_(at_rest) {}

  void require(bool holds, const std::string& sentence) {
    if (!holds)
      findings_.push_back(sentence);
  }

  void check(const std::string& whose, const counters& books) {
    require(books.balanced(), whose + ": calls are not the sum of their ends");
    if (at_rest_)
      require(books.in_flight == 0,
              fmt::format("{}: {} calls have no end", whose, books.in_flight));
  }

  void check(const bulwark::bulkhead_stats& stats) {
    const auto whose = "bulkhead " + stats.name;
    const auto books = books_of(stats);
    check(whose, books);
    require(stats.active <= stats.max_workers, whose + ": active > max_workers");
    require(stats.queued <= stats.queue_size, whose + ": queued > queue_size");
    // More may be in flight than are active or queued: a refusal under way ends a call only when its
    // guard has it.
    require(stats.abandoned <= stats.timed_out + stats.cancelled,
            whose + ": abandoned > timed_out");
    if (at_rest_)
      require(stats.active == 0, fmt::format("{}: {} permits are not back", whose, stats.active));
  }

  std::vector<std::string> findings() && { return std::move(findings_); }

private:
  bool at_rest_;
  std::vector<std::string> findings_;
};

std::string row(const std::string& kind, const std::string& name, const counters& x,
                const std::string& remark) {
  return fmt::format("{:<10} {:<12} {:>6} {:>6} {:>6} {:>8} {:>9} {:>9} {:>9}  {}\n", kind, name,
                     x.calls, x.succeeded, x.failed, x.rejected, x.timed_out, x.cancelled,
                     x.in_flight, remark);
}

} // namespace

bulwark::node_stats read_books(bulwark::node& node) {
  caf::scoped_actor self{node.system()};
  bulwark::node_stats result;
  bulwark::compat::request(self, node.registry(), bulwark::get_all_stats_atom_v)
      .receive([&](bulwark::node_stats& stats) { result = std::move(stats); },
               [](const caf::error& reason) { throw std::runtime_error{to_string(reason)}; });
  return result;
}

bulwark::node_stats read_books_at_rest(bulwark::node& node, bulwark::timespan patience) {
  const auto give_up = std::chrono::steady_clock::now() + patience;
  auto stats = read_books(node);
  while (!find_imbalances(stats, true).empty() && std::chrono::steady_clock::now() < give_up) {
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
    stats = read_books(node);
  }
  return stats;
}

std::vector<std::string> find_imbalances(const bulwark::node_stats& stats, bool at_rest) {
  audit result{at_rest};
  counters of_guards;
  for (const auto& guard : stats.guards) {
    result.check("guard " + guard.name, guard.calls);
    of_guards += guard.calls;
    const auto answered = guard.calls.calls - guard.calls.rejected - guard.calls.in_flight;
    result.require(guard.latency.count() == answered,
                   "guard " + guard.name + ": its histogram holds another number of calls");
  }
  for (const auto& breaker : stats.circuit_breakers)
    result.check("breaker " + breaker.name, breaker.calls);
  for (const auto& bulkhead : stats.bulkheads)
    result.check(bulkhead);
  for (const auto& manager : stats.timeout_managers)
    result.check(manager.name, manager.calls);
  result.check("the node's total", stats.total);
  result.require(stats.total.calls >= of_guards.calls, "the total is less than the guards' sum");
  return std::move(result).findings();
}

std::string to_table(const bulwark::node_stats& stats) {
  auto text =
      fmt::format("{:<10} {:<12} {:>6} {:>6} {:>6} {:>8} {:>9} {:>9} {:>9}\n", "kind", "name",
                  "calls", "ok", "failed", "rejected", "timed_out", "cancelled", "in_flight");
  for (const auto& x : stats.guards)
    text += row("guard", x.name, x.calls,
                fmt::format("{} attempts, p50 {}, p99 {}", x.attempts,
                            bulwark::to_text(x.latency.quantile(0.5)),
                            bulwark::to_text(x.latency.quantile(0.99))));
  for (const auto& x : stats.circuit_breakers)
    text += row("breaker", x.name, x.calls,
                fmt::format("{}, {} transitions", to_string(x.state), x.transitions));
  for (const auto& x : stats.bulkheads)
    text +=
        row("bulkhead", x.name, books_of(x),
            fmt::format("{} of {} workers, {} abandoned", x.active, x.max_workers, x.abandoned));
  for (const auto& x : stats.timeout_managers)
    text += row("timeouts", x.name, x.calls, fmt::format("{} wake-ups", x.wake_ups));
  return text + row("total", "", stats.total, "all guards, those that have ended too");
}

} // namespace apps
