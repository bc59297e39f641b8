// docs/openapi.json says what the admin port does.
#include "apps/admin_fixture.hpp"
#include "apps/json_schema.hpp"
#include "bulwarkd/targets.hpp"
#include "support/catch.hpp"

#include <fstream>
#include <set>

using namespace bulwark_tests;
using nlohmann::json;

namespace {

const json_schema& api() {
  static const json_schema result{json::parse(std::ifstream{OPENAPI})};
  return result;
}

// A request of each path and method, with what it is about.
struct probe {
  std::string method;
  std::string path; // as the document has it
  std::string query = {};
  std::string body = {};
  int status = 200;
};

std::string with_name(std::string path, const std::string& name) {
  if (const auto at = path.find("{name}"); at != path.npos)
    path.replace(at, 6, name);
  return path;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// What is wrong with an answer, by the document.
std::vector<std::string> complaints(const probe& asked, const http_answer& answer) {
  const auto& responses = api().document()["paths"][asked.path][lower(asked.method)]["responses"];
  const auto status = std::to_string(answer.status);
  if (!responses.contains(status))
    return {"status " + status + " isn't in the document"};
  const auto type =
      answer.headers.count("content-type") == 0 ? std::string{} : answer.headers.at("content-type");
  const auto content = responses[status].value("content", json::object());
  const auto plain = type.substr(0, type.find(';'));
  if (content.empty())
    return answer.body.empty() ? std::vector<std::string>{}
                               : std::vector<std::string>{"there is a body: " + answer.body};
  if (!content.contains(plain))
    return {"type '" + plain + "' isn't in the document"};
  const auto& schema = content[plain]["schema"];
  if (!schema.contains("$ref"))
    return {};
  const auto name = schema["$ref"].get<std::string>();
  return api().complaints(json::parse(answer.body), name.substr(name.rfind('/') + 1));
}

const std::vector<probe> probes{
    {"GET", "/healthz"},
    {"GET", "/readyz"},
    {"GET", "/metrics"},
    {"GET", "/api/v1/guards"},
    {"GET", "/api/v1/guards/{name}"},
    {"PUT", "/api/v1/guards/{name}/policy", "?dry_run=true", R"({"deadline":"2s"})"},
    {"PUT", "/api/v1/guards/{name}/policy", "", "[]", 422},
    {"POST", "/api/v1/guards/{name}/call", "", R"({"value":1})"},
    {"POST", "/api/v1/guards/{name}/call", "", R"({"value":[]})", 422},
    {"GET", "/api/v1/parts"},
    {"POST", "/api/v1/breakers/{name}", "", R"({"action":"reset"})", 204},
    {"POST", "/api/v1/breakers/{name}", "", R"({"action":"open"})", 422},
    {"GET", "/api/v1/breakers/{name}/why"},
    {"GET", "/api/v1/nodes"},
    {"GET", "/api/v1/events", "?samples=x", "", 400},
    {"GET", "/api/v1/journal"},
    {"GET", "/api/v1/journal", "?limit=0", "", 400},
    {"POST", "/api/v1/reload"},
};

} // namespace

TEST_CASE("each answer is as the document says [W23]") {
  admin_fixture it;
  it.journal = [](std::size_t, std::optional<std::uint64_t>) {
    return std::vector<bulwarkd::journal_line>(2);
  };
  it.target = bulwarkd::ready_made_targets().at("echo")(*it.sys);
  it.guard("db", {.bulkhead = bulwark::bulkhead_policy{}});
  it.steering.next.changes = {{.path = "deadline", .from = "5s", .to = "2s"}};
  it.serve();
  std::set<std::string> asked;
  for (const auto& each : probes) {
    const auto path = with_name(each.path, "db") + each.query;
    INFO(each.method << ' ' << path);
    const auto answer =
        each.method == "GET" ? it.get(path) : it.change(each.method, path, each.body);
    CHECK(answer.status == each.status);
    CHECK(complaints(each, answer) == std::vector<std::string>{});
    asked.insert(lower(each.method) + ' ' + each.path);
    // Without the token, of another host, and of what isn't there.
    if (each.method != "GET")
      CHECK(complaints(each, http(it.port(), each.method, path)) == std::vector<std::string>{});
    const auto foreign =
        http(it.port(), each.method, path, {.headers = {{"Host", "evil.example"}}});
    CHECK(foreign.status == 403);
    CHECK(complaints(each, foreign) == std::vector<std::string>{});
    if (each.path.find("{name}") != std::string::npos) {
      const auto nowhere = with_name(each.path, "x") + each.query;
      const auto missing =
          each.method == "GET" ? it.get(nowhere) : it.change(each.method, nowhere, each.body);
      CHECK((missing.status == 404 || missing.status == 422));
      CHECK(complaints(each, missing) == std::vector<std::string>{});
    }
  }
  // Nothing is left out.
  for (const auto& [path, methods] : api().document()["paths"].items())
    for (const auto& [method, what] : methods.items())
      if (method != "parameters")
        CHECK(asked.count(method + ' ' + path) == 1);
}

TEST_CASE("each event is as the document says [W23]") {
  admin_fixture it;
  it.guard("db");
  it.serve();
  raw_connection ear{it.port()};
  ear.send("GET /api/v1/events?samples=0.25&after=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ear.read_until("\r\n\r\n");
  it.trip();
  it.sys.ask(it.guards["db"], ask_atom_v, 1);
  it.server->tell_change("alice", "deadline", "5s", "2s");
  std::set<std::string> missing{"transition", "rejections", "change", "gap", "sample"};
  while (!missing.empty()) {
    const auto text = ear.read_until("\n\n");
    const auto at = text.find("event: ");
    if (at == std::string::npos)
      continue;
    auto name = text.substr(at + 7, text.find('\n', at) - at - 7);
    missing.erase(name);
    const auto data = json::parse(text.substr(text.find("data: ") + 6));
    name[0] = static_cast<char>(std::toupper(name[0]));
    INFO(text);
    CHECK(api().complaints(data, name + "Event") == std::vector<std::string>{});
  }
}

TEST_CASE("what isn't as the document says is noticed [W23]") {
  auto good = json{{"type", "about:blank"}, {"title", ""}, {"status", 404}, {"detail", ""}};
  CHECK(api().complaints(good, "Problem").empty());
  good["mistakes"] = json{1};
  CHECK(api().complaints(good, "Problem").size() == 1);
  good.erase("mistakes");
  good["more"] = 1;
  CHECK(api().complaints(good, "Problem").size() == 1);
  good.erase("more");
  good.erase("title");
  CHECK(api().complaints(good, "Problem").size() == 1);
}
