#pragma once

#include "bulwarkd/configuration.hpp"

#include <map>
#include <string>

namespace bulwarkd {

/// Adds what is wrong with what was read, beside what could be seen at one key alone: ranges, names
/// that must be there, a port that is open to others. `written_values` has what was written, by key.
void check_configuration(reading& result, const target_table& targets,
                         const std::map<std::string, std::string>& written_values);

} // namespace bulwarkd
