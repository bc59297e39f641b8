#include "bulwarkctl/output.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace bulwarkctl {

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw failure{refused, std::string{"can't write: "} + std::strerror(errno)};
}

} // namespace bulwarkctl
