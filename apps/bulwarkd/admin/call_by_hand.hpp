#pragma once

#include "bulwark/all.hpp"

#include <caf/all.hpp>

#include <string>

namespace bulwarkd {

struct hand_reply {
  std::string text = {};  ///< The reply, as CAF prints it.
  std::string error = {}; ///< Not empty: why there is none.
};

/// Calls a guard of the node, whatever it replies, and waits for the answer.
[[nodiscard]] hand_reply call_by_hand(bulwark::node& node, const std::string& guard,
                                      caf::message content, bulwark::timespan timeout);

} // namespace bulwarkd
