#include "bulwarkctl/show.hpp"

#include "bulwarkctl/table.hpp"
#include "bulwarkctl/text.hpp"

#include <fmt/format.h>

namespace bulwarkctl {

namespace {

// What stands where a list should be, else nothing to go through.
const json& list_at(const json& document, std::string_view path) {
  static const json empty = json::array();
  const auto& found = at(document, path);
  return found.is_array() ? found : empty;
}

std::string from_to(const json& change) {
  const auto side = [&](std::string_view key) {
    const auto text = text_at(change, key);
    return text.empty() || text == "-" ? "(nothing)" : text;
  };
  return side("from") + " -> " + side("to");
}

// Of what has happened, and isn't from something to something, there is nothing more to tell.
std::string what_of(const json& entry) {
  const auto sides = from_to(entry);
  return text_at(entry, "what") + (sides == "(nothing) -> (nothing)" ? "" : ": " + sides);
}

void flatten(const json& group, const std::string& path, std::string& into) {
  for (const auto& [key, value] : group.items()) {
    const auto name = path.empty() ? safe(key) : path + "." + safe(key);
    if (value.is_object() && !value.empty())
      flatten(value, name, into);
    else
      into += fmt::format("{} = {}\n", name, text_at(value, ""));
  }
}

} // namespace

std::string list_text(const json& guards) {
  table result{{"GUARD", "TARGET", "STATE", "CIRCUIT BREAKER", "BULKHEAD"}};
  for (const auto& each : list_at(guards, "guards"))
    result.add({text_at(each, "name"), text_at(each, "target"), text_at(each, "state"),
                text_at(each, "breaker"), text_at(each, "bulkhead")});
  return result.text();
}

std::string stats_text(const json& guards) {
  table result{{"GUARD", "STATE", "CALLS", "SUCCEEDED", "FAILED", "REJECTED", "TIMED OUT",
                "CANCELLED", "IN FLIGHT", "RETRIES", "P50", "P99", "PERMITS"}};
  for (const auto& each : list_at(guards, "guards"))
    result.add({text_at(each, "name"), text_at(each, "state"), text_at(each, "calls/calls"),
                text_at(each, "calls/succeeded"), text_at(each, "calls/failed"),
                text_at(each, "calls/rejected"), text_at(each, "calls/timed_out"),
                text_at(each, "calls/cancelled"), text_at(each, "calls/in_flight"),
                text_at(each, "retries"), duration_at(each, "latency/p50"),
                duration_at(each, "latency/p99"),
                share_at(each, "permits/active", "permits/limit")});
  return result.text();
}

std::string guard_text(const json& guard) {
  std::string result;
  const auto add = [&](std::string_view title, const std::string& value) {
    result += fmt::format("{:<16} {}\n", title, value);
  };
  add("guard", text_at(guard, "name"));
  add("target", text_at(guard, "target"));
  add("state", text_at(guard, "state"));
  add("circuit breaker", text_at(guard, "breaker"));
  add("bulkhead", text_at(guard, "bulkhead"));
  for (const auto* each :
       {"calls", "succeeded", "failed", "rejected", "timed_out", "cancelled", "in_flight"})
    add(each, text_at(guard, std::string{"calls/"} + each));
  for (const auto* each :
       {"attempts", "retries", "late_replies", "budget_refused", "hedges", "fallbacks"})
    add(each, text_at(guard, each));
  add("latency",
      fmt::format("p50 {}, p90 {}, p99 {}, longest {}, of {}", duration_at(guard, "latency/p50"),
                  duration_at(guard, "latency/p90"), duration_at(guard, "latency/p99"),
                  duration_at(guard, "latency/max"), text_at(guard, "latency/count")));
  if (at(guard, "permits").is_object()) {
    add("permits", share_at(guard, "permits/active", "permits/limit"));
    add("queue", share_at(guard, "permits/queued", "permits/queue_size"));
  }
  add("chaos", text_at(guard, "chaos"));
  return result;
}

std::string why_text(const json& why) {
  auto result = fmt::format("{}: {}\n", text_at(why, "name"), text_at(why, "sentence"));
  if (at(why, "window").is_object())
    result += fmt::format("window: {} calls, {} failures, {} slow\n", text_at(why, "window/calls"),
                          text_at(why, "window/failures"), text_at(why, "window/slow"));
  if (list_at(why, "errors").empty())
    return result;
  table errors{{"ERROR", "COUNT", "LAST", "GUARD", "NODE", "TEXT"}};
  for (const auto& each : list_at(why, "errors"))
    errors.add({text_at(each, "error"), text_at(each, "count"), text_at(each, "last"),
                text_at(each, "guard"), text_at(each, "node"), text_at(each, "last_text")});
  return result + errors.text();
}

std::string nodes_text(const json& nodes) {
  table result{{"NODE", "ADDRESS", "STATE", "AGE", "RESTARTS", "CALLS", "SUCCEEDED", "FAILED",
                "REJECTED", "TIMED OUT", "IN FLIGHT", "P99"}};
  const auto add = [&](const std::string& name, const json& each) {
    result.add({name, text_at(each, "address"), text_at(each, "state"), duration_at(each, "age"),
                text_at(each, "restarts"), text_at(each, "calls/calls"),
                text_at(each, "calls/succeeded"), text_at(each, "calls/failed"),
                text_at(each, "calls/rejected"), text_at(each, "calls/timed_out"),
                text_at(each, "calls/in_flight"), duration_at(each, "latency/p99")});
  };
  for (const auto& each : list_at(nodes, "nodes"))
    add(text_at(each, "name"), each);
  add("(all together)", at(nodes, "total"));
  auto text = result.text();
  if (number_at(nodes, "unresolved") > 0)
    text += fmt::format("unresolved, in flight at nodes that were lost: {}\n",
                        text_at(nodes, "unresolved"));
  return text;
}

std::string journal_text(const json& journal) {
  std::string result;
  for (const auto& each : list_at(journal, "entries"))
    result += fmt::format("{}  {:<10} {} ({}) [{}]\n", text_at(each, "time"), text_at(each, "kind"),
                          what_of(each), text_at(each, "who"), text_at(each, "id"));
  return result;
}

std::string policy_text(const json& policy) {
  std::string result;
  flatten(policy, {}, result);
  return result;
}

std::string changes_text(const json& report) {
  std::string result;
  for (const auto& each : list_at(report, "changes"))
    result += fmt::format("{}: {}\n", text_at(each, "path"), from_to(each));
  return result.empty() ? "nothing changes\n" : result;
}

std::string event_text(std::string_view type, const json& event) {
  const auto begin = fmt::format("{}  {:<10} ", text_at(event, "time"), safe(type));
  if (type == "transition")
    return begin
           + fmt::format("{}: {} -> {} ({})\n", text_at(event, "name"), text_at(event, "from"),
                         text_at(event, "to"), text_at(event, "why"));
  if (type == "rejections")
    return begin
           + fmt::format("{}: {} rejected by {} ({})\n", text_at(event, "guard"),
                         text_at(event, "count"), text_at(event, "part"), text_at(event, "why"));
  if (type == "change")
    return begin + fmt::format("{} ({})\n", what_of(event), text_at(event, "who"));
  // Who asks for all that is left knows that there was more.
  if (type == "gap")
    return number_at(event, "after") == 0 ? "" : begin + "some events may be missing here\n";
  return begin + line_of(event) + "\n";
}

} // namespace bulwarkctl
