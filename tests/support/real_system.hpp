#pragma once

#include "support/caller.hpp"
#include "support/target.hpp"
#include "support/types.hpp"

#include <memory>
#include <utility>
#include <vector>

namespace bulwark_tests {

/// The types of bulwark and of the tests, made known to CAF; once a program.
void init_types();

/// An actor system with threads and the machine's clock, for what a virtual one can't show:
/// functions on threads of their own, and races. A test waits for answers, latches and promises,
/// never for a time.
///
///     real_system sys;
///     bulwark::node node{*sys};
///     auto answer = sys.send(bulkhead, execute_atom_v, make_work(f));
///     answer->wait();
class real_system {
public:
  real_system() : system_(config_) {}

  caf::actor_system& operator*() { return system_; }
  caf::actor_system* operator->() { return &system_; }
  operator caf::actor_system&() { return system_; }

  /// Sends a request from a caller of its own, and goes on.
  template <class Handle, class... Ts>
  reply_ptr send(const Handle& to, Ts&&... xs) {
    auto result = std::make_shared<reply>();
    callers_.push_back(system_.spawn<caller>(caf::actor_cast<caf::strong_actor_ptr>(to),
                                             caf::make_message(std::forward<Ts>(xs)...), result));
    return result;
  }

  /// The same, and waits for the answer.
  template <class Handle, class... Ts>
  reply_ptr ask(const Handle& to, Ts&&... xs) {
    auto result = send(to, std::forward<Ts>(xs)...);
    result->wait();
    return result;
  }

  /// The answer as a T.
  template <class T, class Handle, class... Ts>
  T get(const Handle& to, Ts&&... xs) {
    return ask(to, std::forward<Ts>(xs)...)->template as<T>();
  }

  /// Until the actor has ended, whatever ends it.
  template <class Handle>
  void wait_for_end(const Handle& whom) {
    caf::scoped_actor self{system_};
    self->wait_for(whom);
  }

  /// Ends an actor from outside, as a crash would, and waits until it has ended.
  void kill(const caf::actor& whom) {
    caf::anon_send_exit(whom, caf::exit_reason::kill);
    wait_for_end(whom);
  }

private:
  struct config : caf::actor_system_config {
    config() {
      init_types();
      set("caf.logger.console.verbosity", "quiet");
    }
  };

  config config_;
  caf::actor_system system_;
  std::vector<caf::actor> callers_;
};

} // namespace bulwark_tests
