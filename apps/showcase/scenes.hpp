#pragma once

#include "showcase/stage.hpp"

#include <array>

namespace showcase {

// Each shows what it says, and throws broken_claim where it doesn't.
void circuit_breaker_scene(stage& on);
void retry_scene(stage& on);
void timeout_scene(stage& on);
void bulkhead_scene(stage& on);
void functions_scene(stage& on);
void guard_scene(stage& on);
void sharing_scene(stage& on);
void registry_scene(stage& on);
void sync_scene(stage& on);
void service_scene(stage& on);

struct scene {
  const char* name;
  const char* what;
  void (*play)(stage&);
};

/// In the order in which they are played.
inline constexpr std::array scenes{
    scene{"circuit_breaker", "stops calling what fails, and looks when it is back",
          circuit_breaker_scene},
    scene{"retry", "tries again what may work the next time", retry_scene},
    scene{"timeout", "bounds how long a call takes", timeout_scene},
    scene{"bulkhead", "bounds how many calls are in progress", bulkhead_scene},
    scene{"functions", "a bulkhead runs blocking work on threads of its own", functions_scene},
    scene{"guard", "all of it around an actor, which doesn't notice", guard_scene},
    scene{"sharing", "two guards, one breaker and one bulkhead", sharing_scene},
    scene{"registry", "knows every part, and what happened to it", registry_scene},
    scene{"sync", "the same by plain calls, with exceptions, outside of actors", sync_scene},
    scene{"service", "an HTTP service in a process of its own, which is slow, fails and dies",
          service_scene},
};

} // namespace showcase
