#pragma once

#include "bulwarkd/configuration.hpp"

namespace bulwarkd {

/// Adds what is wrong with what was read, beside what could be seen at one key alone: ranges, names
/// that must be there, a port that is open to others. `written_values` has what was written, by key.
void check_configuration(configuration& told, const target_table& targets,
                         bulwark::setting_notes& notes);

} // namespace bulwarkd
