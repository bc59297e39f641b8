#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace bulwarkctl {

struct server_event {
  std::string id; ///< The last that was said, also by an event before.
  std::string type = "message";
  std::string data;
};

/// Server-sent events (WHATWG HTML, 9.2.6), from bytes in whatever pieces they come.
class event_stream {
public:
  /// `on_event` returns false to end.
  explicit event_stream(std::function<bool(const server_event&)> on_event)
      : on_event_(std::move(on_event)) {}

  /// False: on_event wants no more, or a line or an event is longer than a megabyte.
  bool feed(std::string_view bytes);

private:
  std::function<bool(const server_event&)> on_event_;
  std::string line_;
  bool after_return_ = false;
  std::string id_;
  server_event event_;
  bool has_data_ = false;

  bool take_line();
};

} // namespace bulwarkctl
