#pragma once

// Everything: the cores, the actors, what is for code outside of actors.

#include "bulwark/bulkhead.hpp"
#include "bulwark/circuit_breaker.hpp"
#include "bulwark/classification.hpp"
#include "bulwark/distributed.hpp"
#include "bulwark/errc.hpp"
#include "bulwark/exceptions.hpp"
#include "bulwark/failure_report.hpp"
#include "bulwark/fault_injection.hpp"
#include "bulwark/fence.hpp"
#include "bulwark/guard.hpp"
#include "bulwark/key_hash.hpp"
#include "bulwark/node.hpp"
#include "bulwark/protocol.hpp"
#include "bulwark/rate_limiter.hpp"
#include "bulwark/retry.hpp"
#include "bulwark/scoped_bulkhead.hpp"
#include "bulwark/statistics.hpp"
#include "bulwark/sync.hpp"
#include "bulwark/with_memory.hpp"
