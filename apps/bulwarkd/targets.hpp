#pragma once

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

} // namespace bulwarkd
