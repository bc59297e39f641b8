#pragma once

#include <span>
#include <string_view>

/// @file The dashboard's files, which the build put into the program: see cmake/embed_page.cmake.

namespace bulwarkd {

struct embedded_file {
  std::string_view path;    ///< From "/", without it: "index.html", "uplot/LICENSE".
  std::string_view type;    ///< What Content-Type has to say.
  std::string_view content; ///< As long as the program.
};

/// All of them; "index.html" is the one of "/". Where the build had no npm, it is the only one, and
/// says so.
std::span<const embedded_file> page_files();

} // namespace bulwarkd
