#pragma once

#include "bulwark/all.hpp"

#include <caf/all.hpp>

#include <string>
#include <vector>

/// @file A node's statistics, for people: as a table, and whether they add up.

namespace apps {

/// All that the node's registry knows, exact. Blocks: not for actors.
bulwark::node_stats read_books(bulwark::node& node);

/// The same when all calls have ended and all permits are back, or after `patience`: a function that
/// was given up has its answer, but holds its worker until it returns, and nobody is told when.
bulwark::node_stats read_books_at_rest(bulwark::node& node, bulwark::timespan patience);

/// What doesn't add up, a sentence each; empty: the books balance. At rest, when no call is under
/// way, every call has an end and nobody holds a permit.
std::vector<std::string> find_imbalances(const bulwark::node_stats& stats, bool at_rest);

/// The registry's table: a line a guard, breaker and bulkhead.
std::string to_table(const bulwark::node_stats& stats);

} // namespace apps
