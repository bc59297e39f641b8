#pragma once

#include "support/types.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

namespace bulwark_tests {

/// What a manual target has seen; may be read while it runs in a virtual system, and at rest in a
/// real one.
struct target_log {
  std::vector<caf::message> questions;  ///< In the order of their arrival.
  std::vector<std::uint64_t> cancelled; ///< Requests that it was told to cancel.
  std::size_t answered = 0;
};

/// A target that answers when the test says so: `answer, n, message` answers the n-th question
/// (from 0) with the message, which may be an error. `throw` throws, `die` ends it.
inline caf::behavior manual_target(caf::event_based_actor* self, std::shared_ptr<target_log> log) {
  struct waiting {
    std::vector<caf::response_promise> promises;
  };
  auto open = std::make_shared<waiting>();
  auto keep = [self, log, open](caf::message content) {
    log->questions.push_back(std::move(content));
    open->promises.push_back(self->make_response_promise());
    return open->promises.back();
  };
  return {
      [keep](ask_atom, std::int32_t x) { return keep(caf::make_message(ask_atom_v, x)); },
      [keep](const payload& x) { return keep(caf::make_message(x)); },
      [log, open](answer_atom, std::uint64_t which, const caf::message& content) {
        ++log->answered;
        auto& promise = open->promises.at(which);
        if (content.match_elements<caf::error>())
          promise.deliver(content.get_as<caf::error>(0));
        else
          promise.deliver(content);
      },
      [log](bulwark::cancel_atom, std::uint64_t request) { log->cancelled.push_back(request); },
      [](throw_atom) -> caf::result<int> { throw std::runtime_error{"thrown by the target"}; },
      [self](die_atom) { self->quit(caf::exit_reason::kill); },
  };
}

/// A target that doubles what it is asked, at once, and fails for negative numbers: -1 broken,
/// -2 busy and marked transient, -3 the client's own mistake.
inline caf::behavior doubling_target() {
  return {
      [](ask_atom, std::int32_t x) -> caf::result<std::int32_t> {
        switch (x) {
        case -1:
          return caf::make_error(target_error::broken);
        case -2:
          return caf::make_error(target_error::busy, bulwark::error_mark::transient);
        case -3:
          return caf::make_error(target_error::not_yours, bulwark::error_mark::client);
        default:
          return x * 2;
        }
      },
      [](const payload& x) { return x; },
      [](throw_atom) -> caf::result<int> { throw std::runtime_error{"thrown by the target"}; },
  };
}

} // namespace bulwark_tests
