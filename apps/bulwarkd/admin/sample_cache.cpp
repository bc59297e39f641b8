#include "bulwarkd/admin/sample_cache.hpp"

#include "bulwarkd/admin/exchange.hpp"
#include "bulwarkd/admin/time_text.hpp"

#include <utility>

namespace bulwarkd {

namespace {

// Names that are forgotten: who hasn't looked for so many is shown a guard too many.
constexpr std::size_t most_gone = 10'000;

bool same(const guard_summary& a, const guard_summary& b) {
  return a.target == b.target && a.breaker == b.breaker && a.bulkhead == b.bulkhead;
}

} // namespace

sample_cache::figures sample_cache::figures_of(const guard_row& row) {
  const auto& x = *row.guard;
  const auto& calls = x.calls;
  return {calls.calls,
          calls.succeeded,
          calls.failed,
          calls.rejected,
          calls.timed_out,
          calls.cancelled,
          x.attempts,
          x.retries,
          x.late_replies,
          x.budget_refused,
          x.hedges,
          x.fallbacks,
          x.chaos.has_value() ? 1U : 0U,
          row.breaker != nullptr ? 1U + static_cast<std::uint64_t>(row.breaker->state) : 0U,
          row.bulkhead != nullptr ? 1U + row.bulkhead->active : 0U,
          row.bulkhead != nullptr ? row.bulkhead->limit : 0U,
          row.bulkhead != nullptr ? row.bulkhead->queued : 0U,
          row.bulkhead != nullptr ? row.bulkhead->queue_size : 0U};
}

void sample_cache::update(const bulwark::node_stats& stats, const std::vector<guard_summary>& told,
                          std::chrono::system_clock::time_point when) {
  ++version_;
  time_ = time_text(when);
  written_.clear();
  static const guard_summary unknown;
  for (const auto& row : join(stats, told)) {
    auto& shown = guards_[row.guard->name];
    const auto seen = figures_of(row);
    const auto& summary = row.told != nullptr ? *row.told : unknown;
    shown.seen_in = version_;
    if (shown.changed != 0 && seen == shown.seen && same(summary, shown.told))
      continue;
    shown.seen = seen;
    shown.told = summary;
    shown.changed = version_;
    shown.text.clear();
    append_guard(shown.text, row);
    gone_.erase(row.guard->name);
  }
  for (auto i = guards_.begin(); i != guards_.end();) {
    if (i->second.seen_in == version_) {
      ++i;
      continue;
    }
    if (gone_.size() < most_gone)
      gone_[i->first] = version_;
    i = guards_.erase(i);
  }
}

std::shared_ptr<const std::string> sample_cache::changes_since(std::uint64_t version) {
  auto& written = written_[version];
  if (written)
    return written;
  auto text = R"({"time":")" + time_ + R"(","guards":[)";
  auto separator = "";
  for (const auto& [name, each] : guards_) {
    if (each.changed <= version)
      continue;
    text += std::exchange(separator, ",") + each.text;
  }
  text += ']';
  separator = R"(,"gone":[)";
  for (const auto& [name, when] : gone_)
    if (version != 0 && when > version)
      text += std::exchange(separator, ",") + quoted(name);
  text += *separator == ',' && separator[1] == '\0' ? "]}" : "}";
  written = std::make_shared<const std::string>(std::move(text));
  return written;
}

} // namespace bulwarkd
