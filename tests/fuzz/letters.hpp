#pragma once

#include "fuzz/bytes.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace bulwark_tests {

/// Letters that are under way: the bytes say which one arrives next, and whether it arrives once
/// more later, or never.
template <class Letter>
class letters {
public:
  void post(std::size_t with_node, Letter content) {
    if (under_way_.size() < most) // else it is lost: bounds what one history costs
      under_way_.emplace_back(with_node, std::move(content));
  }

  [[nodiscard]] bool empty() const { return under_way_.empty(); }

  /// Mostly the oldest.
  template <class F>
  void deliver(bytes& input, F&& f) {
    if (under_way_.empty())
      return;
    const auto how = input.byte();
    const auto which = how < 128 ? 0 : how % under_way_.size();
    auto [node, letter] = under_way_[which];
    if (how % 8 != 7)
      under_way_.erase(under_way_.begin() + static_cast<std::ptrdiff_t>(which));
    if (how % 16 != 6)
      f(node, letter);
  }

  /// All of them in their order, and what is posted meanwhile.
  template <class F>
  void deliver_all(F&& f) {
    for (std::size_t i = 0; i < under_way_.size(); ++i) {
      auto [node, letter] = under_way_[i];
      f(node, letter);
    }
    under_way_.clear();
  }

  void lose_all(std::size_t with_node) {
    std::erase_if(under_way_, [=](const auto& each) { return each.first == with_node; });
  }

private:
  static constexpr std::size_t most = 64;
  std::vector<std::pair<std::size_t, Letter>> under_way_;
};

} // namespace bulwark_tests
