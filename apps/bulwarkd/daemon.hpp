#pragma once

#include "bulwarkd/targets.hpp"

namespace bulwarkd {

/// What the program ends with.
enum exit_code : int { ended_as_told = 0, failed = 1, wrong_settings = 2 };

/// A node as a process: reads its settings, serves until it gets TERM, INT or HUP, drains, and
/// returns the exit code. `targets` are what its guards can protect here. Once a process, from
/// main, before there are other threads: it blocks those signals.
int run(int argc, const char* const* argv, const target_table& targets);

} // namespace bulwarkd
