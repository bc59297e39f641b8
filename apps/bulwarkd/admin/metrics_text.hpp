#pragma once

#include "bulwarkd/admin/metrics.hpp"

#include <caf/telemetry/metric_registry.hpp>

#include <string>
#include <string_view>

namespace bulwarkd {

/// Prometheus' text format, version 0.0.4. (CAF's own collector doesn't escape what labels hold, so
/// that a guard's name may end its line; and it dates each sample, so that Prometheus shows a
/// guard that is gone for five minutes.)
class metrics_text : public metric_sink {
public:
  void family(std::string_view name, metric_kind kind, std::string_view help) override;
  void sample(std::string_view suffix, labels by, double value) override;

  [[nodiscard]] std::string take() { return std::move(text_); }

private:
  std::string text_;
  std::string name_;
};

/// A label's value: without what would end it.
[[nodiscard]] std::string escaped_label(std::string_view value);

/// What else is in CAF's registry: its own metrics, and the application's. Those that begin with
/// "bulwark" are left out.
[[nodiscard]] std::string caf_metrics(const caf::telemetry::metric_registry& registry);

} // namespace bulwarkd
