#include "bulwarkd/admin/event_frames.hpp"

#include "bulwarkd/admin/json_text.hpp"
#include "bulwarkd/admin/time_text.hpp"

#include <fmt/format.h>

#include <utility>

namespace bulwarkd {

using nlohmann::json;

event_frame make_frame(const std::string& name, const std::string& data,
                       std::optional<std::uint64_t> id) {
  auto text = id ? fmt::format("id: {}\n", *id) : std::string{};
  text += "event: " + name + "\ndata: " + data + "\n\n";
  return std::make_shared<const std::string>(std::move(text));
}

event_frame event_ring::add(const std::string& name, json data) {
  data["id"] = ++last_;
  auto frame = make_frame(name, text_of(data), last_);
  kept_.emplace_back(last_, frame);
  if (kept_.size() > most) {
    complete_after_ = std::max(complete_after_, kept_.front().first);
    kept_.pop_front();
  }
  return frame;
}

event_ring::missed event_ring::after(std::uint64_t id) const {
  missed result{.has_gap = id < complete_after_ || id > last_};
  for (const auto& [number, frame] : kept_)
    if (number > id)
      result.frames.push_back(frame);
  return result;
}

bool rejection_sums::add(const bulwark::rejection_event& event) {
  const auto first = sums_.empty();
  ++sums_[{event.guard, event.part, event.why}];
  return first;
}

std::vector<event_frame> rejection_sums::take(std::chrono::system_clock::time_point when) {
  std::vector<event_frame> result;
  for (const auto& [key, count] : sums_) {
    const auto& [guard, part, why] = key;
    result.push_back(make_frame("rejections", text_of({{"time", time_text(when)},
                                                       {"guard", guard},
                                                       {"part", part},
                                                       {"why", to_string(why)},
                                                       {"count", count}})));
  }
  sums_.clear();
  return result;
}

json to_data(const bulwark::circuit_event& event, std::chrono::system_clock::time_point when) {
  return {{"time", time_text(when)},       {"name", event.name},
          {"from", to_string(event.from)}, {"to", to_string(event.to)},
          {"why", to_string(event.why)},   {"generation", event.generation}};
}

} // namespace bulwarkd
