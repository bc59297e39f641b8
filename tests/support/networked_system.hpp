#pragma once

#include "support/real_system.hpp"

#include <caf/io/middleman.hpp>

#include <string>
#include <utility>
#include <vector>

namespace bulwark_tests {

/// A name after "caf.middleman." and how long.
using middleman_setting = std::pair<std::string, caf::timespan>;

/// So that a test need not wait for half a minute until CAF notices that a line has fallen silent.
inline const std::vector<middleman_setting> quick_heartbeats{
    {"heartbeat-interval", std::chrono::milliseconds{300}},
    {"connection-timeout", std::chrono::seconds{1}}};

/// The same for a program's command line.
inline std::vector<std::string> as_options(const std::vector<middleman_setting>& settings) {
  std::vector<std::string> result;
  for (const auto& [name, value] : settings)
    result.push_back("--caf.middleman." + name + "=" + std::to_string(value.count()) + "ns");
  return result;
}

/// A real system that can be reached from others, and reach them: two in one program are like two
/// programs, but for the types that they know.
class networked_system : public real_system {
public:
  /// `settings`: of CAF's middleman, as a program's command line would give them.
  explicit networked_system(const std::vector<middleman_setting>& settings = {})
      : real_system([&settings](caf::actor_system_config& target) {
          caf::io::middleman::init_global_meta_objects();
          target.load<caf::io::middleman>();
          for (const auto& [name, value] : settings)
            target.set("caf.middleman." + name, value);
        }) {}
};

} // namespace bulwark_tests
