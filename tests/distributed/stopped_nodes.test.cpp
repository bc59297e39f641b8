// Processes that are stopped under load, as by a debugger or a machine that sleeps, and go on.
// BULWARK_STOP_SECONDS says for how long, 2 s without.
#include "distributed/sharing_nodes.hpp"

using namespace bulwark;
using namespace bulwark_tests;

namespace {

std::chrono::seconds stop_time() {
  const char* wish = std::getenv("BULWARK_STOP_SECONDS");
  return std::chrono::seconds{wish != nullptr ? std::atoi(wish) : 2};
}

} // namespace

TEST_CASE(
    "a process that was stopped under load loses no answer and begins nothing on a lease that "
    "ran out [X6] [D13] [K1]",
    "[distributed]") {
  // The lease is of one second.
  const std::size_t stopped = GENERATE(0, 1);
  CAPTURE(stopped);
  sharing_nodes f{{"--deadline=5s"}};
  for (auto& node : f.nodes)
    node->call(20);
  f.view->wait_until([](target_view& v, auto) {
    return v.begun_of(0) > 100 && v.begun_of(1) > 100 && v.begun_of(2) > 100;
  });
  auto& node = *f.nodes[stopped];
  const auto number = static_cast<std::int32_t>(stopped);
  node.signal(SIGSTOP);
  let_pass(stop_time());
  const auto others = f.view->begun(2);
  f.view->wait_until([&](target_view& v, auto) { return v.begun_of(2) > others + 100; });
  const auto asleep = f.view->begun(number);
  const auto stale = f.view->stale(number);
  node.signal(SIGCONT);
  f.view->wait_until([&](target_view& v, auto) { return v.begun_of(number) > asleep + 100; });
  // Calls that were on their way when it was stopped come now, and their permits tell. They are no
  // more than it had permits, which are all ten at most; that it begins none on them, shared_parts
  // shows with a node that had none on their way.
  CHECK(f.view->stale(number) <= stale + 10);
  f.stop_all(); // as many answers as calls, each once
  f.view->wait_until([](target_view&, auto running) { return running == 0; });
}
