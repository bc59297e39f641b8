#pragma once

#include "http/http_target.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <string>

namespace apps {

/// What the command line says.
struct client_options {
  http_url url; ///< Its path may hold {n}, which stands for the request's number.
  std::uint64_t requests = 100;
  std::uint32_t concurrency = 10;
  bulwark::guard_policy policy;
  bulwark::bulkhead_policy sockets{.max_workers = 10, .queue_size = 100};
};

/// Throws CLI::ParseError: for --help, and for what can't be done, which names the option, the
/// value and what is permitted.
client_options parse_options(CLI::App& app, int argc, char** argv);

} // namespace apps
