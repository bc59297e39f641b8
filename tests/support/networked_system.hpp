#pragma once

#include "support/real_system.hpp"

#include <caf/io/middleman.hpp>

namespace bulwark_tests {

/// A real system that can be reached from others, and reach them: two in one program are like two
/// programs, but for the types that they know.
class networked_system : public real_system {
public:
  networked_system() : real_system(load_middleman) {}

private:
  static void load_middleman(caf::actor_system_config& config) {
    caf::io::middleman::init_global_meta_objects();
    config.load<caf::io::middleman>();
  }
};

} // namespace bulwark_tests
