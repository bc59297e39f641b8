#pragma once

#include <caf/error.hpp>
#include <caf/message.hpp>

/// @file Payloads that a supervisor carries and must not take for its own.
///
/// A guard hands on whatever it is sent, and whatever comes back. But CAF's handling of messages
/// knows some payloads by their type (an exit_msg ends the actor, a single error too), and so does
/// the supervisor's own behavior (a target may well reply `shutdown`, or a guard's statistics).
/// Such a payload travels through the mailbox in an envelope: a message whose only element is the
/// message.

namespace bulwark {

/// Whether CAF itself would take the message from the mailbox, instead of handing it to us.
[[nodiscard]] bool is_for_caf(const caf::message& content) noexcept;

/// Whether one of our own handlers may know it.
[[nodiscard]] bool begins_with_our_type(const caf::message& content) noexcept;

/// A request or a plain message: sealed where it would not reach the fallback handler but should.
/// What CAF sends itself (the end of a monitored actor, a link's exit) is never a request: the one
/// goes to CAF, the other is sealed too, for a supervisor has something to do before it ends.
[[nodiscard]] bool must_seal_question(const caf::message& content, bool is_request) noexcept;

/// A reply: sealed where CAF's or our handlers would take it for a message to us.
[[nodiscard]] bool must_seal_reply(const caf::message& content) noexcept;

/// Puts `content` into an envelope.
[[nodiscard]] caf::message seal(caf::message content);

/// Takes out what is in an envelope; anything else comes back as it is.
[[nodiscard]] caf::message unseal(caf::message content);

/// Whether the error's category is a type of error codes that this program knows, and its code one of
/// them. CAF takes any number for a category from another node: printing such an error, it reads the
/// code's one byte as whatever type has that number.
[[nodiscard]] bool is_error_code(const caf::error& reason);

/// The error, if all of it is of types that this program knows, those in its context too; else
/// sec::unknown_type. CAF takes any number for an error's category from another node, and would end
/// the program when it prints it.
[[nodiscard]] caf::error readable(caf::error reason);

/// Whether that holds for each error in a message: of its own, in messages in it, and as a reason.
[[nodiscard]] bool is_readable(const caf::message& content);

} // namespace bulwark
