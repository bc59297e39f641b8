#include "bulwark/cluster_statistics.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

namespace bulwark {

namespace {

constexpr std::size_t remembered_processes = 8;
constexpr auto no_question = std::numeric_limits<std::uint64_t>::max(); // later than all

} // namespace

policy_mistakes find_mistakes(const cluster_policy& policy) {
  using namespace std::chrono_literals;
  policy_mistakes result;
  check_range(result, "cluster.interval", policy.interval, 10ms, 24h);
  check_range(result, "cluster.read_timeout", policy.read_timeout, 1ms, 1h);
  check_range(result, "cluster.answer_timeout", policy.answer_timeout, 10ms, 24h);
  return result;
}

guard_figures& guard_figures::operator+=(const guard_figures& other) {
  calls += other.calls;
  if (other.latency.count() <= latency_histogram::most_restored
      && latency.count() <= latency_histogram::most_restored - other.latency.count())
    latency += other.latency;
  return *this;
}

cluster_statistics::cluster_statistics(const cluster_policy& policy) : policy_(policy) {
  members_[""].state = node_state::here;
}

void cluster_statistics::change_policy(const cluster_policy& policy, instant now) {
  policy_ = policy;
  for (auto& [name, each] : members_)
    each.next = std::min(each.next, saturating_add(now, policy_.interval));
}

// -- nodes ----------------------------------------------------------------------------

void cluster_statistics::add(const std::string& name) {
  members_.try_emplace(name);
}

void cluster_statistics::remove(const std::string& name) {
  const auto i = members_.find(name);
  if (i == members_.end() || i->second.state == node_state::here)
    return;
  close(i->second);
  nobody_waits_for(name, no_question);
  members_.erase(i);
}

void cluster_statistics::on_connected(const std::string& name, instant now) {
  const auto i = members_.find(name);
  if (i == members_.end() || i->second.state == node_state::here)
    return;
  close(i->second); // it went to another door
  i->second.state = node_state::connected;
  i->second.next = now;
}

void cluster_statistics::on_lost(const std::string& name) {
  const auto i = members_.find(name);
  if (i == members_.end() || i->second.state != node_state::connected)
    return;
  close(i->second);
  nobody_waits_for(name, no_question);
  i->second.state = node_state::lost;
}

// -- questions ------------------------------------------------------------------------

std::vector<cluster_statistics::question> cluster_statistics::due(instant now) {
  std::vector<question> result;
  for (auto& [name, each] : members_) {
    if (each.open != 0 && now >= saturating_add(each.asked, policy_.answer_timeout))
      settle(each.open);
    if (!each.reachable() || each.open != 0)
      continue;
    if (!is_wanted(name) && (each.state == node_state::here || now < each.next))
      continue;
    each.open = ++last_question_;
    each.asked = now;
    each.next = saturating_add(now, policy_.interval);
    open_.emplace(each.open, name);
    result.push_back({each.open, name});
  }
  return result;
}

const std::string* cluster_statistics::asked(std::uint64_t number) const {
  const auto i = open_.find(number);
  return i == open_.end() ? nullptr : &i->second;
}

bool cluster_statistics::on_answer(std::uint64_t number, std::uint64_t incarnation,
                                   guard_figures figures) {
  const auto i = open_.find(number);
  if (i == open_.end())
    return false;
  if (incarnation == 0) {
    settle(number);
    return false;
  }
  auto& of = members_.at(i->second);
  if (incarnation != of.latest.incarnation)
    change_process(of, incarnation);
  of.latest.asked = of.asked;
  of.latest.figures = std::move(figures);
  settle(number);
  return true;
}

void cluster_statistics::on_no_answer(std::uint64_t number) {
  settle(number);
}

void cluster_statistics::settle(std::uint64_t number) {
  const auto i = open_.find(number);
  if (i == open_.end())
    return;
  const auto name = i->second;
  close(members_.at(name));
  nobody_waits_for(name, number);
}

void cluster_statistics::close(member& of) {
  open_.erase(of.open);
  of.open = 0;
}

/// What was counted under another incarnation is put by; what this one told before is replaced.
void cluster_statistics::change_process(member& of, std::uint64_t incarnation) {
  if (of.latest.incarnation != 0) {
    ++of.restarts;
    of.earlier.push_back(std::move(of.latest));
  }
  const auto known = std::find_if(of.earlier.begin(), of.earlier.end(), [&](const process& each) {
    return each.incarnation == incarnation;
  });
  if (known != of.earlier.end())
    of.earlier.erase(known);
  if (of.earlier.size() > remembered_processes) {
    of.forgotten += of.earlier.front().figures;
    of.earlier.pop_front();
  }
  of.latest = {.incarnation = incarnation};
}

// -- readers --------------------------------------------------------------------------

bool cluster_statistics::is_wanted(const std::string& name) const {
  return std::any_of(readers_.begin(), readers_.end(),
                     [&](const reader& each) { return each.waits_for.count(name) > 0; });
}

void cluster_statistics::nobody_waits_for(const std::string& name, std::uint64_t number) {
  for (auto& each : readers_) {
    if (number > each.after)
      each.waits_for.erase(name);
  }
}

void cluster_statistics::read(std::uint64_t id, instant now) {
  auto& added = readers_.emplace_back(reader{
      .id = id, .after = last_question_, .until = saturating_add(now, policy_.read_timeout)});
  for (const auto& [name, each] : members_) {
    if (each.reachable())
      added.waits_for.insert(name);
  }
}

std::vector<std::uint64_t> cluster_statistics::finished(instant now) {
  const auto goes_on = [now](const reader& each) {
    return !each.waits_for.empty() && now < each.until;
  };
  const auto first = std::stable_partition(readers_.begin(), readers_.end(), goes_on);
  std::vector<std::uint64_t> result;
  std::transform(first, readers_.end(), std::back_inserter(result),
                 [](const reader& each) { return each.id; });
  readers_.erase(first, readers_.end());
  return result;
}

std::optional<instant> cluster_statistics::next_wake() const {
  auto result = end_of_time;
  for (const auto& each : readers_)
    result = std::min(result, each.until);
  for (const auto& [name, each] : members_) {
    if (each.open != 0)
      result = std::min(result, saturating_add(each.asked, policy_.answer_timeout));
    else if (each.state == node_state::connected)
      result = std::min(result, each.next);
  }
  return result == end_of_time ? std::nullopt : std::optional{result};
}

// -- figures --------------------------------------------------------------------------

std::vector<std::string> cluster_statistics::nodes() const {
  std::vector<std::string> result;
  for (const auto& [name, each] : members_) // the own name, an empty one, is the first
    result.push_back(name);
  return result;
}

cluster_statistics::summary cluster_statistics::of(const std::string& name, instant now) const {
  const auto& from = members_.at(name);
  summary result{.state = from.state,
                 .figures = from.latest.figures,
                 .earlier = from.forgotten,
                 .restarts = from.restarts};
  if (from.latest.incarnation != 0)
    result.age = now - from.latest.asked;
  for (const auto& each : from.earlier)
    result.earlier += each.figures;
  return result;
}

cluster_statistics::sum cluster_statistics::total() const {
  struct entry {
    const process* newest = nullptr;
    bool runs = false;
    bool ours = false; // nobody else may speak for us
  };
  std::map<std::uint64_t, entry> processes;
  const auto add = [&processes](const process& each, bool runs, bool ours) {
    if (each.incarnation == 0)
      return;
    auto& known = processes[each.incarnation];
    if (known.newest == nullptr || (!known.ours && each.asked > known.newest->asked))
      known.newest = &each;
    known.runs = known.runs || runs;
    known.ours = known.ours || ours;
  };
  sum result;
  for (const auto& [name, each] : members_) {
    add(each.latest, each.reachable(), each.state == node_state::here);
    for (const auto& one : each.earlier)
      add(one, false, false);
    result.figures += each.forgotten;
    result.unresolved += each.forgotten.calls.in_flight;
  }
  for (const auto& [incarnation, known] : processes) {
    result.figures += known.newest->figures;
    result.unresolved += known.runs ? 0 : known.newest->figures.calls.in_flight;
  }
  return result;
}

} // namespace bulwark
