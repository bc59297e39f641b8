#pragma once

#include "bulwark/all.hpp"

#include <caf/all.hpp>

namespace bulwarkd {

/// A node's metrics in CAF's registry, and so in what CAF's own exporter shows
/// (caf.middleman.prometheus-http). For those who have it already: the admin port's /metrics is exact
/// at each scrape, this is as old as the interval.
///
/// CAF's registry forgets nothing: a guard that is gone stays, with its last figures. It gives a
/// histogram no way to add many observations at once: its series are there, each as a counter.
class metrics_mirror {
public:
  /// Whether somebody looks at CAF's registry.
  [[nodiscard]] static bool is_wanted(const caf::actor_system& system);

  metrics_mirror(bulwark::node& node, bulwark::timespan interval);
  metrics_mirror(const metrics_mirror&) = delete;
  metrics_mirror& operator=(const metrics_mirror&) = delete;
  ~metrics_mirror();

private:
  caf::actor_system& system_;
  caf::actor actor_;
};

} // namespace bulwarkd
