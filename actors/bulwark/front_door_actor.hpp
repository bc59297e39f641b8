#pragma once

#include "bulwark/part_directory.hpp"
#include "bulwark/protocol.hpp"

#include <caf/all.hpp>

#include <atomic>
#include <memory>
#include <string>

namespace bulwark {

/// What a node shows to programs that know only its messages: guards by name, what there is, and
/// what it has counted. It keeps no table of calls: guards answer the callers themselves, in its name.
///
/// What comes in is not trusted. No message ends anything but a call, the address of no part goes
/// out, not even as an answer's sender, and who links to the door doesn't take it along.
class front_door_actor : public caf::event_based_actor {
public:
  front_door_actor(caf::actor_config& config, std::shared_ptr<const part_directory> directory,
                   caf::actor registry, caf::actor cluster);

  /// Ends a door. By a call, not by a message alone, for those can come from anywhere: until this
  /// has been called no exit message ends it.
  static void end(const caf::actor& door);

  /// Drops exit messages: those of CAF, where somebody who was linked to us has ended, and forged
  /// ones. Empties messages with errors of types that this program doesn't know: see is_readable().
  bool enqueue(caf::mailbox_element_ptr element, compat::enqueue_context* context) override;

  const char* name() const override;
  void on_exit() override;

protected:
  caf::behavior make_behavior() override;

private:
  std::atomic<bool> let_go_ = false;
  std::shared_ptr<const part_directory> directory_;
  caf::actor registry_;
  caf::actor cluster_;

  caf::result<caf::message> call(const std::string& name, const call_context& context,
                                 caf::message content);
  template <class Said>
  void tell_owner(const std::string& part, const Said& said);
  template <class Answer, class... Question>
  caf::response_promise ask(const caf::actor& whom, Question... question);
  void tell_registry(caf::message content);
};

} // namespace bulwark
