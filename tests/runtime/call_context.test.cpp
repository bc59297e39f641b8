#include "bulwark/call_context.hpp"

#include "support/catch.hpp"

// What travels with a call: what may be said, and that it comes over as it was said.

using namespace bulwark;
using namespace std::chrono_literals;

namespace {

const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

call_context everything() {
  return {.remaining = 250ms,
          .more = {{"shop", "12"}},
          .attempt = 3,
          .importance = criticality::sheddable,
          .idempotent = false,
          .tenant = "acme",
          .trace_parent = trace};
}

} // namespace

TEST_CASE("a context comes over as it was said [R30]", "[call_context]") {
  for (const auto& each : {everything(), call_context{}, call_context{.remaining = -1s},
                           call_context{.by_guard = true},
                           call_context{.importance = criticality::critical, .idempotent = true}})
    CHECK(from_wire(each.remaining, to_wire(each)) == each);
}

TEST_CASE("a context that says nothing takes no room on its way [R30]", "[call_context]") {
  CHECK(to_wire({.remaining = 5s}).empty());
  CHECK_FALSE(says_more({.remaining = 5s, .attempt = 2}));
  CHECK(says_more({.tenant = "acme"}));
}

TEST_CASE("what a stranger says that can't be is left out and the rest holds [R31]",
          "[call_context]") {
  const auto said = [](const char* name, std::string value) {
    return from_wire(1s, {{name, std::move(value)}, {"shop", "12"}});
  };
  const call_context rest{.remaining = 1s, .more = {{"shop", "12"}}};
  for (const auto* bad : {"", "0", "-1", "1000001", "99999999999999999999", "2x", " 2", "0x2"})
    CHECK(said("attempt", bad) == rest);
  CHECK(said("criticality", "urgent") == rest);
  CHECK(said("idempotent", "maybe") == rest);
  CHECK(said("tenant", std::string(65, 'x')) == rest);
  CHECK(said("tenant", std::string(64, 'x')).tenant.size() == 64);
  CHECK(said("traceparent", "not one") == rest);
  auto many = std::map<std::string, std::string>{{"tenant", "acme"}};
  for (auto i = 0; i < 33; ++i)
    many[std::to_string(i)] = "x";
  CHECK(from_wire(1s, many) == call_context{.remaining = 1s, .tenant = "acme"});
  CHECK(said("long", std::string(257, 'x')).more.empty());
  CHECK(said(std::string(65, 'x').c_str(), "").more.empty());
}

TEST_CASE("a trace parent is what W3C says [R31]", "[call_context]") {
  CHECK(is_trace_parent(trace));
  CHECK(is_trace_parent("cc" + trace.substr(2)));
  CHECK(is_trace_parent("cc" + trace.substr(2) + "-later"));
  for (const auto& bad : {std::string{}, trace.substr(1), trace + "-later", trace + "x",
                          "ff" + trace.substr(2), "cc" + trace.substr(2) + "later",
                          std::string{"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"},
                          std::string{"00-00000000000000000000000000000000-00f067aa0ba902b7-01"},
                          std::string{"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"},
                          std::string{"00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01"},
                          "cc" + trace.substr(2) + "-" + std::string(300, 'x')}) {
    INFO(bad);
    CHECK_FALSE(is_trace_parent(bad));
  }
}

TEST_CASE("mistakes in a context are named with what is permitted [R31]", "[call_context]") {
  CHECK(find_mistakes(call_context{}).empty());
  CHECK(find_mistakes(everything()).empty());
  auto bad = everything();
  bad.attempt = 0;
  bad.tenant = std::string(65, 'x');
  bad.trace_parent = "00";
  bad.importance = static_cast<criticality>(3);
  bad.more = {{"long", std::string(257, 'x')}};
  CHECK(to_string(find_mistakes(bad))
        == "call_context.attempt is 0, permitted: 1 .. 1000000; call_context.importance is 3, "
           "permitted: critical, normal, sheddable; call_context.tenant is 65 bytes long, "
           "permitted: 0 .. 64 bytes; call_context.trace_parent is '00', permitted: empty, or "
           "00-<32 hex>-<16 hex>-<2 hex>, in lower case, neither id 0; call_context.more is 1 "
           "fields, permitted: 32 fields of 64 and 256 bytes");
}

TEST_CASE("the next hop is told what is left and which attempt it is [R30 T36]", "[call_context]") {
  auto from = everything();
  from.by_guard = true;
  const auto next = next_hop(&from, 100ms, 1);
  CHECK(next.remaining == 100ms);
  CHECK(next.attempt == 3);
  CHECK(next.tenant == "acme");
  CHECK(next.trace_parent == trace);
  CHECK(next.more == from.more);
  CHECK_FALSE(next.by_guard); // who is the caller now says it for itself
  CHECK(next_hop(nullptr, std::nullopt, 1) == call_context{});
  CHECK(next_hop(nullptr, 5s, 2) == call_context{.remaining = 5s, .attempt = 2});
  from.attempt = 2;
  CHECK(next_hop(&from, 5s, 3).attempt == 4);
  from.attempt = 1'000'000;
  CHECK(next_hop(&from, 5s, 3).attempt == 1'000'000);
}
