// bulwarkctl, run as its users run it, against an admin port that says what the test wants: what it
// shows, and what scripts can build on.
#include "apps/admin_answers.hpp"
#include "apps/bulwarkctl_process.hpp"
#include "apps/fake_admin.hpp"
#include "support/catch.hpp"
#include "support/child_process.hpp"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <memory>

using namespace bulwark_tests;
namespace answers = admin_answers;

namespace {

struct daemon_with_answers : fake_admin {
  daemon_with_answers() {
    answers("GET", "/api/v1/guards", answers::guards);
    answers("GET", "/api/v1/guards/db", answers::guard);
    answers("GET", "/api/v1/breakers/db/why", answers::why);
    answers("GET", "/api/v1/nodes", answers::nodes);
    answers("GET", "/api/v1/journal?limit=50", answers::journal);
    answers("GET", "/api/v1/journal?limit=1&before=1764091111310", answers::journal);
  }
};

std::vector<nlohmann::json> documents_in(const std::string& output) {
  std::vector<nlohmann::json> result;
  std::istringstream lines{output};
  for (std::string line; std::getline(lines, line);)
    result.push_back(nlohmann::json::parse(line));
  return result;
}

// No byte that would do something to a terminal: text, in lines, of UTF-8.
bool is_harmless(const std::string& output) {
  return std::none_of(output.begin(), output.end(),
                      [](char c) {
                        const auto byte = static_cast<unsigned char>(c);
                        return (byte < 0x20 && c != '\n') || byte == 0x7f;
                      })
         && output.find("\xc2\x9b") == output.npos && output.find("\xe2\x80\xae") == output.npos;
}

} // namespace

// -- looking ---------------------------------------------------------------------------

TEST_CASE("list and stats show guards as a table [W55]", "[bulwarkctl]") {
  const daemon_with_answers daemon;
  CHECK(ctl(daemon, "list").output
        == "GUARD  TARGET              STATE  CIRCUIT BREAKER  BULKHEAD\n"
           "db     echo                open   db               writers\n"
           "mail   10.0.0.7:4711/mail  -      -                -\n");
  CHECK(ctl(daemon, "stats").output
        == "GUARD  STATE  CALLS  SUCCEEDED  FAILED  REJECTED  TIMED OUT  CANCELLED  IN FLIGHT  "
           "RETRIES "
           "   P50    P99  PERMITS\n"
           "db     open    1200       1000     100        60         30          6          4      "
           " 97 "
           " 2.1ms  250ms     4/10\n"
           "mail   -          7          7       0         0          0          0          0      "
           "  0 "
           "  12us   20us        -\n");
}

TEST_CASE("one guard's statistics and why its circuit is open and nodes and the journal are shown "
          "[W55]",
          "[bulwarkctl]") {
  const daemon_with_answers daemon;
  const auto one = ctl(daemon, "stats db");
  CHECK(one.says("guard            db\n"));
  CHECK(one.says("budget_refused   2\n"));
  CHECK(one.says("latency          p50 2.1ms, p90 30ms, p99 250ms, longest 1.5s, of 1000\n"));
  CHECK(one.says("permits          4/10\nqueue            1/100\n"));
  CHECK(ctl(daemon, "breaker db why").output
        == "db: open since 17:18:30 because 5 failures in a row; 4 x timed_out, 1 x refused; next "
           "probe "
           "in 2.1s\n"
           "window: 20 calls, 9 failures, 1 slow\n"
           "ERROR      COUNT  LAST                      GUARD  NODE  TEXT\n"
           "timed_out      4  2026-11-25T17:18:29.900Z  db     a     no reply in 1s\n"
           "refused        1  2026-11-25T17:18:28.000Z  db     b     no\n");
  const auto nodes = ctl(daemon, "nodes");
  CHECK(
      nodes.says("b               10.0.0.7:4711   lost       1min 5s         2      5          3"));
  CHECK(nodes.says("(all together)"));
  CHECK(nodes.says("unresolved, in flight at nodes that were lost: 2\n"));
  CHECK(ctl(daemon, "journal").output
        == "2026-11-25T17:18:31.310Z  operator   breaker db: open -> forced_open (ann) "
           "[1764091111310]\n"
           "2026-11-25T17:18:30.000Z  transition db: closed -> open (a) [1764091110000]\n"
           "2026-11-25T17:18:20.000Z  start      bulwarkd 0.1.0 (a) [1764091100000]\n");
  CHECK(ctl(daemon, "journal --limit 1 --before 1764091111310").code == 0);
}

