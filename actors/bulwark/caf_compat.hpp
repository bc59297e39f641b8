#pragma once

#include <caf/action.hpp>
#include <caf/actor_clock.hpp>
#include <caf/actor_system.hpp>
#include <caf/behavior.hpp>
#include <caf/byte_buffer.hpp>
#include <caf/config.hpp>
#include <caf/detail/behavior_impl.hpp>
#include <caf/disposable.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/make_counted.hpp>
#include <caf/message_id.hpp>
#include <caf/send.hpp>

#include <string>
#include <string_view>
#include <utility>

#if CAF_MAJOR_VERSION >= 1
#include <caf/scheduler.hpp>
#else
#include <caf/execution_unit.hpp>
#include <caf/string_view.hpp>
#endif

// All that differs between CAF 0.18.7 and 1.1 and that bulwark uses. No other file names a version, but caf_compat.cpp.

#define BULWARK_DEPRECATED_BEGIN                                                                   \
  _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wdeprecated-declarations\"")
#define BULWARK_DEPRECATED_END _Pragma("GCC diagnostic pop")

// The function that an actor's last handle calls as it goes, if nothing has ended the actor before.
#if CAF_MAJOR_VERSION >= 1
#define BULWARK_LAST_HANDLE_GONE on_unreachable
#else
#define BULWARK_LAST_HANDLE_GONE on_destroy
#endif

namespace bulwark::compat {

/// "0.18.7". (CAF_VERSION itself is an octal number in 1.x.)
inline std::string caf_version() {
  return std::to_string(CAF_MAJOR_VERSION) + '.' + std::to_string(CAF_MINOR_VERSION) + '.'
         + std::to_string(CAF_PATCH_VERSION);
}

#if CAF_MAJOR_VERSION >= 1
/// The second argument of abstract_actor::enqueue.
using enqueue_context = caf::scheduler;
/// What CAF's enum inspection hands to from_string.
using text_view = std::string_view;
#else
using enqueue_context = caf::execution_unit;
using text_view = caf::string_view;
#endif

inline caf::mailbox_element_ptr make_element(caf::strong_actor_ptr sender, caf::message_id id,
                                             caf::message content) {
#if CAF_MAJOR_VERSION >= 1
  return caf::make_mailbox_element(std::move(sender), id, std::move(content));
#else
  return caf::make_mailbox_element(std::move(sender), id, {}, std::move(content));
#endif
}

/// Puts `content` into the mailbox of `receiver`: what sending comes down to in every version.
inline void deliver(const caf::strong_actor_ptr& receiver, caf::strong_actor_ptr sender,
                    caf::message_id id, caf::message content, enqueue_context* context) {
  if (receiver)
    receiver->enqueue(make_element(std::move(sender), id, std::move(content)), context);
}

/// Sends from nobody, from any thread.
template <class... Ts>
void tell(const caf::strong_actor_ptr& receiver, Ts&&... xs) {
  deliver(receiver, nullptr, caf::make_message_id(), caf::make_message(std::forward<Ts>(xs)...),
          nullptr);
}

/// `self->request(receiver, infinite, xs…)`, for actors and scoped actors.
template <class Self, class... Ts>
auto request(Self&& self, const caf::actor& receiver, Ts&&... xs) {
#if CAF_MAJOR_VERSION >= 1
  return self->mail(std::forward<Ts>(xs)...).request(receiver, caf::infinite);
#else
  return self->request(receiver, caf::infinite, std::forward<Ts>(xs)...);
#endif
}

/// The same, with CAF's own time limit: where it is up the answer is sec::request_timeout.
template <class Self, class... Ts>
auto request_within(Self&& self, const caf::actor& receiver, caf::timespan limit, Ts&&... xs) {
#if CAF_MAJOR_VERSION >= 1
  return self->mail(std::forward<Ts>(xs)...).request(receiver, limit);
#else
  return self->request(receiver, limit, std::forward<Ts>(xs)...);
#endif
}

/// Hands the request that `self` is handling on to `receiver`, who answers it with regard to
/// `content`.
inline caf::delegated<caf::message> forward(caf::event_based_actor* self,
                                            const caf::actor& receiver, caf::message content) {
  const auto& element = *self->current_mailbox_element();
  deliver(caf::actor_cast<caf::strong_actor_ptr>(receiver), element.sender, element.mid,
          std::move(content), self->context());
  return {};
}

/// What a behavior tells a handler's result to.
using result_visitor = caf::detail::invoke_result_visitor;

/// A behavior that is one function, `bool f(result_visitor&, message&)`: whether it has taken the
/// message. CAF tries the handlers of an ordinary one in turn, each by its whole list of types: too
/// slow for what comes with every call.
template <class F>
class behavior_function final : public caf::detail::behavior_impl {
public:
  explicit behavior_function(F f) : f_(std::move(f)) {}

