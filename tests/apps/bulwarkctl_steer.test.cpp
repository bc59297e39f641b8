// bulwarkctl changes something: what it sends, with which token, and what it says of it.
#include "apps/admin_answers.hpp"
#include "apps/bulwarkctl_process.hpp"
#include "apps/fake_admin.hpp"
#include "apps/terminal_process.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace bulwark_tests;
namespace answers = admin_answers;
namespace fs = std::filesystem;

namespace {

struct steered_daemon : fake_admin {
  steered_daemon() {
    answers("POST", "/api/v1/breakers/db", "", 204);
    answers("PUT", "/api/v1/guards/db/policy", answers::changes);
    answers("PUT", "/api/v1/guards/db/policy?dry_run=true", answers::changes);
    answers("POST", "/api/v1/reload", answers::changes);
    answers("POST", "/api/v1/reload?dry_run=true", R"({"changes":[]})");
    answers("POST", "/api/v1/guards/db/call", R"({"reply":"42"})");
    answers("GET", "/api/v1/guards", answers::guards);
  }

  nlohmann::json last_body() { return nlohmann::json::parse(last_request().body); }
};

constexpr auto changed = "bulwark.guards.db.deadline: 5s -> 2s\n"
                         "bulwark.guards.db.retry.max-attempts: (nothing) -> 4\n";

} // namespace

TEST_CASE("a circuit breaker is forced and reset and closed [W60]", "[bulwarkctl]") {
  steered_daemon daemon;
  for (const auto& [action, word] :
       std::vector<std::pair<std::string, std::string>>{{"force-open", "force_open"},
                                                        {"disable", "disable"},
                                                        {"reset", "reset"},
                                                        {"close", "close"},
                                                        {"metrics-only", "metrics_only"}}) {
    const auto end = ctl(daemon, "breaker db " + action);
    CHECK(end.code == 0);
    CHECK(end.output == "db: " + action + " done\n");
    CHECK(daemon.last_request().target == "/api/v1/breakers/db");
    CHECK(daemon.last_body() == nlohmann::json{{"action", word}});
  }
  CHECK(ctl(daemon, "breaker db reset --json").output.empty());
  CHECK(run(BULWARKCTL, "breaker --help").says("close is the same as reset"));
}

TEST_CASE("a circuit breaker that was told and hasn't answered isn't said to be done [W60]",
          "[bulwarkctl]") {
  steered_daemon daemon;
  const std::string problem =
      R"({"title":"Service Unavailable","status":503,"detail":)"
      R"("circuit breaker 'db' was told, and hasn't answered: look whether it is done"})";
  daemon.answers("POST", "/api/v1/breakers/db", problem, 503);
  const auto end = ctl(daemon, "breaker db force-open");
  CHECK(end.code == 1);
  CHECK(end.output
        == "bulwarkctl: circuit breaker 'db' was told, and hasn't answered: look whether it is "
           "done\n");
  CHECK(nlohmann::json::parse(ctl(daemon, "breaker db reset --json").output)
        == nlohmann::json::parse(problem));
  CHECK(run(BULWARKCTL, "--help").says("or may be done"));
}

TEST_CASE("a policy is set by fields and shows what changed [W60]", "[bulwarkctl]") {
  steered_daemon daemon;
  auto end = ctl(daemon, "policy db set deadline=2s retry.max-attempts=4 retry.idempotent=true "
                         "'retry.retry-on=\"always\"' bulkhead=null target=a=b");
  CHECK(end.code == 0);
  CHECK(end.output == changed);
  CHECK(daemon.last_body()
        == nlohmann::json::parse(R"({"deadline":"2s","retry":{"max-attempts":4,"idempotent":true,
             "retry-on":"always"},"bulkhead":null,"target":"a=b"})"));
  end = ctl(daemon, "policy db set deadline=2s --dry-run --json");
  CHECK(daemon.last_request().target == "/api/v1/guards/db/policy?dry_run=true");
  CHECK(nlohmann::json::parse(end.output) == nlohmann::json::parse(answers::changes));
  daemon.answers("GET", "/api/v1/guards/db", answers::guard);
  CHECK(ctl(daemon, "policy db get").output
        == "deadline = 5s\nretry.max-attempts = 3\nretry.jitter = full\nshows-context = false\n");
}

TEST_CASE("settings are read again or only compared [W60]", "[bulwarkctl]") {
  steered_daemon daemon;
  CHECK(ctl(daemon, "config reload").output == changed);
  CHECK(daemon.last_request().target == "/api/v1/reload");
  CHECK(ctl(daemon, "config diff").output == "nothing changes\n");
  CHECK(daemon.last_request().target == "/api/v1/reload?dry_run=true");
  CHECK(ctl(daemon, "config reload --dry-run").output == "nothing changes\n");
}

