#pragma once

#include "bulwark/time.hpp"

#include <caf/all.hpp>

#include <functional>
#include <map>
#include <string>

namespace bulwarkd {

/// What guards of this process may protect, by the name that a configuration says. A program that
/// links its own actors hands its own table to bulwarkd::run().
using target_table = std::map<std::string, std::function<caf::actor(caf::actor_system&)>>;

/// For trying things out and for tests:
///
/// | name    | answers                                                         |
/// | ------- | --------------------------------------------------------------- |
/// | echo    | any message with itself                                         |
/// | failing | any message with an error, which counts and is tried again      |
/// | slow    | int32_t milliseconds (0 .. 3'600'000) with itself, so much later |
target_table ready_made_targets();

/// Whether a target is a server of HTTP: "http://HOST:PORT", "https://HOST".
[[nodiscard]] bool is_web(const std::string& target);

/// Such a server: answers a text, the path, with what the server says to a GET of it. What is worth
/// trying again is an error that is marked so (no connection, 5xx, 408, 429), what isn't one that is
/// not (another 4xx). Requests block on the threads of `sockets`, a bulkhead, for `patience` at most;
/// a timespan as a message is a new one.
caf::actor spawn_web(caf::actor_system& system, const std::string& target, caf::actor sockets,
                     bulwark::timespan patience);

} // namespace bulwarkd
