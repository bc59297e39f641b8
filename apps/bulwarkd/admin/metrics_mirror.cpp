#include "bulwarkd/admin/metrics_mirror.hpp"

#include "bulwarkd/admin/metrics_text.hpp"
#include "bulwarkd/admin/questions.hpp"

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bulwarkd {

namespace {

namespace compat = bulwark::compat;

// Writes samples into CAF's registry. Its counters only add: what a series shows is remembered, and
// where a guard is made anew its counts go on from there.
class registry_sink : public metric_sink {
public:
  explicit registry_sink(caf::telemetry::metric_registry& registry) : registry_(registry) {}

  void family(std::string_view name, metric_kind kind, std::string_view help) override {
    name_ = name;
    help_ = help;
    kind_ = kind;
  }

  void sample(std::string_view suffix, labels by, double value) override {
    auto key = name_;
    key += suffix;
    for (const auto& [label, text] : by)
      (key += '\0') += text;
    auto& known = series_[key];
    if (kind_ == metric_kind::gauge) {
      if (known.gauge == nullptr)
        known.gauge = find_gauge(by);
      known.gauge->value(value);
      return;
    }
    if (known.counter == nullptr)
      known.counter = find_counter(std::string{suffix}, by);
    const auto more = value >= known.last ? value - known.last : value;
    known.last = value;
    if (more > 0)
      known.counter->inc(more);
  }

private:
  struct series {
    caf::telemetry::dbl_gauge* gauge = nullptr;
    caf::telemetry::dbl_counter* counter = nullptr;
    double last = 0;
  };

  caf::telemetry::metric_registry& registry_;
  std::string name_;
  std::string help_;
  metric_kind kind_ = metric_kind::gauge;
  std::unordered_map<std::string, series> series_;

  // "bulwark_calls_total" is prefix "bulwark", name "calls", a sum.
  [[nodiscard]] std::string short_name(const std::string& suffix) const {
    constexpr std::string_view prefix = "bulwark_";
    constexpr std::string_view total = "_total";
    auto result = name_.substr(prefix.size()) + suffix;
    if (result.ends_with(total))
      result.resize(result.size() - total.size());
    return result;
  }

  template <class F>
  static auto with_labels(labels by, F f) {
    std::vector<std::string> values; // CAF's exporter escapes nothing
    std::vector<compat::text_view> names;
    std::vector<caf::telemetry::label_view> views;
    values.reserve(by.size());
    for (const auto& [name, text] : by) {
      values.push_back(escaped_label(text));
      names.emplace_back(name.data(), name.size());
      views.emplace_back(names.back(), compat::text_view{values.back()});
    }
    return f(names, views);
  }

  caf::telemetry::dbl_gauge* find_gauge(labels by) {
    return with_labels(by, [this](const auto& names, const auto& views) {
      return registry_
          .gauge_family<double>("bulwark", short_name({}), caf::make_span(names), help_)
          ->get_or_add(caf::make_span(views));
    });
  }

  caf::telemetry::dbl_counter* find_counter(const std::string& suffix, labels by) {
    return with_labels(by, [&](const auto& names, const auto& views) {
      return registry_
          .counter_family<double>("bulwark", short_name(suffix), caf::make_span(names), help_, "1",
                                  name_.ends_with("_total"))
          ->get_or_add(caf::make_span(views));
    });
  }
};

caf::behavior copy_metrics(caf::event_based_actor* self, const caf::actor& registry,
                           bulwark::timespan interval) {
  auto sink = std::make_shared<registry_sink>(self->system().metrics());
  const auto again = [self, interval] {
    compat::schedule(
        self, self->system().clock().now() + interval, [weak = caf::weak_actor_ptr{self->ctrl()}] {
          compat::tell(caf::actor_cast<caf::strong_actor_ptr>(weak), bulwark::get_all_stats_atom_v);
        });
  };
  compat::tell(caf::strong_actor_ptr{self->ctrl()}, bulwark::get_all_stats_atom_v);
  return {[self, registry, sink, again](bulwark::get_all_stats_atom) {
    compat::request_within(self, registry, question_timeout, bulwark::get_all_stats_atom_v)
        .then(
            [sink, again](const bulwark::node_stats& stats) {
              tell_metrics(stats, *sink);
              again();
            },
            [again](const caf::error&) { again(); });
  }};
}

} // namespace

bool metrics_mirror::is_wanted(const caf::actor_system& system) {
  return caf::get_if<caf::settings>(&caf::content(system.config()), "caf.middleman.prometheus-http")
         != nullptr;
}

metrics_mirror::metrics_mirror(bulwark::node& node, bulwark::timespan interval)
    : system_(node.system()),
      actor_(system_.spawn<caf::detached>(copy_metrics, node.registry(), interval)) {}

metrics_mirror::~metrics_mirror() {
  caf::anon_send_exit(actor_, caf::exit_reason::kill);
  caf::scoped_actor self{system_};
  self->wait_for(actor_);
}

} // namespace bulwarkd
