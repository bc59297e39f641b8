#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace bulwark {

/// An array that grows without moving its elements, page by page. Empty, it owns nothing: there is
/// one in every guard, and most guards are idle.
template <class T, std::size_t PageSize = 32>
class paged_array {
public:
  static constexpr std::size_t page_size = PageSize;

  /// Requires: index < capacity().
  [[nodiscard]] T& operator[](std::size_t index) noexcept {
    return pages_[index / PageSize][index % PageSize];
  }

  [[nodiscard]] const T& operator[](std::size_t index) const noexcept {
    return pages_[index / PageSize][index % PageSize];
  }

  [[nodiscard]] std::size_t capacity() const noexcept { return pages_.size() * PageSize; }

  /// Makes room for `index`. Strong exception guarantee.
  void reserve_for(std::size_t index) {
    while (index >= capacity())
      pages_.push_back(std::make_unique<T[]>(PageSize));
  }

private:
  std::vector<std::unique_ptr<T[]>> pages_;
};

} // namespace bulwark
