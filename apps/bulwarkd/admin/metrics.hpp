#pragma once

#include "bulwark/protocol.hpp"

#include <initializer_list>
#include <string_view>
#include <utility>

/// @file What Prometheus is told of a node. By its conventions: base units, `_total`, one meaning a
/// family, and no label whose values grow with the load: names of guards and parts only.

namespace bulwarkd {

enum class metric_kind : std::uint8_t { counter, gauge, histogram };

/// Where metrics go: as text to who scrapes, and into CAF's registry.
class metric_sink {
public:
  using labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  virtual ~metric_sink() = default;

  /// The samples of `name` follow. `help` is a sentence.
  virtual void family(std::string_view name, metric_kind kind, std::string_view help) = 0;
  /// `suffix`: of a histogram's series, else empty.
  virtual void sample(std::string_view suffix, labels by, double value) = 0;
};

/// Everything that a node counts. Names that occur twice are told once: two series with the same
/// labels make Prometheus refuse all of them.
void tell_metrics(const bulwark::node_stats& stats, metric_sink& to);

/// What it takes of the machine, by the names that all of Prometheus' clients use.
void tell_process_metrics(metric_sink& to);

} // namespace bulwarkd
