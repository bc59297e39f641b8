#include "support/types.hpp"

#include "support/virtual_system.hpp"

std::string to_string(target_error code) {
  switch (code) {
  case target_error::broken:
    return "broken";
  case target_error::busy:
    return "busy";
  case target_error::not_yours:
    return "not_yours";
  }
  return "target_error(?)";
}

bool from_string(bulwark::compat::text_view name, target_error& code) {
  for (auto each : {target_error::broken, target_error::busy, target_error::not_yours}) {
    if (to_string(each) == std::string{name.data(), name.size()}) {
      code = each;
      return true;
    }
  }
  return false;
}

bool from_integer(std::uint8_t number, target_error& code) {
  if (number < 1 || number > 3)
    return false;
  code = static_cast<target_error>(number);
  return true;
}

namespace bulwark_tests {

void init_types() {
  static const bool done = [] {
    caf::init_global_meta_objects<caf::id_block::bulwark_tests>();
    caf::init_global_meta_objects<caf::id_block::bulwark>();
    caf::core::init_global_meta_objects();
    return true;
  }();
  static_cast<void>(done);
}

} // namespace bulwark_tests
