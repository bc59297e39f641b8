#pragma once

#include "bulwark/protocol.hpp"

#include <caf/all.hpp>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

namespace bulwark_tests {

/// What came back for one request: every answer, for there must be exactly one.
class reply {
public:
  void add(caf::message answer, const caf::strong_actor_ptr& sender = nullptr) {
    {
      std::lock_guard guard{mutex_};
      sender_ = caf::actor_cast<caf::actor_addr>(sender);
      answers_.push_back(std::move(answer));
    }
    changed_.notify_all();
  }

  /// Blocks until there is an answer. For real systems; in a virtual one run() has brought it.
  void wait() const {
    std::unique_lock guard{mutex_};
    changed_.wait(guard, [this] { return !answers_.empty(); });
  }

  [[nodiscard]] std::size_t count() const {
    std::lock_guard guard{mutex_};
    return answers_.size();
  }

  /// The first answer. Requires: there is one.
  [[nodiscard]] caf::message content() const {
    std::lock_guard guard{mutex_};
    return answers_.at(0);
  }

  [[nodiscard]] bool is_error() const {
    auto message = content();
    return message.size() == 1 && message.match_element<caf::error>(0);
  }

  /// Who gave the latest answer.
  [[nodiscard]] caf::actor_addr sender() const {
    std::lock_guard guard{mutex_};
    return sender_;
  }

  /// An error that is none where the answer is a value.
  [[nodiscard]] caf::error error() const {
    return is_error() ? content().get_as<caf::error>(0) : caf::error{};
  }

  template <class T>
  [[nodiscard]] T as() const {
    auto message = content();
    if (!message.match_elements<T>())
      throw std::runtime_error{"the answer is " + caf::to_string(message)};
    return message.get_as<T>(0);
  }

private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<caf::message> answers_;
  caf::actor_addr sender_;
};

using reply_ptr = std::shared_ptr<reply>;

/// Sends one request and keeps what comes back, whatever it is and however often. A new one for
/// each request, so that dying callers are easy to have: see kill().
class caller : public caf::event_based_actor {
public:
  caller(caf::actor_config& config, caf::strong_actor_ptr to, caf::message content,
         reply_ptr result)
      : caf::event_based_actor(config),
        to_(std::move(to)),
        content_(std::move(content)),
        result_(std::move(result)) {}

  bool enqueue(caf::mailbox_element_ptr element,
               bulwark::compat::enqueue_context* context) override {
    if (element->mid.is_response()) {
      result_->add(std::move(element->payload), element->sender);
      return true;
    }
    return caf::event_based_actor::enqueue(std::move(element), context);
  }

  const char* name() const override { return "tests.caller"; }

protected:
  caf::behavior make_behavior() override {
    id_ = new_request_id(caf::message_priority::normal);
    bulwark::compat::deliver(to_, ctrl(), id_, std::move(content_), context());
    to_ = nullptr;
    return {[this](bulwark::cancel_atom, const caf::actor& guard) {
      bulwark::compat::deliver(
          caf::actor_cast<caf::strong_actor_ptr>(guard), ctrl(), caf::make_message_id(),
          caf::make_message(bulwark::cancel_atom_v, id_.integer_value()), context());
    }};
  }

private:
  caf::strong_actor_ptr to_;
  caf::message content_;
  reply_ptr result_;
  caf::message_id id_;
};

} // namespace bulwark_tests
