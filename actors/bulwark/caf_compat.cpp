#include "bulwark/caf_compat.hpp"

#include <caf/actor_control_block.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/serializer.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bulwark::compat {

#if CAF_MAJOR_VERSION >= 1

namespace {

// Fails at the first handle; 1.x would remember the actor wherever it is written to, and so keep it.
class handle_finder final : public caf::serializer {
public:
  bool begin_object(caf::type_id_t type, std::string_view) override {
    return type != caf::type_id_v<caf::strong_actor_ptr>;
  }
  bool end_object() override { return true; }
  bool begin_field(std::string_view) override { return true; }
  bool begin_field(std::string_view, bool) override { return true; }
  bool begin_field(std::string_view, caf::span<const caf::type_id_t>, std::size_t) override {
    return true;
  }
  bool begin_field(std::string_view, bool, caf::span<const caf::type_id_t>, std::size_t) override {
    return true;
  }
  bool end_field() override { return true; }
  bool begin_tuple(std::size_t) override { return true; }
  bool end_tuple() override { return true; }
  bool begin_sequence(std::size_t) override { return true; }
  bool end_sequence() override { return true; }
  bool value(std::byte) override { return true; }
  bool value(bool) override { return true; }
  bool value(std::int8_t) override { return true; }
  bool value(std::uint8_t) override { return true; }
  bool value(std::int16_t) override { return true; }
  bool value(std::uint16_t) override { return true; }
  bool value(std::int32_t) override { return true; }
  bool value(std::uint32_t) override { return true; }
  bool value(std::int64_t) override { return true; }
  bool value(std::uint64_t) override { return true; }
  bool value(float) override { return true; }
  bool value(double) override { return true; }
  bool value(long double) override { return true; }
  bool value(std::string_view) override { return true; }
  bool value(const std::u16string&) override { return true; }
  bool value(const std::u32string&) override { return true; }
  bool value(caf::span<const std::byte>) override { return true; }
  bool list(const std::vector<bool>&) override { return true; }
};

} // namespace

bool append_bytes(const caf::message& content, caf::byte_buffer& to) {
  handle_finder handles;
  caf::binary_serializer sink{to};
  return content.save(handles) && sink.apply(content);
}

#else

bool append_bytes(const caf::message& content, caf::byte_buffer& to) {
  // Without an actor system it refuses handles.
  caf::binary_serializer sink{nullptr, to};
  return sink.apply(content);
}

#endif

} // namespace bulwark::compat
