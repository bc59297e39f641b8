// Commands that only look.
#include "bulwarkctl/commands.hpp"
#include "bulwarkctl/event_stream.hpp"
#include "bulwarkctl/output.hpp"
#include "bulwarkctl/show.hpp"
#include "bulwarkctl/text.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <thread>

namespace bulwarkctl {

namespace {

constexpr auto guards = "/api/v1/guards";

std::chrono::milliseconds of_seconds(double seconds) {
  return std::chrono::milliseconds{static_cast<long long>(seconds * 1000)};
}

std::string number_in(const std::string& text, const char* option) {
  if (text.find_first_not_of("0123456789") != text.npos || text.size() > 20)
    throw failure{wrong_usage, fmt::format("{} {}: must be a number", option, safe(text))};
  return text;
}

// The event's type is its own line in the stream; here it is the first field.
std::string event_line(const server_event& event, const json& data) {
  json whole{{"event", event.type}};
  if (data.is_object())
    whole.update(data);
  return line_of(whole) + '\n';
}

// All that is kept comes first, and then a sample of the guards, which ends it: other events may go on
// without end. A daemon that gives none, as its guards' figures are late, is silent, or its time is up.
constexpr auto past = "/api/v1/events?samples=0.25";
constexpr auto future = "/api/v1/events";

} // namespace

void list(const options& wanted) {
  show(wanted, api{wanted.where}.get(guards), list_text);
}

void stats(const options& wanted) {
  api daemon{wanted.where};
  const auto one = !wanted.name.empty();
  const auto path = one ? std::string{guards} + "/" + percent_encoded(wanted.name) : guards;
  const auto look = [&] {
    const auto document = daemon.get(path);
    if (wanted.watch && !wanted.as_json)
      print(text_at(document, "time") + "\n");
    show(wanted, document, one ? guard_text : stats_text);
  };
  look();
  while (wanted.watch) {
    std::this_thread::sleep_for(of_seconds(wanted.interval));
    if (!wanted.as_json)
      print("\n");
    look();
  }
}

void nodes(const options& wanted) {
  show(wanted, api{wanted.where}.get("/api/v1/nodes"), nodes_text);
}

void journal(const options& wanted) {
  auto path = fmt::format("/api/v1/journal?limit={}", wanted.limit);
  if (!wanted.before.empty())
    path += "&before=" + number_in(wanted.before, "--before");
  const auto document = api{wanted.where}.get(path);
  if (!wanted.as_json)
    return print(journal_text(document));
  for (const auto& each : at(document, "entries"))
    print(line_of(each) + '\n');
}

void events(const options& wanted) {
  using namespace std::chrono_literals;
  api daemon{wanted.where};
  // A daemon that is followed says something each 15 s.
  const auto patience = wanted.follow ? 45s : 1s;
  const auto end = std::chrono::steady_clock::now() + wanted.where.timeout;
  const auto first = wanted.after.empty() && !wanted.follow ? "0" : wanted.after;
  auto last = number_in(first, "--after");
  const auto take = [&](const server_event& event) {
    if (event.type == "sample")
      return false;
    const auto data = json::parse(event.data, nullptr, false);
    if (!data.is_discarded())
      print(wanted.as_json ? event_line(event, data) : event_text(event.type, data));
    last = event.id;
    return true;
  };
  for (auto connected = false; true;) {
    event_stream stream{take};
    try {
      daemon.follow(wanted.follow ? future : past, last, patience, [&](std::string_view bytes) {
        connected = true;
        return stream.feed(bytes) && (wanted.follow || std::chrono::steady_clock::now() < end);
      });
    } catch (const failure& why) {
      // A restart takes a while, in which it is drained and then is not there.
      if (!connected || (why.code() != no_connection && why.code() != refused))
        throw;
    }
    if (!wanted.follow)
      return;
    fmt::print(stderr, "bulwarkctl: the connection is lost, trying again\n");
    std::this_thread::sleep_for(1s);
  }
}

} // namespace bulwarkctl
