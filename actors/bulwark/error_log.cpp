#include "bulwark/error_log.hpp"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

namespace bulwark {

namespace {

constexpr std::size_t longest_text = 256;

// "timed_out(guard 'db': …)" without what is in parentheses.
std::string kind_of(const std::string& text) {
  return text.substr(0, text.find('('));
}

// At most so many bytes, and no letter of several is cut in two.
std::string shortened(std::string text) {
  if (text.size() <= longest_text)
    return text;
  auto end = longest_text;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U)
    --end;
  return text.substr(0, end) + "…";
}

} // namespace

void error_log::note(const caf::error& reason, instant now) noexcept {
  try {
    auto found = std::find_if(entries_.begin(), entries_.end(), [&](const entry& each) {
      return each.reason.code() == reason.code() && each.reason.category() == reason.category();
    });
    if (found == entries_.end()) {
      entry next{.reason = reason, .written = now, .last = now, .count = 0};
      if (entries_.size() < most) {
        found = entries_.insert(entries_.end(), std::move(next));
      } else {
        found = std::min_element(entries_.begin(), entries_.end(),
                                 [](const entry& a, const entry& b) { return a.last < b.last; });
        *found = std::move(next);
      }
    } else if (now - found->written >= std::chrono::seconds{1}) {
      found->reason = reason;
      found->written = now;
    }
    found->last = now;
    ++found->count;
  } catch (const std::bad_alloc&) {
  }
}

std::vector<error_count> error_log::counts(instant now) const {
  std::vector<error_count> result;
  for (const auto& each : entries_) {
    auto text = to_string(each.reason);
    auto kind = kind_of(text);
    result.push_back({.error = shortened(std::move(kind)),
                      .count = each.count,
                      .age = now - each.last,
                      .text = shortened(std::move(text))});
  }
  std::sort(result.begin(), result.end(),
            [](const error_count& a, const error_count& b) { return a.age < b.age; });
  return result;
}

} // namespace bulwark
