#pragma once

#include "bulwark/all.hpp"

#include <caf/all.hpp>

CAF_BEGIN_TYPE_ID_BLOCK(soak, caf::first_custom_type_id)
CAF_ADD_ATOM(soak, soak, ask_atom) // ask, int32_t: what all targets understand
CAF_END_TYPE_ID_BLOCK(soak)
