#pragma once

#include "http/fetch.hpp"
#include "http/types.hpp"

#include <string>

namespace apps {

/// One server, as an actor: a request in, what the server said out.
using http_actor = caf::typed_actor<caf::result<http_response>(http_request)>;

/// Sockets block, and CAF's workers must not: each request runs on the threads of `sockets`, a
/// bulkhead, which also bounds how many there are. `patience` bounds a request from here on, the
/// wait for a thread included: one that waited that long is never started, and a socket that is
/// silent that long is given up.
///
/// What a guard needs to know about an error is in the error: it is marked as transient or
/// permanent.
http_actor::behavior_type http_target(http_actor::pointer self, std::string server,
                                      caf::actor sockets, bulwark::timespan patience);

} // namespace apps
