#pragma once

#include <string>

namespace bench {

/// Measures what a call costs with 1 to 16,384 calls in flight, bare, with CAF's timeout, guarded, and
/// through four naive proxies, and draws it.
void draw_curve(const std::string& file);

} // namespace bench
