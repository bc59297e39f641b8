#include "http/load.hpp"
#include "report/books.hpp"
#include "report/events.hpp"
#include "resilient_api_client/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <mutex>

namespace {

using bulwark::to_text;

// What the program ends with.
enum exit_code : int {
  all_answered = 0,
  calls_failed = 1,
  wrong_command_line = 2,
  books_wrong = 3
};

std::string path_of(const std::string& pattern, std::uint64_t number) {
  const auto place = pattern.find("{n}");
  auto path = pattern;
  return place == path.npos ? path : path.replace(place, 3, std::to_string(number));
}

void print(const apps::load_report& report, const bulwark::node_stats& stats) {
  const auto seconds = std::chrono::duration<double>{report.elapsed}.count();
  fmt::print("calls        {} in {}, {:.0f} a second\n", report.calls, to_text(report.elapsed),
             static_cast<double>(report.calls) / std::max(seconds, 1e-9));
  for (const auto& [outcome, count] : report.outcomes)
    fmt::print("  {:<32} {}\n", outcome, count);
  fmt::print("latency      of those not refused: p50 {}, p99 {}, longest {}\n",
             to_text(report.latency.quantile(0.5)), to_text(report.latency.quantile(0.99)),
             to_text(report.latency.max()));
  for (const auto& guard : stats.guards)
    fmt::print("attempts     {}, {} of them retries\n", guard.attempts, guard.retries);
  for (const auto& breaker : stats.circuit_breakers)
    fmt::print("breaker      {} at the end, {} transitions\n", to_string(breaker.state),
               breaker.transitions);
  for (const auto& sockets : stats.bulkheads)
    fmt::print("sockets      {} fetched, {} failed, {} rejected, {} timed out, {} abandoned\n",
               sockets.completed, sockets.failed, sockets.rejected, sockets.timed_out,
               sockets.abandoned);
}

int run(const apps::client_options& options) {
  caf::actor_system_config config;
  caf::actor_system system{config};
  bulwark::node node{system};
  const auto started = system.clock().now().time_since_epoch();
  const auto tell = [started](const bulwark::circuit_event& event) {
    fmt::print("{:>12} breaker {}\n", to_text(event.when - started), apps::to_text(event));
  };
  const auto listener = apps::listen(node, {.on_transition = tell, .on_rejection = [](auto&) {}});

  const auto patience = options.policy.attempt_timeout.value();
  const auto sockets = node.bulkhead("sockets", options.sockets);
  const auto server = system.spawn(apps::http_target, options.url.server, sockets, patience);
  const auto safe_server = node.guard("server", server, options.policy);

  const auto path = [pattern = options.url.path](std::uint64_t n) { return path_of(pattern, n); };
  const auto report =
      apps::start_load(
          system, safe_server,
          {.path = path, .requests = options.requests, .concurrency = options.concurrency})
          .get();
  const auto stats = apps::read_books_at_rest(node, patience + std::chrono::seconds{1});
  print(report, stats);
  auto findings = apps::find_imbalances(stats, true);
  if (report.calls != options.requests || stats.total.calls != report.calls)
    findings.push_back("the guard counted another number of calls than were made");
  for (const auto& finding : findings)
    fmt::print("books        {}\n", finding);
  if (!findings.empty())
    return books_wrong;
  fmt::print("books        balanced\n");
  return report.answered == report.calls ? all_answered : calls_failed;
}

} // namespace

int main(int argc, char** argv) {
  caf::init_global_meta_objects<caf::id_block::apps>();
  caf::init_global_meta_objects<caf::id_block::bulwark>();
  caf::core::init_global_meta_objects();
  CLI::App app{
      "Fetches a URL many times through a guard: retry, timeouts, circuit breaker, and a\n"
      "bulkhead for the sockets. 5xx, 408, 429, timeouts and lost connections are retried;\n"
      "400, 401, 403, 404 and their like are answers.\n\n"
      "Ends with 0 when every call was answered, 1 when calls failed, 2 when the command\n"
      "line is wrong, 3 when the books don't balance.",
      "resilient_api_client"};
  try {
    return run(apps::parse_options(app, argc, argv));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : wrong_command_line;
  } catch (const std::exception& error) {
    fmt::print(stderr, "resilient_api_client: {}\n", error.what());
    return books_wrong;
  }
}