TEST_CASE("a daemon that says less or else than expected is shown as it is [W55]", "[bulwarkctl]") {
  fake_admin daemon;
  for (const auto* odd : {R"({})", R"([])", R"(7)", R"({"guards":7})", R"({"guards":[]})"}) {
    INFO(odd);
    for (const auto* path : {"/api/v1/guards", "/api/v1/nodes", "/api/v1/journal?limit=50",
                             "/api/v1/guards/db", "/api/v1/breakers/db/why"})
      daemon.answers("GET", path, odd);
    for (const auto* command :
         {"list", "stats", "stats db", "nodes", "journal", "breaker db why", "policy db get"})
      CHECK(ctl(daemon, command).code == 0);
  }
  daemon.answers("GET", "/api/v1/guards", R"({"guards":[7,{"name":7,"calls":{"calls":"many"}}]})");
  CHECK(ctl(daemon, "list").says("7      -       -      -                -\n"));
}

TEST_CASE("stats --watch looks again and again [W55]", "[bulwarkctl]") {
  daemon_with_answers daemon;
  child_process watching{
      {BULWARKCTL, "stats", "--watch", "--interval", "0.1", "--url", daemon.url()}};
  for (int i = 0; i < 3; ++i)
    watching.wait_for("db     open    1200");
  CHECK(daemon.requests().size() >= 3);
}

// -- for scripts -----------------------------------------------------------------------

TEST_CASE("with --json it gives the daemon's own documents each in a line [W56]", "[bulwarkctl]") {
  const daemon_with_answers daemon;
  for (const auto& [command, expected] :
       std::vector<std::pair<std::string, std::string>>{{"list", answers::guards},
                                                        {"stats", answers::guards},
                                                        {"--json stats db", answers::guard},
                                                        {"breaker db why", answers::why},
                                                        {"nodes", answers::nodes}}) {
    INFO(command);
    const auto documents = documents_in(ctl(daemon, command + " --json").output);
    REQUIRE(documents.size() == 1);
    CHECK(documents[0] == nlohmann::json::parse(expected));
  }
  const auto policy = documents_in(ctl(daemon, "policy db get --json").output);
  CHECK(policy.at(0) == nlohmann::json::parse(answers::guard).at("policy"));
  const auto entries = documents_in(ctl(daemon, "journal --json").output);
  REQUIRE(entries.size() == 3);
  CHECK(entries[1] == nlohmann::json::parse(answers::journal).at("entries").at(1));
}

TEST_CASE("exit codes tell what was wrong [W57]", "[bulwarkctl]") {
  daemon_with_answers daemon;
  const auto problem = [](int status) {
    return R"({"title":"T","status":)" + std::to_string(status) + R"(,"detail":"the detail"})";
  };
  CHECK(ctl(daemon, "list").code == 0);
  SECTION("the daemon's answers") {
    for (const auto& [status, code] : std::vector<std::pair<int, int>>{{400, 1},
                                                                       {401, 4},
                                                                       {403, 4},
                                                                       {404, 5},
                                                                       {409, 1},
                                                                       {413, 1},
                                                                       {422, 1},
                                                                       {500, 1},
                                                                       {503, 1}}) {
      daemon.answers("POST", "/api/v1/breakers/db", problem(status), status);
      const auto end = ctl(daemon, "breaker db reset");
      INFO(status);
      CHECK(end.code == code);
      CHECK(end.output == "bulwarkctl: the detail\n");
    }
    CHECK(ctl(daemon, "stats nobody").code == 5);
  }
  SECTION("wrong usage") {
    for (const auto* wrong : {"",
                              "lst",
                              "stats a b",
                              "breaker db",
                              "breaker db explode",
                              "policy db set",
                              "policy db set deadline",
                              "policy db set =5s",
                              "policy db set a=1 a=2",
                              "policy db set a=1 a.b=2",
                              "policy db set a.b=2 a=1",
                              "policy db set a..b=2",
                              "policy db get a=1",
                              "journal --limit 0",
                              "journal --before yesterday",
                              "call db",
                              "config",
                              "top --interval 0",
                              "--timeout x list",
                              "list --url http://127.0.0.1:80@localhost",
                              "list --url ftp://localhost",
                              "list --url localhost:80",
                              "list --token secret",
                              "--operator 'a\nb' list",
                              "list --token-file /nowhere",
                              "top --json",
                              "top"}) {
      INFO(wrong);
      const auto end = ctl(daemon, wrong);
      CHECK(end.code == 2);
      CHECK(end.output.rfind("bulwarkctl: ", 0) == 0);
    }
  }
  SECTION("nobody there, or somebody else") {
    auto url = std::string{};
    {
      const fake_admin gone;
      url = gone.url();
    }
    CHECK(run(BULWARKCTL, "list --url " + url).code == 3);
    CHECK(run(BULWARKCTL, "list --url " + url).says("nobody takes the connection"));
    CHECK(run(BULWARKCTL, "events -f --url " + url).code == 3);
    CHECK(run(BULWARKCTL, "top --url " + url).code == 3);
  }
  SECTION("a full disk below stdout") {
    const auto end = run("(" BULWARKCTL, "list --url " + daemon.url() + " >/dev/full )");
    CHECK(end.code == 1);
    CHECK(end.says("can't write"));
  }
}

