#pragma once

#include "apps/fake_admin.hpp"
#include "apps/program.hpp"

#include <string>

namespace bulwark_tests {

/// bulwarkctl with these words of a shell's line, to its end. `before`: what stands in front of it.
inline program_end ctl(const fake_admin& daemon, const std::string& words,
                       const std::string& before = {}) {
  return run(before + " " BULWARKCTL, "--url " + daemon.url() + " " + words);
}

} // namespace bulwark_tests
