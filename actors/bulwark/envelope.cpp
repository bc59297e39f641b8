#include "bulwark/envelope.hpp"

#include "bulwark/protocol.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/detail/meta_object.hpp>

#include <cstddef>
#include <utility>

namespace bulwark {

namespace {

// A user's own message of that shape must be sealed once more, or opening it would change it.
bool looks_sealed(const caf::message& content) noexcept {
  return content.size() == 1 && content.match_element<caf::message>(0)
         && must_seal_reply(content.get_as<caf::message>(0));
}

bool all_known(const caf::error& reason) {
  return !reason || (is_error_code(reason) && is_readable(reason.context()));
}

template <class T>
bool is_known(const caf::message& content, std::size_t i) {
  return !content.match_element<T>(i) || all_known(content.get_as<T>(i).reason);
}

} // namespace

// An enumeration of one byte is what CAF requires of an error's code: it is read from one byte, and lies
// in memory as that byte. 0 says that there is no error; much else is empty when it is read from a 0.
bool is_error_code(const caf::error& reason) {
  const auto types = caf::detail::global_meta_objects();
  if (reason.code() == 0 || reason.category() >= types.size())
    return false;
  const auto& type = types[reason.category()];
  alignas(std::max_align_t) std::byte there[alignof(std::max_align_t)] = {};
  if (type.type_name.empty() || type.padded_size > sizeof there)
    return false;
  const auto code = std::byte{reason.code()};
  caf::binary_deserializer source{nullptr, &code, 1};
  type.default_construct(there);
  const auto result =
      type.load_binary(source, there) && source.remaining() == 0 && there[0] == code;
  type.destroy(there);
  return result;
}

bool is_readable(const caf::message& content) {
  for (std::size_t i = 0; i < content.size(); ++i) {
    if (content.match_element<caf::error>(i) && !all_known(content.get_as<caf::error>(i)))
      return false;
    if (content.match_element<caf::message>(i) && !is_readable(content.get_as<caf::message>(i)))
      return false;
    if (!is_known<caf::exit_msg>(content, i) || !is_known<caf::down_msg>(content, i)
        || !is_known<caf::node_down_msg>(content, i) || !is_known<failed_reply>(content, i))
      return false;
  }
  return true;
}

caf::error readable(caf::error reason) {
  if (all_known(reason))
    return reason;
  return caf::make_error(caf::sec::unknown_type,
                         "an error of a type that this program does not know");
}

// All our handlers name one of our own types first.
bool begins_with_our_type(const caf::message& content) noexcept {
  return !content.empty() && content.type_at(0) >= caf::id_block::bulwark::begin
         && content.type_at(0) < caf::id_block::bulwark::end;
}

bool is_for_caf(const caf::message& content) noexcept {
  return content.size() == 1
         && (content.match_element<caf::exit_msg>(0) || content.match_element<caf::down_msg>(0)
             || content.match_element<caf::error>(0) || content.match_element<caf::action>(0)
             || content.match_element<caf::node_down_msg>(0));
}

bool must_seal_question(const caf::message& content, bool is_request) noexcept {
  return looks_sealed(content)
         || (is_for_caf(content)
             && (is_request || content.match_element<caf::error>(0)
                 || content.match_element<caf::exit_msg>(0)));
}

bool must_seal_reply(const caf::message& content) noexcept {
  return is_for_caf(content) || begins_with_our_type(content) || looks_sealed(content);
}

caf::message seal(caf::message content) {
  return caf::make_message(std::move(content));
}

caf::message unseal(caf::message content) {
  return looks_sealed(content) ? content.get_as<caf::message>(0) : content;
}

} // namespace bulwark
