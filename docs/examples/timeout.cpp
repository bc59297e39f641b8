// The timeout manager: one call bounded, whoever is called; and a timer for everybody.

#include "bulwark/all.hpp"

#include <caf/all.hpp>

#include <cstdlib>
#include <iostream>

using namespace std::chrono_literals;

namespace {

// Takes the question and never answers.
caf::behavior black_hole(caf::event_based_actor* self, std::vector<caf::response_promise>* held) {
  return {[self, held](bulwark::get_atom, int) {
    held->push_back(self->make_response_promise());
    return held->back();
  }};
}

} // namespace

int caf_main(caf::actor_system& sys) {
  auto timed_out = false;
  auto reminded = false;
  std::vector<caf::response_promise> held;
  {
    bulwark::node node{sys};
    auto hole = sys.spawn(black_hole, &held);
    caf::scoped_actor self{sys};
    // [timeout]
    bulwark::wait_for(self, node.timeout_manager(), 50ms, hole, bulwark::get_atom_v, 42)
        .receive([](int) {},
                 [&](const caf::error& why) { timed_out = why == bulwark::errc::timed_out; });

    self->request(node.timeout_manager(), caf::infinite, bulwark::schedule_atom_v,
                  bulwark::timespan{20ms}, caf::make_message("time for tea"))
        .receive([](std::uint64_t) { /* what `cancel` wants */ }, [](const caf::error&) {});
    self->receive([&](const std::string& text) { reminded = text == "time for tea"; });
    // [/timeout]
    caf::anon_send_exit(hole, caf::exit_reason::user_shutdown);
    self->wait_for(hole);
  }
  return timed_out && reminded ? EXIT_SUCCESS : EXIT_FAILURE;
}

CAF_MAIN(caf::id_block::bulwark)
