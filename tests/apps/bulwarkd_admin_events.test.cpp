// What the admin port tells those who listen.
#include "apps/admin_fixture.hpp"
#include "bulwarkd/admin/event_frames.hpp"
#include "bulwarkd/admin/sample_cache.hpp"
#include "support/catch.hpp"

#include <set>

using namespace bulwark_tests;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

struct server_event {
  std::string id = {};
  std::string name = {};
  json data = {};
};

/// A browser's EventSource.
class listener {
public:
  listener(std::uint16_t port, const std::string& query = {}, const std::string& headers = {})
      : connection_(port) {
    connection_.send("GET /api/v1/events" + query + " HTTP/1.1\r\nHost: localhost\r\n" + headers
                     + "\r\n");
    head_ = connection_.read_until("\r\n\r\n");
    if (http_answer::parse(head_).status == 200)
      connection_.read_until("retry: 2000\n\n");
  }

  [[nodiscard]] http_answer head() const { return http_answer::parse(head_); }

  server_event next() { return parse(connection_.read_until("\n\n")); }

  /// The next event of that name; others are passed over.
  server_event next(const std::string& name) {
    while (true) {
      auto event = next();
      if (event.name == name)
        return event;
    }
  }

  /// The next sample that shows a guard.
  json next_sample_with(const std::string& guard) {
    while (true) {
      const auto sample = next("sample").data;
      for (const auto& each : sample["guards"])
        if (each["name"] == guard)
          return each;
    }
  }

  raw_connection& connection() { return connection_; }

private:
  raw_connection connection_;
  std::string head_;

  static server_event parse(const std::string& text) {
    server_event result;
    for (std::size_t at = 0; at < text.size();) {
      const auto end = text.find('\n', at);
      const auto line = text.substr(at, end - at);
      at = end + 1;
      if (line.rfind("id: ", 0) == 0)
        result.id = line.substr(4);
      else if (line.rfind("event: ", 0) == 0)
        result.name = line.substr(7);
      else if (line.rfind("data: ", 0) == 0)
        result.data = json::parse(line.substr(6));
    }
    return result;
  }
};

// In a while: there is nothing that says when but asking again.
bool is_subscribed(const admin_fixture& it, bool wanted) {
  for (int i = 0; i < 10'000 && it.server->is_subscribed() != wanted; ++i)
    REQUIRE(it.get("/healthz").status == 200);
  return it.server->is_subscribed() == wanted;
}

bulwark::node_stats stats_of(int guards, std::uint64_t calls = 0) {
  bulwark::node_stats result;
  for (int i = 0; i < guards; ++i)
    result.guards.push_back(
        {.name = "g" + std::to_string(i), .calls = {.calls = calls, .succeeded = calls}});
  return result;
}

json shown(bulwarkd::sample_cache& cache, std::uint64_t version) {
  return json::parse(*cache.changes_since(version));
}

} // namespace

TEST_CASE("who listens hears of each transition with its number [W14]") {
  admin_fixture it;
  it.guard("db");
  it.serve();
  listener first{it.port()};
  CHECK(first.head().headers.at("content-type") == "text/event-stream");
  CHECK(first.head().headers.count("content-length") == 0);
  listener second{it.port()};
  it.trip();
  const auto event = first.next("transition");
  CHECK(event.data["name"] == "db");
  CHECK(event.data["from"] == "closed");
  CHECK(event.data["to"] == "open");
  CHECK(event.data["why"] == "failure_threshold");
  CHECK(std::to_string(event.data["id"].get<std::uint64_t>()) == event.id);
  CHECK_THAT(event.data["time"].get<std::string>(), Catch::StartsWith("20"));
  CHECK(second.next("transition").id == event.id);
  it.server->tell_change("alice", "deadline", "5s", "2s");
  const auto change = first.next("change");
  CHECK(change.data["who"] == "alice");
  CHECK(change.data["to"] == "2s");
  CHECK(change.data["time"] >= event.data["time"]);
  CHECK(std::stoull(change.id) == std::stoull(event.id) + 1);
}

