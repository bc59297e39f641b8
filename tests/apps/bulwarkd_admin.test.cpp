// What the admin port tells who asks, and whom it tells.
#include "apps/admin_fixture.hpp"
#include "support/catch.hpp"

using namespace bulwark_tests;
using nlohmann::json;

TEST_CASE("guards are listed with what the registry counts of them [W1]") {
  admin_fixture it;
  it.guard("db");
  it.guard("files", {.bulkhead = bulwark::bulkhead_policy{.max_workers = 7, .queue_size = 9}});
  it.steering.guards[1].bulkhead = "files";
  it.serve();
  for (int i = 0; i < 5; ++i)
    REQUIRE(it.sys.get<std::int32_t>(it.guards["db"], ask_atom_v, 21) == 42);
  it.trip();
  it.sys.ask(it.guards["db"], ask_atom_v, 1); // refused

  const auto all = it.get_json("/api/v1/guards");
  CHECK(all["node"] == "a");
  REQUIRE(all["guards"].size() == 2);
  const auto& db = all["guards"][0];
  CHECK(db["name"] == "db");
  CHECK(db["target"] == "doubling");
  CHECK(db["state"] == "open");
  CHECK(db["breaker"] == "db");
  CHECK(db["bulkhead"].is_null());
  CHECK(db["permits"].is_null());
  CHECK(db["calls"]
        == json{{"calls", 8},
                {"succeeded", 5},
                {"failed", 2},
                {"rejected", 1},
                {"timed_out", 0},
                {"cancelled", 0},
                {"in_flight", 0}});
  CHECK(db["latency"]["count"] == 7);
  CHECK(db["latency"]["p99"] <= db["latency"]["max"]);
  CHECK(db["chaos"] == false);
  const auto& files = all["guards"][1];
  CHECK(files["state"] == "closed");
  CHECK(files["permits"] == json{{"active", 0}, {"limit", 7}, {"queued", 0}, {"queue_size", 9}});

  auto alone = it.get_json("/api/v1/guards/db");
  CHECK(alone["policy"]["deadline"] == "5s");
  alone.erase("policy");
  CHECK(alone == db);
}

TEST_CASE("parts and nodes are listed with their figures [W1]") {
  admin_fixture it;
  it.guard("db");
  it.serve();
  REQUIRE(it.sys.get<std::int32_t>(it.guards["db"], ask_atom_v, 21) == 42);
  const auto parts = it.get_json("/api/v1/parts")["parts"];
  std::map<std::string, json> by_kind;
  for (const auto& each : parts)
    by_kind[each["kind"]] = each;
  CHECK(by_kind["guard"]["calls"]["succeeded"] == 1);
  CHECK(by_kind["circuit_breaker"]["state"] == "closed");
  CHECK(by_kind["circuit_breaker"]["calls"]["succeeded"] == 1);
  CHECK(by_kind["timeout_manager"]["name"].is_string());
  const auto nodes = it.get_json("/api/v1/nodes");
  CHECK(nodes["nodes"][0]["name"] == "a");
  CHECK(nodes["nodes"][0]["state"] == "here");
  CHECK(nodes["total"]["calls"]["calls"] == 1);
  CHECK(nodes["unresolved"] == 0);
}

TEST_CASE("a name is found whatever characters it has [W2]") {
  admin_fixture it;
  const std::string strange = "127.0.0.1:4711/db \"x\" \xff?%";
  it.guard(strange);
  it.serve();
  const auto one = it.get("/api/v1/guards/127.0.0.1%3A4711%2Fdb%20%22x%22%20%FF%3F%25");
  CHECK(one.status == 200);
  // In JSON there is nothing but UTF-8.
  CHECK(json::parse(one.body)["name"] == "127.0.0.1:4711/db \"x\" \xef\xbf\xbd?%");
  CHECK(it.get("/api/v1/guards/127.0.0.1:4711/db").status == 404);
}

