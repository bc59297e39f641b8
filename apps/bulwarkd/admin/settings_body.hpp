#pragma once

#include <caf/settings.hpp>

#include <string>

namespace bulwarkd {

/// Settings as a request's body brings them.
struct settings_body {
  caf::settings fields = {};
  std::string wrong = {}; ///< Not empty: why the body can't be read.
};

/// {"deadline":"5s","retry":{"max-attempts":3}}: as the API shows a policy, any part of it.
[[nodiscard]] settings_body read_json_settings(const std::string& body);

/// CAF's .conf syntax: deadline = 5s retry { max-attempts = 3 }
[[nodiscard]] settings_body read_conf_settings(const std::string& body);

} // namespace bulwarkd
