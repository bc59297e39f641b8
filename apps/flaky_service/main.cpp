#include "flaky_service/service.hpp"

#include <CLI/CLI.hpp>

#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

namespace {

// A child whose parent was killed would serve for ever.
void end_with_parent() {
  const auto parent = ::getppid();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent)
    std::_Exit(1);
}

struct service_options {
  apps::fault_settings settings;
  int port = 0;
  std::uint64_t seed = 1;
  std::size_t threads = 64;
  bool with_parent = false;
};

void add_options(CLI::App& app, service_options& options) {
  app.add_option("--port", options.port, "of 127.0.0.1; 0: any that is free")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  app.add_option("--error-share", options.settings.error_share,
                 "of the requests, answered with an error")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--error-status", options.settings.error_status, "the status of these")
      ->check(CLI::Range(400, 599))
      ->capture_default_str();
  app.add_option("--fail-next", options.settings.fail_next, "so many fail first, for certain")
      ->check(CLI::Range(0, 1'000'000));
  app.add_option("--delay-ms", options.settings.delay_ms, "before each answer")
      ->check(CLI::Range(0, 600'000));
  app.add_option("--hang-share", options.settings.hang_share, "of the requests, never answered")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--reset-share", options.settings.reset_share, "of the requests, connection reset")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--seed", options.seed, "of the lots that are drawn")->capture_default_str();
  app.add_option("--threads", options.threads, "requests that are served at once")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_flag("--end-with-parent", options.with_parent,
               "ends when the process that started it does");
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app{"A small HTTP service with faults on command: /users/N, /orders/N, /profile/N.\n"
               "While it runs: GET and POST /faults, POST /death, GET /stats.",
               "flaky_service"};
  service_options options;
  add_options(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (options.with_parent)
    end_with_parent();
  apps::flaky_service service{options.settings, options.seed, options.threads};
  const auto bound = service.bind(options.port);
  if (bound < 0) {
    std::fprintf(stderr, "flaky_service: port %d of 127.0.0.1 is not free\n", options.port);
    return 1;
  }
  std::printf("listening on http://127.0.0.1:%d\n", bound);
  std::fflush(stdout);
  service.serve();
  return 0;
}
