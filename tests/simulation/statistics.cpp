#include "simulation/world.hpp"

#include <string>

namespace bulwark_simulation {

namespace {

constexpr std::uint64_t last_reader = 1; // who asks at the end

std::string name_of(std::uint32_t node) {
  return node == 0 ? std::string{} : fmt::format("node {}", node);
}

std::uint32_t node_of(const std::string& name) {
  return name.empty() ? 0 : static_cast<std::uint32_t>(std::stoul(name.substr(5)));
}

} // namespace

/// What a process's registry tells: of the guards that there are, and those that have ended.
guard_figures process::figures() const {
  auto result = ended_figures;
  for (const auto& each : guards)
    if (!each->ended)
      result += {.calls = each->core.books().calls, .latency = each->core.books().latency};
  return result;
}

registry_part::registry_part(process& p)
    : home(p),
      core({.interval =
                std::clamp(4 * p.all.with.tempo, timespan{10'000'000}, timespan{60'000'000'000}),
            .read_timeout = std::chrono::seconds{1},
            .answer_timeout = std::chrono::seconds{10}}) {
  for (std::uint32_t i = 1; i < p.all.with.nodes; ++i)
    core.add(name_of(i));
}

void registry_part::connected(std::uint32_t node) {
  core.on_connected(name_of(node), home.now());
  after_event();
}

void registry_part::lost(std::uint32_t node) {
  core.on_lost(name_of(node));
  after_event();
}

void registry_part::after_event() {
  auto& all = home.all;
  for (const auto& each : core.due(home.now())) {
    const auto node = node_of(each.node);
    all.transmit(node, false, [w = &all, node, number = each.number] {
      const auto* p = w->node(node);
      // Told as it is now: what is under way is a copy, and may come late or twice.
      const auto copy = w->keep(p->figures());
      w->transmit(node, true, [w, number, incarnation = p->incarnation, copy] {
        auto* o = w->node(0);
        if (o == nullptr || !o->registry)
          return;
        std::ignore = o->registry->core.on_answer(number, incarnation, w->kept(copy));
        o->registry->after_event();
      });
    });
  }
  for (const auto reader : core.finished(home.now()))
    answered = answered || reader == last_reader;
  if (const auto wake = core.next_wake(); wake && *wake < armed) {
    armed = *wake;
    home.post(registry_actor, timeouts,
              [p = &home, due = *wake] { p->set_alarm(registry_actor, due); });
  }
  check();
}

void registry_part::check() {
  const auto total = core.total();
  if (!total.figures.calls.balanced())
    home.all.violated("the books of all nodes don't balance", "{} calls",
                      total.figures.calls.calls);
  if (total.unresolved > total.figures.calls.in_flight)
    home.all.violated("more calls are unresolved than in flight", "{}", total.unresolved);
}

void registry_part::read() {
  core.read(last_reader, home.now());
  after_event();
}

/// All are at rest and have been asked since: what each has counted is known, to the last call.
void registry_part::check_the_end() {
  auto& all = home.all;
  if (!answered)
    all.violated("a reader of all nodes' statistics has no answer", "");
  for (std::uint32_t i = 0; i < all.with.nodes; ++i) {
    const auto is = all.node(i)->figures();
    const auto said = core.of(name_of(i), home.now()).figures;
    if (said.calls != is.calls || said.latency != is.latency)
      all.violated("a node's statistics are not what it has counted",
                   "node {}: {} calls, {} are told", i, is.calls.calls, said.calls.calls);
  }
}

} // namespace bulwark_simulation