  using caf::detail::behavior_impl::invoke;

  bool invoke(result_visitor& visitor, caf::message& content) override {
    return f_(visitor, content);
  }

private:
  F f_;
};

template <class F>
caf::behavior make_behavior(F f) {
  return caf::behavior{
      caf::detail::behavior_impl::pointer{caf::make_counted<behavior_function<F>>(std::move(f))}};
}

/// A bare error as a message doesn't end `self`, as CAF would have it.
inline void ignore_errors(caf::event_based_actor* self) {
  BULWARK_DEPRECATED_BEGIN
  self->set_error_handler([](caf::error&) {});
  BULWARK_DEPRECATED_END
}

/// Has `f(const down_msg&)` take the end of all actors watched by watch().
template <class F>
void set_down_handler(caf::event_based_actor* self, F f) {
  BULWARK_DEPRECATED_BEGIN
  self->set_down_handler(std::move(f));
  BULWARK_DEPRECATED_END
}

/// `self` is told when `whom` ends, at once where it has ended. Nothing happens where `whom` is
/// null, as the sender of an anonymous message is: CAF would look into it.
template <class Handle>
void watch(caf::event_based_actor* self, const Handle& whom) {
  if (!whom)
    return;
  BULWARK_DEPRECATED_BEGIN
  self->monitor(whom);
  BULWARK_DEPRECATED_END
}

/// `self` stops being told, however often it asked to be. Nothing happens where `whom` is null.
template <class Handle>
void unwatch(caf::event_based_actor* self, const Handle& whom) {
  if (!whom)
    return;
  BULWARK_DEPRECATED_BEGIN
  self->demonitor(whom);
  BULWARK_DEPRECATED_END
}

/// Whether an actor of this process has ended. Thread-safe.
inline bool has_ended(const caf::strong_actor_ptr& whom) noexcept {
#if CAF_MAJOR_VERSION >= 1
  return whom->get()->getf(caf::abstract_actor::is_terminated_flag);
#else
  return whom->get()->getf(caf::abstract_actor::is_cleaned_up_flag);
#endif
}

/// Runs `f` in the context of `self` at `due`, unless `self` has ended by then or the result is
/// disposed.
template <class F>
caf::disposable schedule(caf::event_based_actor* self, caf::actor_clock::time_point due, F f) {
  auto& clock = self->system().clock();
  auto weak = caf::weak_actor_ptr{self->ctrl()};
#if CAF_MAJOR_VERSION >= 1
  return clock.schedule(due, caf::make_single_shot_action(std::move(f)), std::move(weak));
#else
  return clock.schedule(due, caf::make_action(std::move(f), caf::action::state::waiting),
                        std::move(weak));
#endif
}

/// Appends a message as other nodes get it. False: it has a handle, and CAF would keep the actor.
[[nodiscard]] bool append_bytes(const caf::message& content, caf::byte_buffer& to);
} // namespace bulwark::compat
