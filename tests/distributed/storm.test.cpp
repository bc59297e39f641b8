// Random nodes are killed again and again while all call. Long: `./dev storm`, which sets
// BULWARK_KILLS and BULWARK_SECONDS; without them a short one.
#include "distributed/sharing_nodes.hpp"

#include "bulwark/random.hpp"

#include <fstream>
#include <iostream>

using namespace bulwark;
using namespace bulwark_tests;

namespace {

int kills() {
  const char* wish = std::getenv("BULWARK_KILLS");
  return wish != nullptr ? std::atoi(wish) : 3;
}

/// Resident memory of a process in kB.
long memory_of(pid_t process) {
  std::ifstream status{"/proc/" + std::to_string(process) + "/status"};
  for (std::string word; status >> word;) {
    if (word == "VmRSS:") {
      long result = 0;
      status >> result;
      return result;
    }
  }
  return 0;
}

} // namespace

TEST_CASE("nodes that are killed at random lose nobody else's calls and leave no permits behind "
          "[D13] [D14] "
          "[K1]",
          "[distributed]") {
  const auto seed = static_cast<std::uint64_t>(clock_type::now().time_since_epoch().count());
  CAPTURE(seed);
  random_stream chance{seed};
  sharing_nodes f;
  for (auto& node : f.nodes)
    node->call(50);
  const auto pause = std::chrono::milliseconds{load_time()} / kills();
  long first_memory = 0;
  long last_memory = 0;
  std::uint64_t answered = 0;
  for (int i = 0; i < kills(); ++i) {
    let_pass(pause);
    const auto who = static_cast<int>(chance.next() % 3);
    auto& victim = *f.nodes[static_cast<std::size_t>(who)];
    for (auto& node : f.nodes) { // the survivors' books
      const auto books = node->get_books();
      CHECK(books.answered <= books.sent);
      if (&*node == &victim)
        answered += books.answered;
    }
    // Of the test's own process, which has seen all kills: its connections and the target's memory.
    last_memory = memory_of(::getpid());
    if (i == kills() / 10)
      first_memory = last_memory;
    victim.kill();
    f.view->forget(who);
    victim.restart();
    victim.call(50);
  }
  // In the end it is one bulkhead again, of ten, and nobody waits.
  let_pass(2s);
  f.view->wait_until([](target_view&, auto running) { return running <= 10; });
  f.view->forget_most();
  let_pass(1s);
  CHECK(f.view->most() == 10);
  answered += f.stop_all();
  f.view->wait_until([](target_view&, auto running) { return running == 0; });
  std::cout << kills() << " kills, " << answered << " calls answered, memory " << first_memory
            << " to " << last_memory << " kB\n";
  if (kills() >= 50)
    CHECK(last_memory < first_memory + first_memory / 4);
}
