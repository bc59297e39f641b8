// What a second worker brings.

#include "load.hpp"
#include "measure.hpp"

#include <memory>

namespace bench {

namespace {

constexpr std::size_t slice = 100'000;

// 100 guards, each with a target of its own, and 1,000 callers.
struct many_guards {
  explicit many_guards(std::size_t workers) : system(workers) {
    for (auto i = 0; i < 100; ++i)
      guards.push_back(
          node->guard("g" + std::to_string(i), system->spawn(increment), everything()));
    load = std::make_unique<callers>(*system, guards, 1000, 1);
  }

  system_of system;
  std::unique_ptr<bulwark::node> node = std::make_unique<bulwark::node>(*system);
  std::vector<caf::actor> guards;
  std::unique_ptr<callers> load;
};

figure two_workers(const std::string& id) {
  many_guards one{1};
  many_guards two{2};
  // Throughput is the inverse of the time for a call.
  auto result = ratio(
      id, [&] { return one.load->run(slice); }, [&] { return two.load->run(slice); });
  audited(*one.node, result);
  return audited(*two.node, result);
}

figure hot_guard(const std::string& id) {
  system_of system{2};
  bulwark::node node{*system};
  auto target = system->spawn(increment);
  auto guard = node.guard("hot", target, everything());
  callers through{*system, {guard}, 256, 1};
  callers bare{*system, {target}, 256, 1};
  return audited(node,
                 ratio(
                     id, [&] { return bare.run(slice); }, [&] { return through.run(slice); }));
}

} // namespace

std::vector<benchmark> throughput_benchmarks() {
  return {
      {"two_workers", "throughput of two workers against one, 1,000 callers, 100 guards", 1.6, 1.8,
       false, two_workers},
      {"hot_guard", "throughput of one guard against its bare target, two workers", 0.5, 0.8, false,
       hot_guard},
  };
}

} // namespace bench
