// Who may change something over the admin port, and what comes of it.
#include "apps/admin_fixture.hpp"
#include "bulwarkd/admin/security.hpp"
#include "bulwarkd/admin/settings_body.hpp"
#include "bulwarkd/targets.hpp"
#include "support/catch.hpp"

#include <future>
#include <memory>
#include <vector>

using namespace bulwark_tests;
using nlohmann::json;

namespace {

const std::string policy_path = "/api/v1/guards/db/policy";

} // namespace

TEST_CASE("who changes something has the token [W7]") {
  admin_fixture it;
  it.serve();
  const auto status = [&](const std::string& authorization) {
    http_request request;
    if (!authorization.empty())
      request.headers["Authorization"] = authorization;
    const auto answer = http(it.port(), "POST", "/api/v1/reload", request);
    CHECK((answer.status != 401 || answer.headers.at("www-authenticate") == "Bearer"));
    return answer.status;
  };
  for (const auto* wrong : {"", "Bearer", "Bearer ", "Bearer secret", "Bearer secret tokenX",
                            "Basic secret token", "secret token", "Bearer Secret token"}) {
    INFO(wrong);
    CHECK(status(wrong) == 401);
  }
  CHECK(it.steering.changes.empty());
  CHECK(status("Bearer secret token") == 200);
  CHECK(status("bearer secret token") == 200);
  CHECK(it.steering.changes.size() == 2);
  it.settings.token = "";
  it.serve();
  CHECK(status("Bearer ") == 403);
  CHECK(status("Bearer secret token") == 403);
  CHECK(it.steering.changes.size() == 2);
}

TEST_CASE("a page of another origin changes nothing even with the token [W7]") {
  admin_fixture it;
  it.serve();
  const auto here = "127.0.0.1:" + std::to_string(it.port());
  const auto status = [&](const std::string& name, const std::string& value) {
    return http(it.port(), "POST", "/api/v1/reload",
                {.headers = {{"Authorization", "Bearer secret token"}, {name, value}}})
        .status;
  };
  CHECK(status("Origin", "http://" + here) == 200);
  CHECK(status("Sec-Fetch-Site", "same-origin") == 200);
  CHECK(status("Sec-Fetch-Site", "none") == 200);
  CHECK(status("Origin", "http://evil.example") == 403);
  CHECK(status("Origin", "null") == 403);
  CHECK(status("Origin", "http://localhost:1") == 403);
  CHECK(status("Sec-Fetch-Site", "cross-site") == 403);
  CHECK(status("Sec-Fetch-Site", "same-site") == 403);
  // Nor does it get to know that it may ask.
  const auto preflight = http(it.port(), "OPTIONS", "/api/v1/reload",
                              {.headers = {{"Origin", "http://evil.example"}}});
  CHECK(preflight.status == 403);
  CHECK(preflight.headers.count("access-control-allow-origin") == 0);
}

TEST_CASE("a secret is compared as a whole [W7]") {
  CHECK(bulwarkd::same_secret("abc", "abc"));
  CHECK_FALSE(bulwarkd::same_secret("ab", "abc"));
  CHECK_FALSE(bulwarkd::same_secret("abcabc", "abc"));
  CHECK_FALSE(bulwarkd::same_secret("abd", "abc"));
  CHECK_FALSE(bulwarkd::same_secret("", ""));
  CHECK_FALSE(bulwarkd::same_secret("", "abc"));
}

TEST_CASE("who it was is told by a printable name or else the address [W7]") {
  admin_fixture it;
  it.serve();
  const auto told = [&](const std::string& name) {
    http(it.port(), "POST", "/api/v1/reload",
         {.headers = {{"Authorization", "Bearer secret token"}, {"X-Operator", name}}});
    return it.steering.changes.back().who;
  };
  CHECK(told("alice") == "alice");
  CHECK(told(std::string(64, 'x')) == std::string(64, 'x'));
  CHECK(told(std::string(65, 'x')) == "127.0.0.1");
  CHECK(told("a\tb") == "127.0.0.1");
  CHECK(told("\xc3\xa4") == "127.0.0.1");
}