TEST_CASE("who comes back hears what it missed and whether that is all [W15]") {
  admin_fixture it;
  it.guard("db");
  it.serve();
  listener witness{it.port()};
  std::string id;
  {
    listener first{it.port()};
    it.server->tell_change("alice", "a", "", "");
    id = first.next("change").id;
  }
  it.trip();
  witness.next("transition");
  it.server->tell_change("alice", "b", "", "");
  listener again{it.port(), "?after=1", "Last-Event-ID: " + id + "\r\n"};
  CHECK(again.next("transition").data["to"] == "open");
  CHECK(again.next("change").data["what"] == "b");
  listener from_before{it.port(), "?after=1"};
  CHECK(from_before.next("gap").data["after"] == 1);
  CHECK(from_before.next("change").data["what"] == "a");
  CHECK(it.get("/api/v1/events?after=x").status == 400);
}

TEST_CASE("the last thousand events are kept, and who missed more is told so [W15]") {
  bulwarkd::event_ring ring{500};
  CHECK_FALSE(ring.after(500).has_gap);
  CHECK(ring.after(499).has_gap);
  for (int i = 0; i < 1'100; ++i)
    ring.add("change", {{"what", i}});
  CHECK(ring.after(600).frames.size() == 1'000);
  CHECK_FALSE(ring.after(600).has_gap);
  CHECK(ring.after(599).has_gap);
  CHECK(ring.after(1'599).frames.size() == 1);
  CHECK(ring.after(9'999).frames.empty());
  CHECK(ring.after(9'999).has_gap); // another process had that number
}

TEST_CASE("refusals are summed up by the second [W18]") {
  admin_fixture it;
  it.guard("db");
  it.serve();
  listener ear{it.port()};
  REQUIRE(is_subscribed(it, true));
  it.trip();
  for (int i = 0; i < 500; ++i)
    it.sys.ask(it.guards["db"], ask_atom_v, 1);
  std::uint64_t count = 0;
  auto events = 0;
  while (count < 500) {
    const auto event = ear.next("rejections");
    CHECK(event.data["guard"] == "db");
    CHECK(event.data["why"] == "circuit_open");
    CHECK_THAT(event.data["time"].get<std::string>(), Catch::StartsWith("20"));
    count += event.data["count"].get<std::uint64_t>();
    ++events;
  }
  CHECK(count == 500);
  CHECK(events < 60);
}

TEST_CASE("samples show all guards first and then those that changed [W16]") {
  admin_fixture it;
  it.guard("db");
  it.guard("files");
  it.serve();
  listener ear{it.port(), "?samples=0.25"};
  auto first = ear.next("sample").data;
  REQUIRE(first["guards"].size() == 2);
  CHECK(first["guards"][0]["latency_recent"]["count"] == 0);
  first["guards"][0].erase("latency_recent"); // of samples alone
  CHECK(first["guards"][0] == it.get_json("/api/v1/guards")["guards"][0]);
  REQUIRE(it.sys.get<std::int32_t>(it.guards["files"], ask_atom_v, 21) == 42);
  while (true) {
    const auto sample = ear.next("sample").data;
    if (sample["guards"].empty())
      continue;
    REQUIRE(sample["guards"].size() == 1);
    CHECK(sample["guards"][0]["name"] == "files");
    CHECK(sample["guards"][0]["calls"]["succeeded"] == 1);
    break;
  }
  it.trip();
  while (ear.next_sample_with("db")["state"] != "open")
    continue; // looked at in the midst of it
  for (const auto* wrong : {"0.2", "61", "x", "", "nan", "1s"}) {
    INFO(wrong);
    CHECK(it.get(std::string{"/api/v1/events?samples="} + wrong).status == 400);
  }
}

TEST_CASE("readers at their own pace share what was seen [W16]") {
  bulwarkd::sample_cache cache;
  const std::chrono::system_clock::time_point when{};
  cache.update(stats_of(3), {}, when);
  CHECK(shown(cache, 0)["guards"].size() == 3);
  CHECK(cache.changes_since(0) == cache.changes_since(0));
  auto stats = stats_of(3);
  stats.guards[1].calls.calls = 1;
  stats.guards[1].calls.in_flight = 1;
  cache.update(stats, {}, when);
  CHECK(shown(cache, 1)["guards"].size() == 1);
  CHECK(shown(cache, 0)["guards"].size() == 3);
  cache.update(stats, {}, when);
  CHECK(shown(cache, 2)["guards"].empty());
  CHECK(shown(cache, 1)["guards"].size() == 1);
  // Another breaker by its settings is a change too; and so is one guard less.
  cache.update(stats, {{.name = "g0", .target = "t"}}, when);
  CHECK(shown(cache, 3)["guards"][0]["target"] == "t");
  cache.update(stats_of(2), {}, when);
  CHECK(shown(cache, 4)["gone"] == json{"g2"});
  CHECK(shown(cache, 0).count("gone") == 0);
  CHECK(shown(cache, 5).count("gone") == 0);
}

TEST_CASE("latencies of the last seconds are told beside those since the start [W16]") {
  bulwarkd::sample_cache cache;
  auto when = std::chrono::system_clock::time_point{} + 1h;
  auto stats = stats_of(1, 1'000);
  auto& latency = stats.guards[0].latency;
  const auto recent = [&](std::chrono::seconds later) {
    cache.update(stats, {}, when += later);
    const auto guards = shown(cache, cache.version() - 1)["guards"];
    return guards.empty() ? json{} : guards[0]["latency_recent"];
  };
  const auto call = [&](bulwark::timespan took) {
    ++stats.guards[0].calls.calls;
    ++stats.guards[0].calls.succeeded;
    latency.record(took);
  };
  for (int i = 0; i < 1'000; ++i)
    latency.record(1ms);
  CHECK(recent(0s)["count"] == 0); // who comes late isn't told of the past
  call(1s);
  CHECK(recent(1s)["p50"] == Approx(1).epsilon(0.05));
  CHECK(shown(cache, 0)["guards"][0]["latency"]["p99"] == Approx(0.001).epsilon(0.05));
  call(10ms);
  CHECK(recent(5s)["count"] == 2);
  call(10ms);
  CHECK(recent(5s)["count"] == 1); // the slow one was longer ago
  CHECK(recent(1s).is_null());     // nothing new
  CHECK(recent(5s)["count"] == 0); // its end is told once
  CHECK(recent(5s).is_null());
  call(1s);
  CHECK(recent(60s)["count"] == 1); // for one who looks no oftener
  call(1s);
  CHECK(recent(1h)["count"] == 0); // nobody has looked for so long
}

TEST_CASE("who comes first hears what has happened since the node began [W15]") {
  admin_fixture it;
  it.guard("db");
  it.serve();
  it.trip();
  it.server->tell_change("alice", "a", "", "");
  listener late{it.port(), "?after=0"};
  CHECK(late.next("gap").data["after"] == 0); // of another process there may be more
  std::set<std::string> heard{late.next().name, late.next().name};
  CHECK(heard == std::set<std::string>{"change", "transition"});
}

TEST_CASE("guards tell no refusals while nobody listens [W17]") {
  admin_fixture it;
  it.settings.event_linger = 0ms;
  it.settings.max_listeners = 2;
  it.guard("db");
  it.serve();
  CHECK_FALSE(it.server->is_subscribed());
  {
    listener first{it.port()};
    listener second{it.port(), "?samples=1"};
    CHECK(is_subscribed(it, true));
    const auto third = it.get("/api/v1/events");
    CHECK(third.status == 503);
    CHECK(third.headers.at("content-type") == "application/problem+json");
  }
  CHECK(is_subscribed(it, false));
  listener again{it.port()};
  it.trip();
  CHECK(again.next("transition").data["to"] == "open");
}

TEST_CASE("who doesn't take what it is sent is cut and keeps nobody waiting [W17]") {
  admin_fixture it;
  it.serve();
  listener ear{it.port()};
  listener deaf{it.port()};
  const std::string long_text(100'000, 'x');
  for (int i = 0; i < 200; ++i) {
    it.server->tell_change("alice", std::to_string(i), "", long_text);
    CHECK(ear.next("change").data["what"] == std::to_string(i));
  }
  const auto taken = deaf.connection().read_all(); // ends: it was cut
  CHECK(taken.size() < 200 * long_text.size());
}
