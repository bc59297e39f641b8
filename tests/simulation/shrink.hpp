#pragma once

#include "simulation/plan.hpp"

#include <functional>

namespace bulwark_simulation {

/// Whether a world of that plan still shows what is looked for.
using plan_predicate = std::function<bool(const plan&)>;

/// A plan with fewer actions, features, nodes and guards that still shows it: none of them can be
/// left out alone. Requires: `shows_it(from)`. Source: Zeller & Hildebrandt, "Simplifying and isolating
/// failure-inducing input", 2002.
[[nodiscard]] plan shrink(plan from, const plan_predicate& shows_it);

} // namespace bulwark_simulation