TEST_CASE("what no bulwarkd answers is said with what came and from where [W57]", "[bulwarkctl]") {
  fake_admin daemon;
  const auto check = [&](const std::string& words, const std::string& what) {
    const auto end = ctl(daemon, words, "timeout 20");
    INFO(words);
    CHECK(end.output
          == "bulwarkctl: what answers at " + daemon.url() + " is no bulwarkd: " + what + "\n");
    CHECK(end.code == 3);
  };
  const std::string page = "<html>\n  <title>Bad\x1b Gateway</title>\n";
  const std::string shown = "text/html, <html> <title>Bad\\x1b Gateway</title> ";
  for (const auto status : {200, 302, 401, 404, 502}) {
    for (const auto* target : {"/api/v1/guards", "/api/v1/events?samples=0.25", "/api/v1/events"})
      daemon.answers("GET", target, page, status, "text/html");
    daemon.answers("POST", "/api/v1/breakers/db", page, status, "text/html");
    for (const auto* words : {"list", "top", "breaker db reset", "events", "events -f"})
      check(words, "HTTP " + std::to_string(status) + ", " + shown);
  }
  daemon.answers("GET", "/api/v1/guards", "");
  check("list", "HTTP 200, of no type, with nothing in it");
  daemon.answers("GET", "/api/v1/guards", "SSH-2.0-" + std::string(1'000, 'x'), 200, "text/plain");
  check("list", "HTTP 200, text/plain, SSH-2.0-" + std::string(71, 'x') + "…");
  // JSON, but no stream.
  daemon.answers("GET", "/api/v1/events?samples=0.25", R"({"hello":1})");
  check("events", R"(HTTP 200, application/json, {"hello":1})");
}

TEST_CASE("a refusal says each mistake and as JSON is the daemon's own document on stderr [W57]",
          "[bulwarkctl]") {
  daemon_with_answers daemon;
  daemon.answers("PUT", "/api/v1/guards/db/policy", answers::mistakes, 422);
  auto end = ctl(daemon, "policy db set deadline=0s");
  CHECK(end.code == 1);
  CHECK(end.output
        == "bulwarkctl: the settings are wrong\n"
           "  bulwark.guards.db.deadline = 0s: must be 1ns .. 36500d\n"
           "  bulwark.guards.db.deadlin: no such key\n");
  end = ctl(daemon, "policy db set deadline=0s --json");
  CHECK(documents_in(end.output).at(0) == nlohmann::json::parse(answers::mistakes));
  end = run("( " BULWARKCTL,
            "policy db set deadline=0s --json --url " + daemon.url() + " 2>/dev/null )");
  CHECK(end.output.empty());
}

TEST_CASE("the address comes from the environment and may have a path in front [W57]",
          "[bulwarkctl]") {
  fake_admin daemon;
  daemon.answers("GET", "/proxy/a/api/v1/guards", answers::guards);
  const auto end = run("BULWARK_URL=" + daemon.url() + "/proxy/a/ " BULWARKCTL, "list");
  CHECK(end.code == 0);
  CHECK(end.says("mail"));
}

// -- events ----------------------------------------------------------------------------

TEST_CASE("events are lines and end with the past unless they are followed [W58]", "[bulwarkctl]") {
  fake_admin daemon;
  daemon.streams(answers::events);
  CHECK(ctl(daemon, "events").output
        == "2026-11-25T17:18:30.000Z  transition db: closed -> open (failure_threshold)\n"
           "2026-11-25T17:18:31.000Z  rejections db: 12 rejected by db (circuit_open)\n"
           "2026-11-25T17:18:32.000Z  change     breaker db: open -> closed (ann)\n");
  CHECK(daemon.last_request().last_event_id == "0");
  const auto documents = documents_in(ctl(daemon, "events --json --after 5").output);
  CHECK(daemon.last_request().last_event_id == "5");
  REQUIRE(documents.size() == 3);
  daemon.streams("event: gap\ndata: {\"after\":0}\n\nevent: gap\ndata: {\"after\":5}\n\n");
  CHECK(ctl(daemon, "events").output == "-  gap        some events may be missing here\n");
  CHECK(documents[1].at("event") == "rejections");
  CHECK(documents[1].at("count") == 12);
}

TEST_CASE("events end with the past also while more come without end [W58]", "[bulwarkctl]") {
  fake_admin daemon;
  const std::string later = "event: rejections\ndata: {\"guard\":\"later\"}\n\n";
  daemon.streams(answers::events, later);
  auto end = ctl(daemon, "events", "timeout 20");
  CHECK(end.code == 0);
  CHECK(end.says("open -> closed (ann)\n"));
  CHECK_FALSE(end.says("later"));
  CHECK_FALSE(end.says("sample"));
  CHECK(documents_in(ctl(daemon, "events --json", "timeout 20").output).size() == 3);
  // Where the daemon doesn't say that it was all, there is an end too: silence, or the timeout.
  daemon.gives_no_samples();
  end = ctl(daemon, "events --timeout 1", "timeout 20");
  CHECK(end.code == 0);
  CHECK(end.says("later"));
  daemon.streams(answers::events);
  CHECK(ctl(daemon, "events", "timeout 20").code == 0);
}

TEST_CASE("events that are followed go on after the last when the daemon is back [W58]",
          "[bulwarkctl]") {
  auto daemon = std::make_unique<fake_admin>();
  daemon->streams(answers::events);
  const auto port = daemon->port();
  child_process following{{BULWARKCTL, "events", "-f", "--url", daemon->url()}};
  following.wait_for("open -> closed");
  CHECK(daemon->last_request().last_event_id.empty());
  daemon.reset();
  following.wait_for("the connection is lost, trying again");
  daemon = std::make_unique<fake_admin>(port);
  REQUIRE(daemon->port() == port);
  daemon->streams("id: 10\nevent: transition\ndata: "
                  "{\"name\":\"db\",\"from\":\"open\",\"to\":\"half_open\"}\n\n");
  following.wait_for("db: open -> half_open");
  CHECK(daemon->last_request().last_event_id == "9");
}

// -- what comes from elsewhere ---------------------------------------------------------

TEST_CASE("names with strange characters reach the daemon as they are [W59]", "[bulwarkctl]") {
  fake_admin daemon;
  for (const auto& [name, target] : std::vector<std::pair<std::string, std::string>>{
           {"'a b/c?d#e%'", "a%20b%2Fc%3Fd%23e%25"},
           {"'über&alles=\"1\"'", "%C3%BCber%26alles%3D%221%22"},
           {"..", "%2E%2E"},
           {"-- --json", "--json"},
           {"list", "list"},
           {"top", "top"},
           {"\"$(printf 'a\\nb\\033[31m')\"", "a%0Ab%1B%5B31m"}}) {
    INFO(name);
    ctl(daemon, "stats " + name);
    CHECK(daemon.last_request().target == "/api/v1/guards/" + target);
  }
}

TEST_CASE("nothing that a daemon says moves the terminal's cursor [W59]", "[bulwarkctl]") {
  fake_admin daemon;
  // Escapes, C1's CSI, an order of writing, half a character, a carriage return.
  const std::string bad =
      R"(\u001b]0;title\u0007\u001b[2J \u009b31m \u202egnp.exe \r\n\u0000 \ud83d\ude00)";
  const auto everywhere = [&](std::string text) {
    for (const std::string word :
         {"\"db\"", "\"open\"", "\"echo\"", "\"a\"", "\"ann\"", "\"failure_threshold\"",
          "\"timed_out\"", "\"no reply in 1s\"", "\"5s\"", "\"max-attempts\""})
      for (auto at = text.find(word); at != text.npos; at = text.find(word, at + 1))
        text.replace(at, word.size(), "\"" + bad + "\"");
    return text;
  };
  daemon.answers("GET", "/api/v1/guards", everywhere(answers::guards));
  daemon.answers("GET", "/api/v1/guards/db", everywhere(answers::guard));
  daemon.answers("GET", "/api/v1/breakers/db/why", everywhere(answers::why));
  daemon.answers("GET", "/api/v1/nodes", everywhere(answers::nodes));
  daemon.answers("GET", "/api/v1/journal?limit=50", everywhere(answers::journal));
  daemon.answers("POST", "/api/v1/reload", R"({"detail":")" + bad + R"("})", 409);
  daemon.streams(everywhere(answers::events));
  for (const auto* command :
       {"list", "stats", "stats db", "breaker db why", "nodes", "journal", "policy db get",
        "events", "config reload", "list --json", "events --json"}) {
    const auto end = ctl(daemon, command);
    INFO(command << '\n' << end.output);
    CHECK(is_harmless(end.output));
    CHECK((end.says("\\x1b") || end.says("\\u001b")));
  }
}

TEST_CASE("what is no text at all is no trouble [W59]", "[bulwarkctl]") {
  fake_admin daemon;
  daemon.answers("GET", "/api/v1/guards", "{\"guards\":[{\"name\":\"\xff\xfe\xc3\"}]}");
  CHECK(is_harmless(ctl(daemon, "list").output));
  daemon.streams("data: \xff{\n\nid: \xff\ndata: {}\n\ndata\n\n:\n\nnonsense\n\n");
  CHECK(is_harmless(ctl(daemon, "events").output));
}
