#include "bulwarkd/admin/call_by_hand.hpp"

#include "bulwark/envelope.hpp"

#include <future>
#include <memory>
#include <utility>

namespace bulwarkd {

namespace {

namespace compat = bulwark::compat;

// CAF gives replies of unknown types to no handler: this takes the first one as it comes.
class hand : public caf::event_based_actor {
public:
  hand(caf::actor_config& config, std::shared_ptr<std::promise<caf::message>> taken)
      : caf::event_based_actor(config), taken_(std::move(taken)) {}

  bool enqueue(caf::mailbox_element_ptr element, compat::enqueue_context* context) override {
    if (!element->mid.is_response())
      return caf::event_based_actor::enqueue(std::move(element), context);
    taken_->set_value(std::move(element->payload)); // one answer to each request
    return true;
  }

  const char* name() const override { return "bulwarkd.hand"; }

protected:
  caf::behavior make_behavior() override {
    return {[](caf::unit_t) {}};
  }

private:
  std::shared_ptr<std::promise<caf::message>> taken_;
};

std::string text_of(const caf::message& content) {
  if (content.match_elements<std::string>())
    return content.get_as<std::string>(0);
  auto text = to_string(content);
  constexpr std::string_view head = "message(";
  if (text.starts_with(head) && text.ends_with(')'))
    text = text.substr(head.size(), text.size() - head.size() - 1);
  return text;
}

} // namespace

hand_reply call_by_hand(bulwark::node& node, const std::string& guard, caf::message content,
                        bulwark::timespan timeout) {
  auto taken = std::make_shared<std::promise<caf::message>>();
  auto answer = taken->get_future();
  const auto self = node.system().spawn<hand>(taken);
  const auto sender = caf::actor_cast<caf::strong_actor_ptr>(self);
  constexpr std::uint64_t first_request = 1;
  compat::deliver(caf::actor_cast<caf::strong_actor_ptr>(node.front_door()), sender,
                  caf::make_message_id(first_request | caf::message_id::default_async_value),
                  caf::make_message(bulwark::call_atom_v, guard,
                                    bulwark::call_context{.remaining = timeout},
                                    std::move(content)),
                  nullptr);
  const auto answered =
      answer.wait_for(timeout + std::chrono::seconds{1}) == std::future_status::ready;
  caf::anon_send_exit(self, caf::exit_reason::kill);
  if (!answered)
    return {.error = "there was no answer"};
  const auto reply = answer.get();
  if (reply.match_elements<caf::error>())
    return {.error = to_string(bulwark::readable(reply.get_as<caf::error>(0)))};
  if (!bulwark::is_readable(reply))
    return {.error = "the reply has an error of a type that this program doesn't know"};
  return {.text = text_of(reply)};
}

} // namespace bulwarkd
