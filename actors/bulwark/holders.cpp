#include "bulwark/holders.hpp"

#include <utility>

namespace bulwark {

void gathering::answered(std::uint64_t number, const caf::actor_addr& by) {
  if (auto i = rounds_.find(number); by && i != rounds_.end()) {
    i->second.missing.erase(by);
    close_if_complete(number);
  }
}

void gathering::lost(const caf::actor_addr& whom) {
  std::vector<std::uint64_t> touched;
  for (auto& [number, open] : rounds_) {
    if (open.missing.erase(whom) > 0)
      touched.push_back(number);
  }
  for (auto number : touched)
    close_if_complete(number);
}

bool gathering::awaits(std::uint64_t number, const caf::actor_addr& whom) const {
  auto i = rounds_.find(number);
  return whom && i != rounds_.end() && i->second.missing.count(whom) > 0;
}

void gathering::close_if_complete(std::uint64_t number) {
  auto i = rounds_.find(number);
  if (i == rounds_.end() || !i->second.missing.empty())
    return;
  auto done = std::move(i->second.done);
  rounds_.erase(i);
  done();
}

bool holders::on_down(const caf::actor_addr& address) {
  auto i = books_.find(address);
  if (i == books_.end())
    return false;
  if (const auto& last = i->second) {
    ended_.calls += last->calls;
    ended_.breaker += last->breaker;
    ended_.bulkhead += last->bulkhead;
    ended_.abandoned += last->abandoned;
  }
  books_.erase(i);
  gathering_.lost(address);
  return true;
}

void holders::on_report(const books_report& report) {
  const auto nothing =
      report.calls.calls == 0 && report.breaker.calls == 0 && report.bulkhead.calls == 0;
  if (!nothing && contains(report.holder)) {
    auto& last = books_[report.holder];
    if (!last)
      last = std::make_unique<books_report>();
    *last = report;
  }
  gathering_.answered(report.round, report.holder);
}

void holders::gather(caf::event_based_actor* self, std::function<void()> done) {
  gathering_.ask(
      self, addresses(), [](std::uint64_t number) { return books_request{.round = number}; },
      std::move(done));
}

counters holders::total(counters books_report::*which) const {
  auto result = ended_.*which;
  for (const auto& [address, report] : books_)
    result += report ? report.get()->*which : counters{};
  return result;
}

std::uint64_t holders::abandoned() const {
  auto result = ended_.abandoned;
  for (const auto& [address, report] : books_)
    result += report ? report->abandoned : 0;
  return result;
}

std::vector<caf::actor_addr> holders::addresses() const {
  std::vector<caf::actor_addr> result;
  result.reserve(books_.size());
  for (const auto& [address, report] : books_)
    result.push_back(address);
  return result;
}

} // namespace bulwark
