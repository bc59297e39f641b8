// bulwarkctl and a bulwarkd that runs: an incident from the terminal alone.
#include "apps/daemon_process.hpp"
#include "apps/program.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace bulwark_tests;
namespace fs = std::filesystem;

namespace {

struct folder : temporary_folder {
  const std::string token = file("token", "0123456789abcdef0123456789abcdef\n");
  const std::string settings = file("a.conf", R"(bulwark {
      admin { port = 0, token-file = ")" + token + R"(" }
      journal { file = ")" + file("journal") + R"(" }
      guards {
        db { target = "echo", circuit-breaker { open-for = 30s } }
        bad { target = "failing", circuit-breaker { failure-threshold = 3, open-for = 1h } }
      }
    })");

  folder() { fs::permissions(token, fs::perms::owner_read); }
};

} // namespace

TEST_CASE("an incident is seen and ended from the terminal alone [W66]", "[bulwarkctl]") {
  const folder place;
  daemon_process daemon{{"--config-file=" + place.settings}};
  const auto line = daemon.first_line_with("admin port: ");
  auto url = line.substr(line.find("http://"));
  const auto ctl = [&](const std::string& words) {
    return run(BULWARKCTL,
               "--url " + url + " --token-file " + place.token + " --operator ann " + words);
  };
  const auto says = [&](const std::string& words, const std::string& text) {
    const auto end = ctl(words);
    INFO(words << '\n' << end.output);
    CHECK(end.says(text));
  };
  says("list", "bad    failing  closed  bad");
  // Without the token one may look.
  CHECK(run(BULWARKCTL, "--url " + url + " list").code == 0);
  CHECK(run(BULWARKCTL, "--url " + url + " config reload").code == 4);
  CHECK(run("BULWARK_TOKEN=ffffffffffffffffffffffffffffffff " BULWARKCTL,
            "--url " + url + " config reload")
            .code
        == 4);

  // Changes and transitions are kept for who comes later.
  child_process following{{BULWARKCTL, "events", "-f", "--after", "0", "--url", url}};
  CHECK(ctl("breaker db reset").code == 0);
  following.wait_for("circuit breaker db: (nothing) -> reset (ann)");
  CHECK(ctl("call db 42").output == "42\n");
  for (int i = 0; i < 3; ++i)
    CHECK(ctl("call bad 1").code == 1);
  following.wait_for("bad: closed -> open");
  says("call bad 1", "circuit is open");
  says("list", "bad    failing  open");
  says("stats bad", "rejected         1\n");
  says("breaker bad why", "bad: open since");
  CHECK(ctl("breaker nobody why").code == 5);
  CHECK(ctl("call nobody 1").code == 5);
  CHECK(ctl("breaker bad force-open").code == 0);
  following.wait_for("bad: open -> forced_open");
  CHECK(ctl("breaker bad reset").code == 0);
  says("list", "bad    failing  closed");

  says("policy db set deadline=2s --dry-run", "bulwark.guards.db.deadline: (nothing) -> 2s\n");
  says("policy db set deadline=2s", "bulwark.guards.db.deadline: (nothing) -> 2s\n");
  says("policy db get", "deadline = 2s\n");
  CHECK(ctl("policy db set deadlin=2s").code == 1);
  says("config diff", "bulwark.guards.db.deadline: 2s -> (nothing)\n");
  CHECK(ctl("config reload").code == 0);
  CHECK(ctl("config diff").output == "nothing changes\n");
  CHECK(run(BULWARKCTL, "config check --bulwarkd " BULWARKD " " + place.settings).code == 0);

  says("nodes", "(all together)");
  says("journal", "bad: open -> forced_open (forced_open)");
  says("journal", "force_open (ann)");
  const auto document = nlohmann::json::parse(ctl("list --json").output);
  CHECK(document.at("guards").size() == 2);
}
