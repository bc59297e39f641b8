#include "bulwarkd/admin/sample_cache.hpp"

#include "bulwarkd/admin/exchange.hpp"
#include "bulwarkd/admin/time_text.hpp"

#include <utility>

namespace bulwarkd {

namespace {

// Names that are forgotten: who hasn't looked for so many is shown a guard too many.
constexpr std::size_t most_gone = 10'000;

// Between two marks; the recent latencies are those since the mark before the last.
constexpr std::chrono::seconds recent_step{5};

// Readers look at least so often; after a longer while nobody has.
constexpr std::chrono::seconds slowest_reader{60};

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

void sample_cache::mark(const bulwark::node_stats& stats,
                        std::chrono::system_clock::time_point when) {
  const auto passed = when - marked_;
  if (passed >= passed.zero() && passed < recent_step)
    return;
  // After a while in which nobody looked, or a clock that was set, it begins anew.
  const auto is_next = passed >= recent_step && passed < 2 * slowest_reader;
  marked_ = when;
  for (const auto& guard : stats.guards) {
    auto& shown = guards_[guard.name];
    shown.former = is_next && shown.changed != 0 ? shown.latest : guard.latency;
    shown.latest = guard.latency;
  }
}

void sample_cache::update(const bulwark::node_stats& stats, const std::vector<guard_summary>& told,
                          std::chrono::system_clock::time_point when) {
  ++version_;
  time_ = time_text(when);
  written_.clear();
  mark(stats, when);
  static const guard_summary unknown;
  for (const auto& row : join(stats, told)) {
    const auto [at, is_new] = guards_.try_emplace(row.guard->name);
    auto& shown = at->second;
    if (is_new) // what came before is not recent
      shown.former = shown.latest = row.guard->latency;
    const auto seen = figures_of(row);
    const auto& summary = row.told != nullptr ? *row.told : unknown;
    shown.seen_in = version_;
    if (shown.changed != 0 && seen == shown.seen && same(summary, shown.told)
        && (!shown.has_recent || row.guard->latency.count() != shown.former.count()))
      continue;
    const auto recent = row.guard->latency.since(shown.former);
    shown.has_recent = recent.count() > 0;
    shown.seen = seen;
    shown.told = summary;
    shown.changed = version_;
    shown.text.clear();
    append_guard(shown.text, row, &recent);
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
