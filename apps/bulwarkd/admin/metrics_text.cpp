#include "bulwarkd/admin/metrics_text.hpp"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <limits>

namespace bulwarkd {

namespace {

void append_value(std::string& to, double value) {
  if (std::isnan(value))
    to += "NaN";
  else if (std::isinf(value))
    to += value > 0 ? "+Inf" : "-Inf";
  else if (value == std::floor(value) && std::abs(value) < 9e15)
    fmt::format_to(std::back_inserter(to), "{}", static_cast<std::int64_t>(value));
  else
    fmt::format_to(std::back_inserter(to), "{}", value);
}

std::string_view word_for(metric_kind kind) {
  switch (kind) {
  case metric_kind::counter:
    return "counter";
  case metric_kind::gauge:
    return "gauge";
  default:
    return "histogram";
  }
}

// Of CAF's registry, family by family. What it has changes with CAF's version.
class caf_collector {
public:
  void operator()(const caf::telemetry::metric_family* family,
                  const caf::telemetry::metric* instance, const caf::telemetry::int_counter* x) {
    add(family, instance, "counter", static_cast<double>(x->value()));
  }
  void operator()(const caf::telemetry::metric_family* family,
                  const caf::telemetry::metric* instance, const caf::telemetry::dbl_counter* x) {
    add(family, instance, "counter", x->value());
  }
  void operator()(const caf::telemetry::metric_family* family,
                  const caf::telemetry::metric* instance, const caf::telemetry::int_gauge* x) {
    add(family, instance, "gauge", static_cast<double>(x->value()));
  }
  void operator()(const caf::telemetry::metric_family* family,
                  const caf::telemetry::metric* instance, const caf::telemetry::dbl_gauge* x) {
    add(family, instance, "gauge", x->value());
  }
  template <class Value>
  void operator()(const caf::telemetry::metric_family* family,
                  const caf::telemetry::metric* instance,
                  const caf::telemetry::histogram<Value>* x) {
    begin(family, "histogram");
    auto total = 0.0;
    for (const auto& bucket : x->buckets()) {
      total += static_cast<double>(bucket.count.value());
      std::string bound;
      append_value(bound, bucket.upper_bound == last_bound<Value>()
                              ? std::numeric_limits<double>::infinity()
                              : static_cast<double>(bucket.upper_bound));
      append("_bucket", labels_of(instance, "le=\"" + bound + '"'), total);
    }
    append("_sum", labels_of(instance), static_cast<double>(x->sum()));
    append("_count", labels_of(instance), total);
  }

  std::string text;

private:
  const caf::telemetry::metric_family* current_ = nullptr;
  std::string name_;
  bool skips_ = false;

  template <class Value>
  static constexpr Value last_bound() {
    using limits = std::numeric_limits<Value>;
    return limits::has_infinity ? limits::infinity() : limits::max();
  }

  template <class View>
  static std::string plain(const View& view) { // CAF's own views in 0.18, std's later
    return {view.begin(), view.end()};
  }

  void begin(const caf::telemetry::metric_family* family, std::string_view kind) {
    if (family == current_)
      return;
    current_ = family;
    const auto prefix = plain(family->prefix());
    skips_ = prefix == "bulwark" || prefix == "process"; // told already
    name_ = prefix + '_' + plain(family->name());
    if (plain(family->unit()) != "1")
      name_ += '_' + plain(family->unit());
    if (family->is_sum() && kind == "counter") // CAF has a gauge that says so too
      name_ += "_total";
    for (auto& c : name_)
      c = c == '-' || c == '.' ? '_' : c;
    if (!skips_)
      text += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name_, plain(family->helptext()), name_,
                          kind);
  }

  static std::string labels_of(const caf::telemetry::metric* instance,
                               const std::string& more = {}) {
    std::string result;
    for (const auto& each : instance->labels())
      result += (result.empty() ? "" : ",") + plain(each.name()) + "=\""
                + escaped_label(plain(each.value())) + '"';
    if (!more.empty())
      result += (result.empty() ? "" : ",") + more;
    return result.empty() ? result : '{' + result + '}';
  }

  void append(std::string_view suffix, const std::string& labels, double value) {
    if (skips_)
      return;
    text += name_;
    text += suffix;
    text += labels + ' ';
    append_value(text, value);
    text += '\n';
  }

  void add(const caf::telemetry::metric_family* family, const caf::telemetry::metric* instance,
           std::string_view kind, double value) {
    begin(family, kind);
    append({}, labels_of(instance), value);
  }
};

} // namespace

std::string escaped_label(std::string_view value) {
  std::string result;
  result.reserve(value.size());
  for (const auto c : value) {
    if (c == '\\' || c == '"')
      result += '\\';
    if (c == '\n')
      result += "\\n";
    else
      result += c;
  }
  return result;
}

void metrics_text::family(std::string_view name, metric_kind kind, std::string_view help) {
  name_ = name;
  fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name,
                 word_for(kind));
}

void metrics_text::sample(std::string_view suffix, labels by, double value) {
  text_ += name_;
  text_ += suffix;
  auto separator = '{';
  for (const auto& [name, text] : by) {
    text_ += separator;
    text_ += name;
    text_ += "=\"";
    if (text.find_first_of("\\\"\n") == std::string_view::npos)
      text_ += text;
    else
      text_ += escaped_label(text);
    text_ += '"';
    separator = ',';
  }
  if (by.size() > 0)
    text_ += '}';
  text_ += ' ';
  append_value(text_, value);
  text_ += '\n';
}

std::string caf_metrics(const caf::telemetry::metric_registry& registry) {
  caf_collector collector;
  registry.collect(collector);
  return std::move(collector.text);
}

} // namespace bulwarkd