TEST_CASE("a call by hand sends a number or a text [W60]", "[bulwarkctl]") {
  steered_daemon daemon;
  CHECK(ctl(daemon, "call db 42").output == "42\n");
  CHECK(daemon.last_body() == nlohmann::json::parse(R"({"value":42,"timeout":5.0})"));
  CHECK(ctl(daemon, "call db 'good morning' --patience 0.5").code == 0);
  CHECK(daemon.last_body() == nlohmann::json::parse(R"({"value":"good morning","timeout":0.5})"));
  CHECK(ctl(daemon, "call db 42 --patience 60").code == 0);
  // More than the daemon waits is refused here, where it is said.
  for (const auto* wrong : {"99", "0"}) {
    const auto end = ctl(daemon, std::string{"call db 42 --patience "} + wrong);
    INFO(end.output);
    CHECK(end.code == 2);
    CHECK(end.says(std::string{"--patience: Value "} + wrong + " not in range"));
    CHECK(end.says(" 60"));
  }
  CHECK(ctl(daemon, "call db -- -5").code == 0);
  CHECK(daemon.last_body().at("value") == -5);
  CHECK(ctl(daemon, "call db 42 --text").code == 0);
  CHECK(daemon.last_body().at("value") == "42");
  daemon.answers("POST", "/api/v1/guards/db/call", R"-({"detail":"circuit_open(guard 'db')"})-",
                 502);
  const auto end = ctl(daemon, "call db 42");
  CHECK(end.code == 1);
  CHECK(end.says("circuit_open(guard 'db')"));
}

// -- the token -------------------------------------------------------------------------

TEST_CASE("the token comes from the environment or a file and from nowhere else [W61]",
          "[bulwarkctl]") {
  steered_daemon daemon;
  CHECK(ctl(daemon, "config reload").code == 0);
  CHECK(daemon.last_request().token.empty());
  CHECK(ctl(daemon, "config reload", "BULWARK_TOKEN=abc").code == 0);
  CHECK(daemon.last_request().token == "Bearer abc");
  const temporary_folder folder;
  const auto file = folder.file("token", "  ");
  CHECK(ctl(daemon, "list --token-file " + file).code == 2);
  std::ofstream{file} << "s3cret\r\nwhat else is there\n";
  CHECK(ctl(daemon, "config reload --token-file " + file, "BULWARK_TOKEN=abc").code == 0);
  CHECK(daemon.last_request().token == "Bearer s3cret");
  // It can't be a header of its own.
  const auto end = ctl(daemon, "list", "BULWARK_TOKEN=\"$(printf 'a\\nX: b')\"");
  CHECK(end.code == 2);
  CHECK_FALSE(end.says("X: b"));
}

TEST_CASE("the daemon's journal is told who it is [W61]", "[bulwarkctl]") {
  steered_daemon daemon;
  CHECK(ctl(daemon, "config reload").code == 0);
  CHECK(daemon.last_request().who + "\n" == run("id", "-un").output);
  CHECK(ctl(daemon, "config reload", "BULWARK_OPERATOR='ann of night shift'").code == 0);
  CHECK(daemon.last_request().who == "ann of night shift");
  CHECK(ctl(daemon, "config reload --operator bob", "BULWARK_OPERATOR=ann").code == 0);
  CHECK(daemon.last_request().who == "bob");
}

// -- a file's check --------------------------------------------------------------------

TEST_CASE("a file is checked by bulwarkd and needs no daemon that runs [W62]", "[bulwarkctl]") {
  const temporary_folder folder;
  const auto right = folder.file("right.conf", "bulwark { guards { db { target = \"echo\" } } }\n");
  const auto wrong = folder.file(
      "wrong.conf", "bulwark { guards { db { target = \"echo\", deadline = 0s, retr = 1 } } }\n");
  const std::string check = "config check --bulwarkd " BULWARKD " ";
  auto end = run(BULWARKCTL, check + right);
  INFO(end.output);
  CHECK(end.code == 0);
  CHECK(run(BULWARKCTL, check + right + " --json").says(R"("ok":true)"));
  end = run(BULWARKCTL, check + wrong);
  CHECK(end.code == 1);
  CHECK(end.says("bulwark.guards.db.deadline = 0s: must be"));
  CHECK(end.says("bulwark.guards.db.retr: no such key"));
  CHECK(run(BULWARKCTL, check + wrong + " --json").says(R"("ok":false)"));
  CHECK(run(BULWARKCTL, check + "/nowhere").code == 1);
  end = run(BULWARKCTL, "config check --bulwarkd /no/such/program " + right);
  CHECK(end.code == 1);
  CHECK(end.says("can't be run"));
}

