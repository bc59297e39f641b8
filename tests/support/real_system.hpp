#pragma once

#include "support/caller.hpp"
#include "support/target.hpp"
#include "support/types.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace bulwark_tests {

/// The types of bulwark and of the tests, made known to CAF; once a program.
void init_types();

/// The sender of all requests of a real system: sends from the test's own thread, so that what the
/// test sends one after the other arrives in that order.
class switchboard : public caf::event_based_actor {
public:
  explicit switchboard(caf::actor_config& config) : caf::event_based_actor(config) {}

  reply_ptr send(const caf::strong_actor_ptr& to, caf::message content) {
    auto result = std::make_shared<reply>();
    std::uint64_t number = 0;
    {
      std::lock_guard guard{mutex_};
      replies_.push_back(result);
      number = replies_.size();
    }
    bulwark::compat::deliver(to, caf::strong_actor_ptr{ctrl()},
                             caf::make_message_id(number | caf::message_id::default_async_value),
                             std::move(content), nullptr);
    return result;
  }

  bool enqueue(caf::mailbox_element_ptr element,
               bulwark::compat::enqueue_context* context) override {
    if (!element->mid.is_response())
      return caf::event_based_actor::enqueue(std::move(element), context);
    std::lock_guard guard{mutex_};
    if (auto wanted = replies_.at(element->mid.request_id().integer_value() - 1).lock())
      wanted->add(std::move(element->payload));
    return true;
  }

  const char* name() const override { return "tests.switchboard"; }

protected:
  caf::behavior make_behavior() override {
    return {[](bulwark::cancel_atom) {}};
  }

private:
  std::mutex mutex_;
  // By the request's number, from 1. Weak: an answer may hold an actor that shall end.
  std::vector<std::weak_ptr<reply>> replies_;
};

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
  /// `extend`: gives the system what it has beside actors, a module of CAF.
  explicit real_system(const std::function<void(caf::actor_system_config&)>& extend = {})
      : config_(extend), system_(config_), switchboard_(system_.spawn<switchboard>()) {}

  // CAF keeps whoever has sent to another system until it ends, and waits for it.
  ~real_system() { caf::anon_send_exit(switchboard_, caf::exit_reason::kill); }

  caf::actor_system& operator*() { return system_; }
  caf::actor_system* operator->() { return &system_; }
  operator caf::actor_system&() { return system_; }

  /// Sends a request and goes on. In the mailbox of `to` when this returns.
  template <class Handle, class... Ts>
  reply_ptr send(const Handle& to, Ts&&... xs) {
    return caf::actor_cast<switchboard*>(switchboard_)
        ->send(caf::actor_cast<caf::strong_actor_ptr>(to),
               caf::make_message(std::forward<Ts>(xs)...));
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
    explicit config(const std::function<void(caf::actor_system_config&)>& extend) {
      init_types();
      set("caf.logger.console.verbosity", "quiet");
      if (extend)
        extend(*this);
    }
  };

  config config_;
  caf::actor_system system_;
  caf::actor switchboard_;
};

} // namespace bulwark_tests
