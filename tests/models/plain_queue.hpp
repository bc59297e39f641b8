#pragma once

#include "bulwark/fair_queue.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <tuple>
#include <vector>

/// @file Who waits, as a list in which who is next, and who has to go, is looked for from the
/// beginning each time: what models say of a fair queue.

namespace bulwark_tests {

struct waiting_call {
  bulwark::waiter who;
  bulwark::criticality importance = bulwark::criticality::normal;
  std::uint64_t tenant = 0;
  bulwark::instant since{};

  friend bool operator==(const waiting_call&, const waiting_call&) = default;
  friend bool operator<(const waiting_call& a, const waiting_call& b) {
    return std::tie(a.who.holder, a.who.ticket) < std::tie(b.who.holder, b.who.ticket);
  }
};

struct plain_queue {
  std::vector<waiting_call> all;                                    // as they came
  std::map<bulwark::criticality, std::vector<std::uint64_t>> turns; // tenants, next first
  bool newest_first = false;

  [[nodiscard]] bool empty() const { return all.empty(); }
  [[nodiscard]] std::size_t size() const { return all.size(); }

  // Those of a tenant that are as important, as they came.
  [[nodiscard]] std::vector<std::size_t> line(bulwark::criticality importance,
                                              std::uint64_t tenant) const {
    std::vector<std::size_t> result;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i].importance == importance && all[i].tenant == tenant)
        result.push_back(i);
    return result;
  }

  void push(const waiting_call& one) {
    all.push_back(one);
    auto& order = turns[one.importance];
    if (std::find(order.begin(), order.end(), one.tenant) == order.end())
      order.push_back(one.tenant);
  }

  void remove(std::size_t at) {
    const auto gone = all[at];
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(at));
    if (line(gone.importance, gone.tenant).empty())
      std::erase(turns[gone.importance], gone.tenant);
  }

  void remove_all_of(bulwark::holder_id holder) {
    for (auto i = all.size(); i-- > 0;)
      if (all[i].who.holder == holder)
        remove(i);
  }

  // Those of the tenant whose turn it is.
  [[nodiscard]] std::vector<std::size_t> turn() const {
    for (const auto& [importance, order] : turns)
      if (!order.empty())
        return line(importance, order.front());
    return {};
  }

  [[nodiscard]] std::size_t next() const { return newest_first ? turn().back() : turn().front(); }

  waiting_call pop() {
    const auto at = next();
    const auto result = all[at];
    auto& order = turns[result.importance];
    std::rotate(order.begin(), order.begin() + 1, order.end());
    remove(at);
    return result;
  }

  // Those that may have to go: of tenants that have as many waiting it may be any.
  [[nodiscard]] std::vector<std::size_t> last() const {
    auto least = bulwark::criticality::critical;
    for (const auto& each : all)
      least = std::max(least, each.importance);
    std::size_t longest = 0;
    std::vector<std::size_t> result;
    for (auto tenant : turns.at(least)) {
      const auto waiting = line(least, tenant);
      if (waiting.size() > longest)
        result.clear();
      longest = std::max(longest, waiting.size());
      if (waiting.size() == longest)
        result.push_back(waiting.back());
    }
    return result;
  }

  // size(): it doesn't wait.
  [[nodiscard]] std::size_t find(const bulwark::waiter& who) const {
    const auto i = std::find_if(all.begin(), all.end(),
                                [&](const waiting_call& each) { return each.who == who; });
    return static_cast<std::size_t>(i - all.begin());
  }
};

} // namespace bulwark_tests