TEST_CASE("what isn't there is refused with a problem that says so [W3]") {
  admin_fixture it;
  it.guard("db");
  it.serve();
  for (const auto* path : {"/api/v1/guards/x", "/api/v1/breakers/x/why", "/api/v1/", "/x",
                           "/api/v1/guards/", "/api/v1/journal", "//", "/../etc/passwd"}) {
    INFO(path);
    const auto answer = it.get(path);
    CHECK(answer.status == 404);
    CHECK(answer.headers.at("content-type") == "application/problem+json");
    CHECK(json::parse(answer.body)["status"] == 404);
    CHECK(json::parse(answer.body)["type"] == "about:blank");
  }
  const auto wrong = it.change("POST", "/api/v1/guards");
  CHECK(wrong.status == 405);
  CHECK(wrong.headers.at("allow") == "GET");
  CHECK(it.get('/' + std::string(2'000, 'x')).status == 414);
}

TEST_CASE("it says that it lives, and whether it takes calls [W4]") {
  admin_fixture it;
  it.serve();
  CHECK(it.get("/healthz").body == "ok\n");
  CHECK(it.get("/readyz").status == 200);
  it.server->start_draining();
  CHECK(it.get("/readyz").status == 503);
  CHECK(it.get("/healthz").status == 200);
}

TEST_CASE("why a circuit is open is a question that is answered in a sentence [W5]") {
  admin_fixture it;
  it.guard("db");
  it.serve();
  it.trip();
  const auto why = it.get_json("/api/v1/breakers/db/why");
  CHECK(why["state"] == "open");
  CHECK(why["failure_threshold"] == 2);
  CHECK(why["generation"] > 1);
  CHECK(why["window"].is_null());
  CHECK_THAT(why["sentence"].get<std::string>(), Catch::StartsWith("open"));
}

TEST_CASE("a page that gives its own name our address reads nothing [W6]") {
  admin_fixture it;
  it.serve();
  const auto status = [&](const std::string& host) {
    return it.get("/healthz", {.headers = {{"Host", host}}}).status;
  };
  for (const auto* host : {"localhost", "LOCALHOST:80", "127.0.0.1:1", "127.3.2.1", "[::1]:80"}) {
    INFO(host);
    CHECK(status(host) == 200);
  }
  for (const auto* host : {"evil.example", "127.0.0.1.evil.example", "localhost.evil.example",
                           "0.0.0.0", "192.168.0.1", "[::2]", "127.1", "2130706433"}) {
    INFO(host);
    CHECK(status(host) == 403);
  }
  raw_connection twice{it.port()};
  twice.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n"
             "Connection: close\r\n\r\n");
  CHECK(http_answer::parse(twice.read_all()).status == 400);
}

TEST_CASE("where others may reach it any host is taken [W6]") {
  admin_fixture it;
  it.settings.open_to_others = true;
  it.serve();
  CHECK(it.get("/healthz", {.headers = {{"Host", "node-1.example"}}}).status == 200);
}

TEST_CASE("each answer says what a browser may do with it [W8]") {
  admin_fixture it;
  it.page = [](std::string_view path) -> std::optional<bulwarkd::page_file> {
    if (path != "/")
      return std::nullopt;
    return bulwarkd::page_file{.content_type = "text/html", .content = "<p>hello"};
  };
  it.serve();
  for (const auto* path : {"/", "/x", "/api/v1/guards", "/healthz"}) {
    INFO(path);
    const auto headers = it.get(path).headers;
    CHECK_THAT(headers.at("content-security-policy"), Catch::StartsWith("default-src 'self'"));
    CHECK(headers.at("x-frame-options") == "DENY");
    CHECK(headers.at("x-content-type-options") == "nosniff");
    CHECK(headers.count("access-control-allow-origin") == 0);
  }
  CHECK(it.get("/").body == "<p>hello");
}

TEST_CASE("a port that somebody has is refused by its address and number [W26]") {
  admin_fixture it;
  it.serve();
  it.settings.port = it.port();
  CHECK_THROWS_WITH(bulwarkd::admin_server(it.node, it.steering, it.settings),
                    Catch::Contains("127.0.0.1:" + std::to_string(it.port()))
                        && Catch::Contains("in use"));
}

TEST_CASE("a connection is good for many requests, also where they come all at once [W3]") {
  admin_fixture it;
  it.serve();
  raw_connection connection{it.port()};
  const std::string request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
  connection.send(request + request + request.substr(0, 10));
  connection.read_until("ok\n");
  connection.read_until("ok\n");
  connection.send(request.substr(10));
  connection.read_until("ok\n");
}
