#pragma once

#include "bulwarkctl/document.hpp"
#include "bulwarkctl/options.hpp"

#include <string>
#include <string_view>

namespace bulwarkctl {

/// To stdout, and out of this program. Throws failure where it isn't taken, as on a full disk.
void print(std::string_view text);

/// The document itself where JSON is asked for, else what `text` makes of it.
template <class Text>
void show(const options& wanted, const json& document, Text text) {
  print(wanted.as_json ? line_of(document) + '\n' : text(document));
}

} // namespace bulwarkctl
