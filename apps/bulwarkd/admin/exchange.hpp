#pragma once

#include "bulwarkd/admin/http_port.hpp"
#include "bulwarkd/admin/json_text.hpp"

#include <nlohmann/json.hpp>

#include <httplib.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulwarkd {

/// One request and its answer.
struct exchange {
  const httplib::Request& request;
  httplib::Response& response;
  std::vector<std::string> names = {}; ///< What stands for the pattern's stars, decoded.
  http_port::stream_id connection = 0;
  bool becomes_stream = false; ///< The connection is the server's to write to.

  /// Whether the query says `name`, `name=true` or `name=1`; nullopt where it says anything else of it
  /// than these, `name=false` and `name=0`.
  [[nodiscard]] std::optional<bool> flag(const std::string& name) const;
};

/// 200, in JSON. What is no UTF-8 in it is replaced.
void answer(exchange& with, const nlohmann::json& content);

/// The same for what is JSON already.
void answer_text(exchange& with, std::string json);

/// application/problem+json (RFC 9457). `detail`: a sentence for an operator.
void refuse(httplib::Response& response, int status, const std::string& detail,
            const std::vector<std::string>& mistakes = {});

/// A path's segments, decoded each on its own: names may hold slashes. Without the query. A segment
/// that can't be decoded stays as it is.
[[nodiscard]] std::vector<std::string> split_path(std::string_view target);

} // namespace bulwarkd