// -- help ------------------------------------------------------------------------------

TEST_CASE("the man page has each command and option of the help and is clean [W63]",
          "[bulwarkctl]") {
  const auto page = run(BULWARKCTL, "man").output;
  for (const auto* each :
       {"list", "stats", "nodes", "journal", "events", "top", "breaker", "policy", "call",
        "config check", "config diff", "config reload", "completion", "\\-\\-dry\\-run",
        "\\-\\-token\\-file FILE", "force-open", "BULWARK_TOKEN", "no connection"}) {
    INFO(each);
    auto escaped = std::string{each};
    if (escaped.find('\\') == escaped.npos)
      for (auto at = escaped.find('-'); at != escaped.npos; at = escaped.find('-', at + 2))
        escaped.insert(at, "\\");
    CHECK(page.find(escaped) != page.npos);
  }
  CHECK(run(BULWARKCTL, "--help").says("Ends with\n  0  done"));
  CHECK(run(BULWARKCTL, "--version").code == 0);
  // Where there is groff it has nothing to complain of.
  if (std::system("command -v groff >/dev/null 2>&1") == 0) {
    CHECK(run(BULWARKCTL, "man | groff -man -Tutf8 -ww -z").output.empty());
  }
}

TEST_CASE("completion knows commands and options and values and a daemon's names [W63]",
          "[bulwarkctl]") {
  steered_daemon daemon;
  const auto offered = [&](const std::string& words) {
    return ctl(daemon, "complete -- " + words).output;
  };
  CHECK(offered("br") == "breaker\n");
  CHECK(offered("''").find("policy\n") != std::string::npos);
  CHECK(offered("''").find("complete\n") == std::string::npos);
  CHECK(offered("breaker ''") == "db\n");
  CHECK(offered("breaker db f") == "force-open\n");
  CHECK(offered("stats m") == "mail\n");
  CHECK(offered("--json policy db ''") == "get\nset\n");
  CHECK(offered("config ''") == "check\ndiff\nreload\n");
  CHECK(offered("policy db set --d") == "--dry-run\n");
  CHECK(offered("top --sort p") == "p99\n");
  // Of --url the known ones, and names of the daemon that the line names.
  CHECK(offered("--url ''") == daemon.url() + "\nhttp://127.0.0.1:4712\n");
  CHECK(offered("list --url=ht") == "--url=" + daemon.url() + "\n--url=http://127.0.0.1:4712\n");
  CHECK(run(BULWARKCTL, "complete -- --url ''").output == "http://127.0.0.1:4712\n");
  CHECK(offered("stats --url http://127.0.0.1:1 ''").empty());
  CHECK(run(BULWARKCTL, "complete -- stats --url " + daemon.url() + " ''").output == "db\nmail\n");
  CHECK(
      run("BULWARK_TOKEN=abc " BULWARKCTL, "complete -- --url=" + daemon.url() + " stats m").output
      == "mail\n");
  CHECK(daemon.last_request().token.empty());
  CHECK(run(BULWARKCTL, "completion zsh").says("#compdef bulwarkctl"));
  CHECK(run(BULWARKCTL, "completion fish").code == 2);
}

TEST_CASE("bash completes a line with an address in it [W63]", "[bulwarkctl]") {
  steered_daemon daemon;
  daemon.answers("GET", "/api/v1/guards/mail", answers::guard);
  const std::string path = std::getenv("PATH");
  const auto port = std::to_string(daemon.port());
  terminal_process bash{{"/bin/bash", "--norc", "-i"},
                        {"PATH=" BULWARKCTL_FOLDER ":" + path, "PS1=ready> ",
                         "BULWARK_URL=http://localhost:" + port}};
  // What the key TAB makes of a line is run. Keys before the prompt would be no keys of bash yet.
  const auto type = [&](const std::string& line, const std::string& says) {
    bash.wait_for("ready> ");
    bash.press(line + "\n");
    bash.wait_for(says);
  };
  type("source <(bulwarkctl completion bash)", "\n");
  type("bulwarkctl --url " + daemon.url() + " sta\tm\t", "guard            db");
  CHECK(daemon.last_request().target == "/api/v1/guards/mail");
  // Of two addresses what they have in common.
  type("bulwarkctl list --url ht\tlocalhost:" + port + " --js\t", "{\"node\"");
  type("bulwarkctl list --url=ht\tlocalhost:" + port + " --js\t", "{\"node\"");
  type("COMP_WORDBREAKS=${COMP_WORDBREAKS//:}", "\n");
  type("bulwarkctl nodes --url http:\tlocalhost:" + port + " --js\t", "there is nothing here");
}
