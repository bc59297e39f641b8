#include "simulation/shrink.hpp"

#include <algorithm>
#include <utility>

namespace bulwark_simulation {

namespace {

// Each returns whether it has left something out.

bool leave_out_actions(plan& best, const plan_predicate& shows_it) {
  auto any = false;
  for (auto chunk = std::max(best.actions.size() / 2, std::size_t{1});; chunk /= 2) {
    for (std::size_t at = 0; at < best.actions.size();) {
      auto less = best;
      const auto first = less.actions.begin() + static_cast<std::ptrdiff_t>(at);
      const auto count = std::min(chunk, less.actions.size() - at);
      less.actions.erase(first, first + static_cast<std::ptrdiff_t>(count));
      if (shows_it(less)) {
        best = std::move(less);
        any = true;
      } else {
        at += chunk;
      }
    }
    if (chunk <= 1)
      return any;
  }
}

bool leave_out_features(plan& best, const plan_predicate& shows_it) {
  auto any = false;
  for (unsigned i = 0; i < static_cast<unsigned>(feature::count_); ++i) {
    auto less = best;
    less.features &= ~(std::uint64_t{1} << i);
    if (less.features != best.features && shows_it(less)) {
      best = std::move(less);
      any = true;
    }
  }
  return any;
}

bool leave_out_nodes_and_guards(plan& best, const plan_predicate& shows_it) {
  auto any = false;
  while (best.nodes > 1) {
    auto less = best;
    --less.nodes;
    std::erase_if(less.actions, [&](const action& each) { return each.node >= less.nodes; });
    if (!shows_it(less))
      break;
    best = std::move(less);
    any = true;
  }
  while (best.guards > 1) {
    auto less = best;
    --less.guards;
    if (!shows_it(less))
      break;
    best = std::move(less);
    any = true;
  }
  return any;
}

} // namespace

plan shrink(plan from, const plan_predicate& shows_it) {
  auto best = std::move(from);
  for (auto again = true; again;) {
    again = leave_out_actions(best, shows_it);
    again = leave_out_features(best, shows_it) || again;
    again = leave_out_nodes_and_guards(best, shows_it) || again;
  }
  return best;
}

} // namespace bulwark_simulation
