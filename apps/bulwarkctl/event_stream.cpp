#include "bulwarkctl/event_stream.hpp"

#include <utility>

namespace bulwarkctl {

namespace {

constexpr std::size_t longest = 1 << 20;

} // namespace

bool event_stream::feed(std::string_view bytes) {
  for (const auto c : bytes) {
    // A line ends with \r, \n or both.
    const auto second_half = c == '\n' && after_return_;
    after_return_ = c == '\r';
    if (second_half)
      continue;
    if (c != '\n' && c != '\r') {
      line_ += c;
      if (line_.size() > longest)
        return false;
    } else if (!take_line()) {
      return false;
    }
  }
  return true;
}

bool event_stream::take_line() {
  const auto line = std::exchange(line_, {});
  if (line.empty()) {
    auto event = std::exchange(event_, {});
    event.id = id_;
    return !std::exchange(has_data_, false) || on_event_(event);
  }
  const auto colon = line.find(':');
  const auto field = line.substr(0, colon);
  auto value = colon == line.npos ? std::string{} : line.substr(colon + 1);
  if (!value.empty() && value[0] == ' ')
    value.erase(0, 1);
  if (field == "event")
    event_.type = value;
  else if (field == "id" && value.find('\0') == value.npos)
    id_ = value;
  if (field != "data")
    return true;
  if (std::exchange(has_data_, true))
    event_.data += '\n';
  event_.data += value;
  return event_.data.size() <= longest;
}

} // namespace bulwarkctl
