#pragma once

#include "bulwark/all.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <string>

// What the tests' targets understand. The block begins where an application's does.

enum class target_error : std::uint8_t { broken = 1, busy = 2, not_yours = 3 };

std::string to_string(target_error code);
bool from_string(bulwark::compat::text_view name, target_error& code);
bool from_integer(std::uint8_t number, target_error& code);
template <class Inspector>
bool inspect(Inspector& f, target_error& x) {
  return caf::default_enum_inspect(f, x);
}

/// A payload whose copies are counted, that can be of any size.
struct payload {
  std::string text;
  template <class Inspector>
  friend bool inspect(Inspector& f, payload& x) {
    return f.object(x).fields(f.field("text", x.text));
  }
};

CAF_BEGIN_TYPE_ID_BLOCK(bulwark_tests, caf::first_custom_type_id)
CAF_ADD_TYPE_ID(bulwark_tests, (target_error))
CAF_ADD_TYPE_ID(bulwark_tests, (payload))
CAF_ADD_ATOM(bulwark_tests, ask_atom)    // ask, int: the manual target's question
CAF_ADD_ATOM(bulwark_tests, answer_atom) // answer, n-th question, message
CAF_ADD_ATOM(bulwark_tests, die_atom)
CAF_ADD_ATOM(bulwark_tests, throw_atom)
CAF_END_TYPE_ID_BLOCK(bulwark_tests)

CAF_ERROR_CODE_ENUM(target_error)

using typed_target = caf::typed_actor<caf::result<std::int32_t>(ask_atom, std::int32_t)>;
