// What a guarded call costs beside CAF's own requests: in time, in messages, in allocations.

#include "allocations.hpp"
#include "load.hpp"
#include "measure.hpp"

#include <string>

namespace bench {

namespace {

constexpr std::size_t slice = 40'000;

figure guarded_vs_bare(const std::string& id) {
  guarded_target t;
  auto guarded = t.calls_to(t.guard);
  auto bare = t.calls_to(t.target);
  return audited(*t.node,
                 ratio(
                     id, [&] { return guarded.run(slice); }, [&] { return bare.run(slice); }));
}

figure guarded_vs_timed(const std::string& id) {
  guarded_target t;
  auto guarded = t.calls_to(t.guard);
  auto timed = t.calls_to(t.target, timing::one_second);
  return audited(*t.node,
                 ratio(
                     id, [&] { return guarded.run(slice); }, [&] { return timed.run(slice); }));
}

figure guarded_vs_chain(const std::string& id) {
  guarded_target t;
  auto chain = t.target;
  for (auto i = 0; i < 4; ++i)
    chain = t.system->spawn(naive_proxy, chain);
  auto guarded = t.calls_to(t.guard);
  auto naive = t.calls_to(chain);
  return audited(*t.node,
                 ratio(
                     id, [&] { return guarded.run(slice); }, [&] { return naive.run(slice / 4); }));
}

// The same guard, of which `stuck` calls never end, against one of which none is stuck.
figure with_stuck(const std::string& id, std::size_t stuck) {
  guarded_target t;
  auto free_guard = t.node->guard("free", t.target, everything());
  progress(id + ": " + std::to_string(stuck) + " calls get stuck");
  auto stuck_caller = make_stuck(*t.system, t.guard, stuck);
  auto beside = t.calls_to(t.guard);
  auto none = t.calls_to(free_guard);
  auto result = ratio(
      id, [&] { return beside.run(slice); }, [&] { return none.run(slice); });
  caf::anon_send_exit(stuck_caller, caf::exit_reason::kill);
  return audited(*t.node, result);
}

figure messages_per_call(const std::string& id) {
  guarded_target t;
  auto guarded = t.calls_to(t.guard);
  guarded.run(slice);
  auto result = value(
      id, "messages",
      [&] {
        const auto before = messages_so_far(*t.system);
        guarded.run(slice);
        return static_cast<double>(messages_so_far(*t.system) - before)
               / static_cast<double>(guarded.rounded(slice));
      },
      3);
  return audited(*t.node, result);
}

figure allocations_per_call(const std::string& id) {
  guarded_target t;
  auto guarded = t.calls_to(t.guard);
  auto bare = t.calls_to(t.target);
  const auto count = [](callers& who) {
    const auto before = allocations_so_far();
    who.run(slice);
    return static_cast<double>(allocations_so_far() - before)
           / static_cast<double>(who.rounded(slice));
  };
  count(guarded);
  count(bare);
  return audited(*t.node, value(
                              id, "allocations", [&] { return count(guarded) - count(bare); }, 3));
}

figure open_guard_vs_bare(const std::string& id) {
  guarded_target t;
  caf::scoped_actor self{*t.system};
  auto breaker = t.node->circuit_breaker("opened");
  bulwark::compat::request(self, breaker, bulwark::force_open_atom_v)
      .receive([] {}, [](const caf::error&) {});
  auto policy = everything();
  policy.breaker = breaker;
  auto open = t.node->guard("open", t.target, policy);
  auto refused = t.calls_to(open);
  auto bare = t.calls_to(t.target);
  return audited(*t.node,
                 ratio(
                     id, [&] { return refused.run(slice); }, [&] { return bare.run(slice); }));
}

} // namespace

std::vector<benchmark> cost_benchmarks() {
  return {
      {"guarded_vs_bare", "guarded call against CAF's request(target, infinite)", 2.5, 2.0, true,
       guarded_vs_bare},
      {"guarded_vs_timed", "guarded call against CAF's request(target, 1s)", 0.9, 0.6, true,
       guarded_vs_timed},
      {"guarded_vs_chain", "guarded call against four proxies with timeouts", 1.0 / 6, 0.1, true,
       guarded_vs_chain},
      {"stuck_100k", "guarded call beside 100,000 stuck ones, against none stuck", 1.15, 1.05, true,
       [](const std::string& id) { return with_stuck(id, 100'000); }},
      {"stuck_1m", "guarded call beside 1,000,000 stuck ones, against none stuck", 1.3, 1.05, true,
       [](const std::string& id) { return with_stuck(id, 1'000'000); }},
      {"messages_per_call", "messages for a healthy guarded call", 4.2, 4.02, true,
       messages_per_call},
      {"allocations_per_call", "heap allocations beyond the bare call's", 3, 2, true,
       allocations_per_call},
      {"open_guard_vs_bare", "rejection by an open breaker against a bare request", 1.0, 1.0, true,
       open_guard_vs_bare},
  };
}

} // namespace bench
