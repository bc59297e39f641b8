#include "bulwarkd/text_file.hpp"

#include <fstream>
#include <iterator>

namespace bulwarkd {

std::optional<std::string> read_text(const std::string& file) {
  try {
    std::ifstream source{file, std::ios::binary};
    std::string text{std::istreambuf_iterator<char>{source}, {}};
    return source ? std::optional{std::move(text)} : std::nullopt;
  } catch (const std::ios_base::failure&) { // a folder can be opened
    return std::nullopt;
  }
}

} // namespace bulwarkd