TEST_CASE("a guard's policy is changed by JSON and by CAF's syntax [W9]") {
  admin_fixture it;
  it.guard("db");
  it.serve();
  it.steering.next.changes = {{.path = "deadline", .from = "5s", .to = "2s"}};
  const auto by_json = it.change(
      "PUT", policy_path + "?dry_run=true",
      R"({"deadline":"250ms","retry":{"max-attempts":3,"jitter":0.5},"shows-context":true,)"
      R"("bulkhead":"common"})");
  CHECK(by_json.status == 200);
  CHECK(json::parse(by_json.body)
        == json{{"changes", {{{"path", "deadline"}, {"from", "5s"}, {"to", "2s"}}}}});
  const auto by_text = it.change("PUT", policy_path,
                                 "deadline = 250ms\nretry { max-attempts = 3, jitter = 0.5 }\n"
                                 "shows-context = true\nbulkhead = \"common\"",
                                 "text/plain; charset=utf-8");
  CHECK(by_text.status == 200);
  REQUIRE(it.steering.changes.size() == 2);
  CHECK(it.steering.changes[0].only_show);
  CHECK_FALSE(it.steering.changes[1].only_show);
  for (const auto& each : it.steering.changes) {
    CHECK(each.guard == "db");
    CHECK(caf::get_as<caf::timespan>(each.fields, "deadline") == std::chrono::milliseconds{250});
    CHECK(caf::get_as<int>(each.fields, "retry.max-attempts") == 3);
    CHECK(caf::get_as<double>(each.fields, "retry.jitter") == 0.5);
    CHECK(caf::get_as<bool>(each.fields, "shows-context") == true);
    CHECK(caf::get_as<std::string>(each.fields, "bulkhead") == "common");
  }
}

