#include "bulwark/target_set.hpp"

#include <caf/actor_cast.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace bulwark {

target_set::target_set(settings init, std::uint64_t seed, instant now)
    : self_(std::move(init)),
      replicas_(self_.replicas, static_cast<std::uint32_t>(self_.targets.size()), now),
      random_(seed) {
  if (!self_.factories.empty())
    restarts_.emplace(self_.restart, replicas_.size(), seed, now);
}

void target_set::begin(std::uint32_t slot) {
  if (slot >= attempts_.size())
    attempts_.resize(std::max<std::size_t>(slot + std::size_t{1}, 2 * attempts_.size()));
  attempts_[slot] = {};
}

caf::strong_actor_ptr target_set::choose(std::uint32_t slot, instant now) {
  auto& made = attempts_[slot];
  const auto which = replicas_.choose(made.tried, random_, now);
  if (!which)
    return nullptr;
  replicas_.on_start(*which);
  made = {.tried = made.tried | replica_set::bit_of(*which),
          .replica = *which,
          .under_way = true,
          .started = now};
  return self_.targets[*which];
}

void target_set::on_end(std::uint32_t slot, replica_outcome outcome, instant now) {
  auto& made = attempts_[slot];
  if (std::exchange(made.under_way, false))
    replicas_.on_end(made.replica, outcome, now - made.started, now);
}

bool target_set::has_another(std::uint32_t slot) const noexcept {
  return replicas_.has_other_than(attempts_[slot].tried);
}

void target_set::copy(std::uint32_t from, std::uint32_t to) {
  begin(to);
  attempts_[to].tried = attempts_[from].tried;
}

bool target_set::on_down(const caf::actor_addr& which, instant now) {
  auto ours = false;
  for (std::uint32_t i = 0; i < self_.targets.size(); ++i) {
    if (!self_.targets[i] || self_.targets[i] != which)
      continue;
    ours = true;
    self_.targets[i] = nullptr; // its memory is not to wait for a successor
    replicas_.on_lost(i);
    if (restarts_)
      take(restarts_->on_end(i, now));
  }
  return ours;
}

void target_set::take(const restart_decision& decision) {
  for (auto each : decision.stop)
    stop(each);
}

/// From now on it is not there, even if it takes its time to end.
void target_set::stop(std::uint32_t which) {
  replicas_.on_lost(which);
  if (auto target = std::exchange(self_.targets[which], nullptr))
    caf::anon_send_exit(caf::actor_cast<caf::actor>(target), caf::exit_reason::user_shutdown);
}

std::optional<instant> target_set::take_alarm() noexcept {
  const auto is_new = due() != end_of_time && due() != told_;
  told_ = due();
  return is_new ? std::optional{told_} : std::nullopt;
}

std::vector<caf::strong_actor_ptr> target_set::make_due(instant now) {
  std::vector<caf::strong_actor_ptr> result;
  if (!restarts_)
    return result;
  for (auto each : restarts_->start(now)) {
    auto made = caf::strong_actor_ptr{};
    try {
      made = self_.factories[each]();
    } catch (...) { // like one that ends at once, see below
    }
    if (!made) {
      take(restarts_->on_end(each, now));
      continue;
    }
    self_.targets[each] = made;
    replicas_.on_back(each);
    result.push_back(std::move(made));
  }
  return result;
}

std::string_view target_set::gave_up() const noexcept {
  return restarts_ && restarts_->gave_up() ? "restarted too often, and given up"
                                           : std::string_view{};
}

void target_set::end() {
  if (self_.factories.empty())
    return;
  for (auto i = static_cast<std::uint32_t>(self_.targets.size()); i-- > 0;)
    stop(i);
}

} // namespace bulwark
