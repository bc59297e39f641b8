#include "bulwark/timing_wheel.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace bulwark {

namespace {

constexpr std::int64_t nanoseconds_per_tick = 1'000'000;
constexpr auto no_tick = std::numeric_limits<std::uint64_t>::max();

std::int64_t milliseconds_before(instant time) noexcept {
  auto count = time.time_since_epoch().count();
  return count / nanoseconds_per_tick - (count % nanoseconds_per_tick < 0 ? 1 : 0);
}

std::int64_t milliseconds_after(instant time) noexcept {
  auto count = time.time_since_epoch().count();
  return count / nanoseconds_per_tick + (count % nanoseconds_per_tick > 0 ? 1 : 0);
}

} // namespace

wheel_entry::~wheel_entry() {
  if (linked())
    wheel_->cancel(*this);
}

instant wheel_entry::due() const noexcept {
  return wheel_->time_of(tick_);
}

// Not before the first whole millisecond that there is: tick 0 must have a time.
timing_wheel::timing_wheel(instant now)
    : origin_(std::max(milliseconds_before(now),
                       std::numeric_limits<timespan::rep>::min() / nanoseconds_per_tick)) {}

timing_wheel::~timing_wheel() {
  const auto forget = [](wheel_entry* first) {
    for (; first != nullptr; first = first->next_)
      first->wheel_ = nullptr;
  };
  forget(due_.first);
  for (const auto& each : levels_) {
    if (each)
      std::for_each(each->slots.begin(), each->slots.end(),
                    [&](const slot& where) { forget(where.first); });
  }
}

// -- time -------------------------------------------------------------------------

std::uint64_t timing_wheel::tick_at_or_after(instant due) const noexcept {
  auto milliseconds = milliseconds_after(due);
  return milliseconds > origin_ ? static_cast<std::uint64_t>(milliseconds - origin_) : 0;
}

instant timing_wheel::time_of(std::uint64_t tick) const noexcept {
  auto milliseconds = origin_ + static_cast<std::int64_t>(tick);
  constexpr auto last = std::numeric_limits<timespan::rep>::max() / nanoseconds_per_tick;
  return milliseconds > last ? end_of_time : instant{timespan{milliseconds * nanoseconds_per_tick}};
}

instant timing_wheel::next() const noexcept {
  auto tick = next_tick();
  return tick == no_tick ? end_of_time : time_of(tick);
}

std::uint64_t timing_wheel::next_tick() const noexcept {
  if (due_.first != nullptr)
    return due_.first->tick_;
  const auto index = lowest_occupied();
  if (index == level_count)
    return no_tick;
  const auto& nearest = *levels_[index];
  return nearest.slots[static_cast<std::size_t>(std::countr_zero(nearest.occupied))].earliest;
}

/// The level that tells two ticks apart: that of the highest bit in which they differ.
std::size_t timing_wheel::level_of(std::uint64_t difference) noexcept {
  return static_cast<std::size_t>(std::bit_width(difference) - 1) / slot_bits;
}

// -- in and out -------------------------------------------------------------------

bool timing_wheel::insert(wheel_entry& entry, instant due) {
  const auto tick = std::max(tick_at_or_after(due), current_);
  if (tick != current_)
    make_levels(level_of(tick ^ current_));
  const auto before = next_tick();
  entry.tick_ = tick;
  place(entry);
  entry.wheel_ = this;
  ++size_;
  return tick < before && time_of(tick) < end_of_time;
}

/// The finer ones too: moving inwards must not fail.
void timing_wheel::make_levels(std::size_t index) {
  for (std::size_t i = 0; !levels_[index]; ++i) {
    if (!levels_[i])
      levels_[i] = std::make_unique<level>();
  }
}

/// Puts an entry where it belongs as seen from now. The level is that of the highest bit in which
/// its tick differs from the present one. Requires: that level and all finer ones exist.
void timing_wheel::place(wheel_entry& entry) noexcept {
  auto* list = &due_;
  if (entry.tick_ <= current_) {
    entry.level_ = due_list;
  } else {
    const auto index = level_of(entry.tick_ ^ current_);
    const auto number = (entry.tick_ >> (index * slot_bits)) % slots_per_level;
    auto& where = levels_[index]->slots[number];
    where.earliest = where.first == nullptr ? entry.tick_ : std::min(where.earliest, entry.tick_);
    levels_[index]->occupied |= std::uint64_t{1} << number;
    occupied_ |= 1U << index;
    entry.level_ = static_cast<std::uint8_t>(index);
    entry.slot_ = static_cast<std::uint8_t>(number);
    list = &where;
  }
  entry.next_ = nullptr;
  entry.previous_ = list->last;
  if (list->first == nullptr)
    list->first = &entry;
  else
    list->last->next_ = &entry;
  list->last = &entry;
}

void timing_wheel::unlink(wheel_entry& entry) noexcept {
  auto& list = entry.level_ == due_list ? due_ : levels_[entry.level_]->slots[entry.slot_];
  if (list.first == &entry)
    list.first = entry.next_;
  else
    entry.previous_->next_ = entry.next_;
  if (entry.next_ != nullptr)
    entry.next_->previous_ = entry.previous_;
  else
    list.last = entry.previous_;
  if (list.first == nullptr && entry.level_ != due_list)
    vacate(entry.level_, entry.slot_);
}

/// Nothing is left in the slot.
void timing_wheel::vacate(std::size_t index, std::size_t number) noexcept {
  auto& emptied = *levels_[index];
  emptied.slots[number].first = nullptr;
  emptied.occupied &= ~(std::uint64_t{1} << number);
  if (emptied.occupied == 0)
    occupied_ &= ~(1U << index);
}

void timing_wheel::cancel(wheel_entry& entry) noexcept {
  if (entry.wheel_ != this)
    return;
  unlink(entry);
  entry.wheel_ = nullptr;
  --size_;
}

wheel_entry* timing_wheel::pop_due() noexcept {
  auto* entry = due_.first;
  if (entry != nullptr)
    cancel(*entry);
  return entry;
}

// -- as time goes by --------------------------------------------------------------

/// The level whose entries are due first: what lies in a coarser one is due after its whole slot.
std::size_t timing_wheel::lowest_occupied() const noexcept {
  return static_cast<std::size_t>(std::countr_zero(occupied_ | (1U << level_count)));
}

/// Goes from one occupied slot to the next, up to now, and moves what is in them inwards. Also what
/// is in the slot in whose midst it stops: what is inserted from there lies in finer levels, and
/// would be taken for earlier.
void timing_wheel::advance(instant now) {
  const auto milliseconds = milliseconds_before(now);
  const auto target =
      milliseconds > origin_ ? static_cast<std::uint64_t>(milliseconds - origin_) : 0;
  for (auto index = lowest_occupied(); index < level_count; index = lowest_occupied()) {
    auto& nearest = *levels_[index];
    const auto number = static_cast<std::size_t>(std::countr_zero(nearest.occupied));
    auto& where = nearest.slots[number];
    const auto width = index * slot_bits;
    if (where.earliest >> width << width > target)
      break;
    // Not the beginning of the slot but the earliest that may be due in it: fewer steps.
    current_ = std::max(current_, std::min(where.earliest, target));
    auto* entry = where.first;
    vacate(index, number);
    while (entry != nullptr) {
      auto* next = entry->next_;
      place(*entry);
      entry = next;
    }
  }
  current_ = std::max(current_, target);
}

} // namespace bulwark
