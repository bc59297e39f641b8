#include "flaky_service/faults.hpp"

#include <stdexcept>
#include <string>

namespace apps {

namespace {

template <class T>
void take(T& field, const nlohmann::json& changes, const char* name, T low, T high) {
  const auto found = changes.find(name);
  if (found == changes.end())
    return;
  const auto fits = found->is_number()
                    && (std::is_floating_point_v<T> || found->is_number_integer())
                    && found->get<double>() >= static_cast<double>(low)
                    && found->get<double>() <= static_cast<double>(high);
  if (!fits)
    throw std::invalid_argument{std::string{name} + " is " + found->dump()
                                + ", permitted: " + nlohmann::json(low).dump() + " .. "
                                + nlohmann::json(high).dump()};
  field = found->get<T>();
}

} // namespace

void apply(fault_settings& settings, const nlohmann::json& changes) {
  if (!changes.is_object())
    throw std::invalid_argument{"faults are an object: {\"error_share\": 0.3}"};
  const auto known = to_json(settings);
  for (const auto& [name, value] : changes.items()) {
    if (!known.contains(name))
      throw std::invalid_argument{"no fault is called " + name};
  }
  auto changed = settings;
  take(changed.error_share, changes, "error_share", 0.0, 1.0);
  take(changed.error_status, changes, "error_status", 400, 599);
  take(changed.fail_next, changes, "fail_next", 0U, 1'000'000U);
  take(changed.delay_ms, changes, "delay_ms", 0U, 600'000U);
  take(changed.hang_share, changes, "hang_share", 0.0, 1.0);
  take(changed.reset_share, changes, "reset_share", 0.0, 1.0);
  settings = changed;
}

nlohmann::json to_json(const fault_settings& settings) {
  return {{"error_share", settings.error_share}, {"error_status", settings.error_status},
          {"fail_next", settings.fail_next},     {"delay_ms", settings.delay_ms},
          {"hang_share", settings.hang_share},   {"reset_share", settings.reset_share}};
}

faults::verdict faults::draw() {
  std::lock_guard guard{mutex_};
  const auto hits = [this](double share) {
    return std::uniform_real_distribution<double>{0.0, 1.0}(random_) < share;
  };
  verdict result{.delay_ms = settings_.delay_ms};
  if (settings_.fail_next > 0) {
    --settings_.fail_next;
    result.what = lot::error;
  } else if (hits(settings_.hang_share)) {
    result.what = lot::hang;
  } else if (hits(settings_.reset_share)) {
    result.what = lot::reset;
  } else if (hits(settings_.error_share)) {
    result.what = lot::error;
  }
  if (result.what == lot::error)
    result.status = settings_.error_status;
  return result;
}

void faults::change(const nlohmann::json& changes) {
  {
    std::lock_guard guard{mutex_};
    apply(settings_, changes);
    ++changes_;
  }
  changed_.notify_all();
}

fault_settings faults::settings() const {
  std::lock_guard guard{mutex_};
  return settings_;
}

void faults::wait_for_change() const {
  std::unique_lock guard{mutex_};
  changed_.wait(guard, [this, before = changes_] { return changes_ != before; });
}

} // namespace apps
