#pragma once

/// @file bulwark for code outside of actors: plain calls that block, and exceptions.
///
/// | what                   | alone                          | standing on a node's part            |
/// | ---------------------- | ------------------------------ | ------------------------------------ |
/// | sync::circuit_breaker  | its own core behind a mutex    | the named breaker: one truth for all |
/// | sync::retry            | a policy, a range of attempts  |                                      |
/// | sync::timeout_manager  | threads of its own             | the node's timeout manager           |
/// | sync::wait_for         | one timeout manager a process  |                                      |
/// | sync::bulkhead         | its own core and threads       | the named bulkhead and its threads   |
///
/// All of them block the calling thread. Inside of actors use guards and messages instead: an actor
/// that blocks holds one of CAF's few workers.
///
/// What stands on a node's part has to be destroyed before the actor system, may be destroyed
/// before or after the node, and refuses with errc::shutting_down once the part has ended.

#include "bulwark/exceptions.hpp"
#include "bulwark/sync_bulkhead.hpp"
#include "bulwark/sync_circuit_breaker.hpp"
#include "bulwark/sync_exceptions.hpp"
#include "bulwark/sync_retry.hpp"
#include "bulwark/sync_time_source.hpp"
#include "bulwark/sync_timeout_manager.hpp"
