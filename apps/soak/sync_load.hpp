#pragma once

#include "soak/ledger.hpp"

#include "bulwark/node.hpp"

#include <atomic>
#include <cstdint>
#include <stop_token>

namespace soak {

/// Calls through bulwark::sync, one after the other, as long as `go_on` says so: through parts of
/// the node that others use too, and through some that stand alone and come and go.
void call_synchronously(bulwark::node& node, ledger& books, const std::atomic<bool>& go_on,
                        std::uint64_t seed, const std::stop_token& stop);

} // namespace soak
