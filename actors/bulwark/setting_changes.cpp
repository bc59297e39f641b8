#include "bulwark/setting_changes.hpp"

#include <fmt/format.h>

namespace bulwark {

namespace {

// What a guard's part is, as far as that can't change.
template <class Policy>
std::string identity(const part_choice<Policy>& part) {
  const auto* name = std::get_if<std::string>(&part);
  return std::holds_alternative<Policy>(part) ? std::string{"one of its own"}
         : name != nullptr                    ? *name
                                              : std::string{};
}

template <class Sharing>
std::string lease_time(const std::optional<Sharing>& shared) {
  return shared ? to_text(shared->lease_time) : std::string{};
}

std::string trips_for(const std::optional<sharing_policy>& shared) {
  return shared ? to_string(shared->trips_for) : std::string{};
}

const char* text_of(bool value) {
  return value ? "true" : "false";
}

} // namespace

void setting_changes::must_stay(const std::string& path, const std::string& now,
                                const std::string& next) {
  const auto show = [](const std::string& value) {
    return value.empty() ? std::string{"nothing"} : value;
  };
  if (now != next)
    wrong_.push_back(
        fmt::format("{} = {}: must stay {} until {}", path, show(next), show(now), until_));
}

void setting_changes::parts(const part_settings& now, const part_settings& next) {
  for (const auto& [name, part] : now.circuit_breakers) {
    const auto path = "bulwark.circuit-breakers." + name;
    const auto found = next.circuit_breakers.find(name);
    if (found == next.circuit_breakers.end()) {
      must_stay(path, "there", "");
      continue;
    }
    must_stay(path + ".shared.lease-time", lease_time(part.shared),
              lease_time(found->second.shared));
    must_stay(path + ".shared.trips-for", trips_for(part.shared), trips_for(found->second.shared));
  }
  for (const auto& [name, part] : now.bulkheads) {
    const auto path = "bulwark.bulkheads." + name;
    const auto found = next.bulkheads.find(name);
    if (found == next.bulkheads.end())
      must_stay(path, "there", "");
    else
      must_stay(path + ".shared.lease-time", lease_time(part.shared),
                lease_time(found->second.shared));
  }
}

void setting_changes::guard(const std::string& path, const guard_settings& now,
                            const guard_settings& next) {
  must_stay(path + ".circuit-breaker", identity(now.circuit_breaker),
            identity(next.circuit_breaker));
  must_stay(path + ".bulkhead", identity(now.bulkhead), identity(next.bulkhead));
  must_stay(path + ".shows-permit", text_of(now.shows_permit), text_of(next.shows_permit));
}

} // namespace bulwark
