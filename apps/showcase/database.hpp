#pragma once

#include "http/types.hpp"

#include "bulwark/all.hpp"

#include <caf/all.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

CAF_BEGIN_TYPE_ID_BLOCK(showcase, caf::id_block::apps::end)
CAF_ADD_ATOM(showcase, showcase, read_atom)
CAF_END_TYPE_ID_BLOCK(showcase)

namespace showcase {

/// The scenes' target: a row for a number. Knows nothing of guards.
using database_actor = caf::typed_actor<caf::result<std::string>(read_atom, std::int32_t)>;

/// How the database feels; a scene changes it from outside.
struct mood {
  std::atomic<bool> broken = false;       ///< Every read fails.
  std::atomic<int> fail_next = 0;         ///< So many reads fail, and say that it will pass.
  std::atomic<std::int64_t> delay_ms = 0; ///< Before each answer.
  std::atomic<int> asked = 0;             ///< Reads that have come here.
};

using mood_ptr = std::shared_ptr<mood>;

database_actor::behavior_type database(database_actor::pointer self, mood_ptr feels);

} // namespace showcase