TEST_CASE("a policy that is wrong changes nothing and each mistake is named [W9]") {
  admin_fixture it;
  it.guard("db");
  it.serve();
  it.steering.next.wrong = {"deadline: 0s; 1ms .. 1 day", "retry.max-attempts: 0; 1 .. 100"};
  const auto refused = it.change("PUT", policy_path, R"({"deadline":"0s"})");
  CHECK(refused.status == 422);
  CHECK(json::parse(refused.body)["mistakes"]
        == json{"deadline: 0s; 1ms .. 1 day", "retry.max-attempts: 0; 1 .. 100"});
  it.steering.changes.clear();
  it.steering.next.wrong = {};
  for (const auto& body :
       {std::string{}, std::string{"7"}, std::string{"[]"}, std::string{"{"},
        std::string{R"({"deadline":null})"}, std::string{R"({"deadline":18446744073709551615})"},
        std::string(60'000, '{'), std::string(60'000, '[')}) {
    INFO(body.substr(0, 40));
    CHECK(it.change("PUT", policy_path, body).status == 422);
  }
  for (const auto& body :
       {std::string{"deadline = }"}, std::string(60'000, '['), "a " + std::string(60'000, '{'),
        "a = \"" + std::string(60'000, ']') + '"' + std::string(300, '[')}) {
    INFO(body.substr(0, 40));
    CHECK(it.change("PUT", policy_path, body, "text/plain").status == 422);
  }
  CHECK(it.change("PUT", policy_path, "<deadline/>", "text/xml").status == 415);
  CHECK(it.change("PUT", policy_path, std::string(70'000, ' ')).status == 413);
  for (const auto* flag : {"yes", "TRUE", "1x", "false&dry_run=true"}) {
    INFO(flag);
    CHECK(it.change("PUT", policy_path + "?dry_run=" + flag, "{}").status == 400);
    CHECK(it.change("POST", std::string{"/api/v1/reload?dry_run="} + flag).status == 400);
  }
  CHECK(it.steering.changes.empty());
}

TEST_CASE("a chunked body is bounded as others are [W9]") {
  admin_fixture it;
  it.guard("db");
  it.serve();
  const auto put = [&](int chunks) {
    raw_connection connection{it.port()};
    connection.send("PUT " + policy_path
                    + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret token\r\n"
                      "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.send("d\r\n{\"retry\": {}}\r\n");
    for (int i = 0; i < chunks; ++i)
      connection.send("1000\r\n" + std::string(4'096, ' ') + "\r\n");
    connection.send("0\r\n\r\n");
    return http_answer::parse(connection.read_all()).status;
  };
  CHECK(put(1) == 200);
  CHECK(put(17) == 413);
  CHECK(put(100) == 413);
}

TEST_CASE("circuit breakers are operated by name [W10]") {
  admin_fixture it;
  it.guard("db");
  it.serve();
  for (const auto* action : {"force_open", "disable", "reset", "close", "metrics_only"}) {
    INFO(action);
    CHECK(it.change("POST", "/api/v1/breakers/db", json{{"action", action}}.dump()).status == 204);
    CHECK(it.steering.breakers_told["db"] == std::string{action} + " by 127.0.0.1");
  }
  it.steering.breakers_told.clear();
  for (const auto* body : {"", "{}", "[]", R"({"action":7})", R"({"action":"open"})", "reset"}) {
    INFO(body);
    CHECK(it.change("POST", "/api/v1/breakers/db", body).status == 422);
  }
  CHECK(it.steering.breakers_told.empty());
  CHECK(it.change("POST", "/api/v1/breakers/x", R"({"action":"reset"})").status == 404);
  const auto unsure = it.change("POST", "/api/v1/breakers/silent", R"({"action":"reset"})");
  CHECK(unsure.status == 503);
  CHECK_THAT(unsure.body, Catch::Contains("look whether it is done"));
}

TEST_CASE("settings are read again, or only compared [W11]") {
  admin_fixture it;
  it.serve();
  it.steering.next.changes = {{.path = "bulwark.guards.db", .from = "", .to = "{}"}};
  const auto report = it.change("POST", "/api/v1/reload?dry_run=true");
  CHECK(json::parse(report.body)["changes"][0]["path"] == "bulwark.guards.db");
  CHECK(it.change("POST", "/api/v1/reload").status == 200);
  it.steering.next = {.wrong = {"no such file"}};
  CHECK(it.change("POST", "/api/v1/reload?dry_run=false").status == 422);
  REQUIRE(it.steering.changes.size() == 3);
  CHECK(it.steering.changes[0].only_show);
  CHECK_FALSE(it.steering.changes[1].only_show);
  CHECK_FALSE(it.steering.changes[2].only_show);
}

TEST_CASE("a guard is called by hand [W12]") {
  admin_fixture it;
  it.guard("db");
  const auto targets = bulwarkd::ready_made_targets();
  auto echo = it.node.guard("echo", targets.at("echo")(*it.sys), {});
  auto failing = it.node.guard("failing", targets.at("failing")(*it.sys), {});
  const auto slow_target = targets.at("slow")(*it.sys);
  auto slow = it.node.guard("slow", slow_target, {});
  it.serve();
  const auto call = [&](const std::string& guard, const json& body) {
    return it.change("POST", "/api/v1/guards/" + guard + "/call", body.dump());
  };
  CHECK(json::parse(call("echo", {{"value", 42}}).body)["reply"] == "42");
  CHECK(json::parse(call("echo", {{"value", "a \"b\""}}).body)["reply"] == "a \"b\"");
  CHECK(json::parse(call("echo", {{"value", 0.25}}).body)["reply"] == "0.25");
  CHECK(json::parse(call("echo", {{"value", 5'000'000'000}}).body)["reply"] == "5000000000");
  const auto failed = call("failing", {{"value", 1}});
  CHECK(failed.status == 502);
  CHECK_THAT(failed.body, Catch::Contains("always fails"));
  const auto late = call("slow", {{"value", 3'000'000}, {"timeout", 0.05}});
  CHECK(late.status == 502);
  CHECK_THAT(late.body, Catch::Contains("timed_out"));
  it.sys.kill(slow_target); // which would still answer in an hour: CAF 1.x waits for it
  CHECK(call("x", {{"value", 1}}).status == 404);
  for (const auto& body :
       {json{}, json{{"value", nullptr}}, json{{"value", json::array()}},
        json{{"value", 1}, {"timeout", 0}}, json{{"value", 1}, {"timeout", 61}},
        json{{"value", 1}, {"timeout", "1s"}}, json{{"value", 18446744073709551615U}}}) {
    INFO(body.dump());
    CHECK(call("echo", body).status == 422);
  }
}

TEST_CASE("calls by hand that hang keep nobody from looking and steering [W12]") {
  admin_fixture it;
  it.settings.max_calls = 2;
  const auto held = std::make_shared<std::vector<caf::response_promise>>();
  const auto hanging = it.sys->spawn([held](caf::event_based_actor* self) -> caf::behavior {
    return {[held, self](std::int32_t) {
              held->push_back(self->make_response_promise());
              return held->back();
            },
            [held](ask_atom) {
              for (auto& each : *held)
                each.deliver(std::int32_t{7});
            }};
  });
  const auto stuck = it.node.guard("stuck", hanging, {});
  it.guard("db");
  it.serve();
  const auto call = [&] {
    return it.change("POST", "/api/v1/guards/stuck/call", R"({"value":1,"timeout":60})");
  };
  auto first = std::async(std::launch::async, call);
  auto second = std::async(std::launch::async, call);
  const auto hang = [&] { return it.get_json("/api/v1/guards/stuck")["calls"]["in_flight"] == 2; };
  for (int i = 0; i < 10'000 && !hang(); ++i)
    continue; // each asks the node
  REQUIRE(hang());
  CHECK(call().status == 503);
  CHECK(it.get("/healthz").status == 200);
  CHECK(it.change("POST", "/api/v1/breakers/db", R"({"action":"force_open"})").status == 204);
  it.sys.ask(hanging, ask_atom_v);
  CHECK(json::parse(first.get().body)["reply"] == "7");
  CHECK(second.get().status == 200);
  // Both have left.
  auto third = std::async(std::launch::async, call);
  for (int i = 0; i < 10'000 && it.get_json("/api/v1/guards/stuck")["calls"]["in_flight"] != 1; ++i)
    continue;
  it.sys.ask(hanging, ask_atom_v);
  CHECK(third.get().status == 200);
}

TEST_CASE("the journal is read backwards, a page at a time [W13]") {
  admin_fixture it;
  it.journal = [](std::size_t limit, std::optional<std::uint64_t> before) {
    std::vector<bulwarkd::journal_line> result;
    for (auto id = before.value_or(251) - 1; id > 0 && result.size() < limit; --id)
      result.push_back({.id = id, .kind = "reload", .who = "alice \xff", .what = "deadline"});
    return result;
  };
  it.serve();
  auto entries = it.get_json("/api/v1/journal")["entries"];
  REQUIRE(entries.size() == 100);
  CHECK(entries[0]["id"] == 250);
  CHECK(entries[0]["time"] == "1970-01-01T00:00:00.000Z");
  entries = it.get_json("/api/v1/journal?limit=7&before=11")["entries"];
  REQUIRE(entries.size() == 7);
  CHECK(entries[6]["id"] == 4);
  for (const auto* wrong : {"limit=0", "limit=1001", "limit=x", "limit=-1", "before=x"}) {
    INFO(wrong);
    CHECK(it.get(std::string{"/api/v1/journal?"} + wrong).status == 400);
  }
}
