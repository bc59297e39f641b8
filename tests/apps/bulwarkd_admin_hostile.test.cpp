// Clients that the admin port had better not have.
#include "apps/admin_fixture.hpp"
#include "support/catch.hpp"
#include "support/child_process.hpp"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <random>
#include <thread>

using namespace bulwark_tests;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

// More by BULWARK_FUZZ_REQUESTS.
int fuzz_requests() {
  const auto* told = std::getenv("BULWARK_FUZZ_REQUESTS");
  return told != nullptr ? std::atoi(told) : 2'000;
}

// Calls through a guard while something else goes on: each has its answer, and none waits long.
class traffic {
public:
  traffic(real_system& sys, const caf::actor& guard)
      : thread_([this, &sys, guard] {
          while (!ends_) {
            const auto begin = std::chrono::steady_clock::now();
            const auto answer = sys.ask(guard, ask_atom_v, 21);
            wrong_ += answer->is_error() || answer->as<std::int32_t>() != 42 ? 1 : 0;
            slowest_ = std::max(slowest_, std::chrono::steady_clock::now() - begin);
            ++calls_;
          }
        }) {}
  traffic(const traffic&) = delete;
  traffic& operator=(const traffic&) = delete;
  ~traffic() { end(); }

  /// Whether all went well so far.
  void end() {
    ends_ = true;
    if (thread_.joinable())
      thread_.join();
  }
  [[nodiscard]] int calls() const { return calls_; }
  [[nodiscard]] int wrong() const { return wrong_; }
  [[nodiscard]] std::chrono::steady_clock::duration slowest() const { return slowest_; }

private:
  std::atomic<bool> ends_ = false;
  std::atomic<int> calls_ = 0;
  std::atomic<int> wrong_ = 0;
  std::chrono::steady_clock::duration slowest_{0}; // read when it has ended
  std::thread thread_;
};

using random_source = std::mt19937_64;

std::size_t any_of(random_source& random, std::size_t count) {
  return std::uniform_int_distribution<std::size_t>{0, count - 1}(random);
}

const std::vector<std::string> words{"GET ",
                                     "POST ",
                                     "PUT ",
                                     "HEAD ",
                                     "OPTIONS ",
                                     "DELETE ",
                                     "PRI * HTTP/2.0\r\n",
                                     "/",
                                     "/healthz",
                                     "/metrics",
                                     "/api/v1/guards",
                                     "/api/v1/guards/db",
                                     "/api/v1/guards/db/policy",
                                     "/api/v1/guards/db/call",
                                     "/api/v1/breakers/db",
                                     "/api/v1/breakers/db/why",
                                     "/api/v1/events",
                                     "/api/v1/nodes",
                                     "/api/v1/reload",
                                     "?samples=1",
                                     "?dry_run=true",
                                     "#",
                                     "/#",
                                     "#/x",
                                     "%",
                                     "%2",
                                     "%zz",
                                     "%00",
                                     "%2F",
                                     "..",
                                     " HTTP/1.1\r\n",
                                     " HTTP/1.0\r\n",
                                     " HTTP/9.9\r\n",
                                     "\r\n",
                                     "\n",
                                     "\r",
                                     "\r\n\r\n",
                                     "Host: localhost\r\n",
                                     "Host:\r\n",
                                     "Host: [\r\n",
                                     "Authorization: Bearer secret token\r\n",
                                     "Content-Length: 5\r\n",
                                     "Content-Length: -1\r\n",
                                     "Content-Length: 99999999999999999999\r\n",
                                     "Content-Length: 70000\r\n",
                                     "Transfer-Encoding: chunked\r\n",
                                     "Expect: 100-continue\r\n",
                                     "Connection: close\r\n",
                                     "Connection: upgrade\r\n",
                                     "Upgrade: websocket\r\n",
                                     "Range: bytes=0-0,1-1,2-2\r\n",
                                     "Range: bytes=-\r\n",
                                     "Accept-Encoding: br, gzip\r\n",
                                     "Content-Encoding: gzip\r\n",
                                     "Content-Type: application/json\r\n",
                                     "Content-Type: multipart/form-data; boundary=x\r\n",
                                     "Content-Type: text/plain\r\n",
                                     "Last-Event-ID: 1\r\n",
                                     "X-Operator: x\r\n",
                                     ": x\r\n",
                                     "x\r\n",
                                     "{",
                                     "}",
                                     "[",
                                     "]",
                                     "\"",
                                     R"({"action":"reset"})",
                                     R"({"value":1})",
                                     R"({"deadline":"1s"})",
                                     "ffffffffffffffff\r\n",
                                     "5\r\nhello\r\n",
                                     "0\r\n\r\n",
                                     "--x\r\n",
                                     "--x--\r\n",
                                     std::string(1, '\0'),
                                     "\xff\xfe"};

// Nearly a request.
std::string any_request(random_source& random) {
  std::string text;
  if (any_of(random, 4) != 0) // one whose beginning is understood
    text = words[any_of(random, 6)] + words[7 + any_of(random, 12)]
           + " HTTP/1.1\r\nHost: localhost\r\n";
  for (auto n = any_of(random, 12); n > 0; --n)
    text += words[any_of(random, words.size())];
  if (any_of(random, 8) == 0)
    text += std::string(any_of(random, 20'000), static_cast<char>(any_of(random, 256)));
  if (any_of(random, 2) == 0)
    text += "\r\n\r\n";
  for (auto n = any_of(random, 4); n > 0 && !text.empty(); --n)
    text[any_of(random, text.size())] = static_cast<char>(any_of(random, 256));
  return text;
}

} // namespace

TEST_CASE("whatever is sent, the port answers others and calls go on [W24]") {
  admin_fixture it;
  const auto db = it.guard("db");
  it.steering.next.wrong = {"no"};
  it.page = [](std::string_view path) -> std::optional<bulwarkd::page_file> {
    if (path != "/" && path != "/main.js")
      return std::nullopt;
    return bulwarkd::page_file{.content_type = "text/plain", .content = "here"};
  };
  it.serve();
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  random_source random{seed};
  traffic calls{it.sys, db};
  for (int i = 0; i < fuzz_requests(); ++i) {
    const auto request = any_request(random);
    INFO(json(request).dump(-1, ' ', true, json::error_handler_t::replace));
    raw_connection connection{it.port()};
    connection.send(request);
    connection.finish();
    if (any_of(random, 4) != 0) { // else the client doesn't wait for an answer
      const auto answer = connection.read_all();
      REQUIRE((answer.empty() || answer.rfind("HTTP/1.1 ", 0) == 0));
    }
    if (i % 100 == 0)
      REQUIRE(it.get("/healthz").status == 200);
  }
  calls.end();
  CHECK(calls.calls() > 0);
  CHECK(calls.wrong() == 0);
}

TEST_CASE("a thousand connections that say nothing keep nobody out [W24]") {
  admin_fixture it;
  const auto db = it.guard("db");
  it.serve();
  traffic calls{it.sys, db};
  std::deque<raw_connection> silent;
  for (int i = 0; i < 1'000; ++i) {
    silent.emplace_back(it.port());
    if (i % 3 == 1)
      silent.back().send("GET /healthz HTTP/1.1\r\n"); // and no more
    if (i % 3 == 2)
      silent.back().send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    if (silent.size() > 400) // descriptors are this process's too
      silent.pop_front();
    if (i % 50 == 0)
      CHECK(it.get("/api/v1/guards").status == 200);
  }
  CHECK(it.get("/healthz").status == 200);
  // Those of long ago have been cut, though the other side keeps them.
  CHECK(silent.front().is_closed());
  calls.end();
  CHECK(calls.wrong() == 0);
}

TEST_CASE("who reads slowly holds up nobody, and who writes slowly is cut [W24]") {
  admin_fixture it;
  const auto db = it.guard("db");
  for (int i = 0; i < 300; ++i)
    it.guard("guard-" + std::to_string(i));
  it.serve();
  traffic calls{it.sys, db};
  const auto begin = std::chrono::steady_clock::now();
  raw_connection slow_head{it.port()};
  slow_head.send("GET /healthz HTTP/1.1\r\n");
  raw_connection slow_body{it.port()};
  slow_body.send("POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\n"
                 "Authorization: Bearer secret token\r\nContent-Length: 1000\r\n\r\n{");
  std::deque<raw_connection> deaf;
  for (int i = 0; i < 24; ++i) { // more than there are workers
    deaf.emplace_back(it.port());
    for (int n = 0; n < 50; ++n) // more than the system's buffers take
      deaf.back().send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  for (int i = 0; i < 10; ++i) {
    const auto asked = std::chrono::steady_clock::now();
    CHECK(it.get("/healthz").status == 200);
    CHECK(std::chrono::steady_clock::now() - asked < 3s); // the deaf are cut after five
  }
  // Bytes now and then don't help: the whole counts.
  CHECK(slow_head.is_closed());
  CHECK(slow_body.is_closed());
  CHECK(std::chrono::steady_clock::now() - begin < 30s);
  CHECK(it.steering.changes.empty());
  calls.end();
  CHECK(calls.wrong() == 0);
}

TEST_CASE("who is refused and goes on sending has the answer and holds up nobody [W24]") {
  admin_fixture it;
  it.serve();
  const std::string refused = "POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\n"
                              "Content-Length: 1000000\r\n\r\n{";
  raw_connection talker{it.port()};
  talker.send(refused);
  CHECK(http_answer::parse(talker.read_all()).status == 401);
  for (int i = 0; i < 10; ++i) // the second would meet a connection that is gone
    CHECK(talker.send(std::string(64'000, ' ')));
  // Each is listened to for 500 ms, and more of them than there are workers. On a busy machine
  // another answer may take as long, but not each time.
  auto quickest = std::chrono::steady_clock::duration::max();
  for (int attempt = 0; attempt < 5 && quickest > 400ms; ++attempt) {
    std::deque<raw_connection> talkers;
    for (int i = 0; i < 24; ++i) {
      talkers.emplace_back(it.port());
      talkers.back().send(refused);
    }
    const auto asked = std::chrono::steady_clock::now();
    CHECK(it.get("/healthz").status == 200);
    quickest = std::min(quickest, std::chrono::steady_clock::now() - asked);
  }
  CHECK(quickest < 400ms);
}

TEST_CASE("a body that nobody may send isn't read [W24]") {
  admin_fixture it;
  it.serve();
  raw_connection connection{it.port()};
  connection.send(
      "POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n");
  // It is answered before there is any.
  CHECK_THAT(connection.read_until("\r\n\r\n"), Catch::StartsWith("HTTP/1.1 401"));
}

TEST_CASE("many who change, read and listen at once each get their answer [W24]") {
  admin_fixture it;
  const auto db = it.guard("db");
  it.serve();
  traffic calls{it.sys, db};
  std::atomic<int> wrong = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 16; ++i)
    clients.emplace_back([&it, &wrong, i] {
      for (int n = 0; n < 20; ++n) {
        if (i % 4 == 0) {
          raw_connection ear{it.port()};
          ear.send("GET /api/v1/events?samples=0.25 HTTP/1.1\r\nHost: localhost\r\n\r\n");
          ear.read_until("retry: 2000\n\n");
        } else if (i % 4 == 1) {
          wrong += it.change("POST", "/api/v1/reload").status != 200 ? 1 : 0;
        } else {
          wrong += it.get(i % 4 == 2 ? "/metrics" : "/api/v1/nodes").status != 200 ? 1 : 0;
        }
      }
    });
  for (auto& each : clients)
    each.join();
  CHECK(wrong == 0);
  CHECK(it.steering.changes.size() == 80);
  calls.end();
  CHECK(calls.wrong() == 0);
}

TEST_CASE("it ends at once, whoever is connected [W24]") {
  admin_fixture it;
  it.guard("db");
  it.serve();
  raw_connection idle{it.port()};
  raw_connection ear{it.port()};
  ear.send("GET /api/v1/events?samples=0.25 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ear.read_until("event: sample\n");
  raw_connection slow_body{it.port()};
  slow_body.send("POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\n"
                 "Authorization: Bearer secret token\r\nContent-Length: 1000\r\n\r\n{");
  const auto begin = std::chrono::steady_clock::now();
  it.end();
  CHECK(std::chrono::steady_clock::now() - begin < 3s);
  CHECK(idle.is_closed());
  CHECK(ear.is_closed());
  CHECK(slow_body.is_closed());
}

TEST_CASE("curl gets what it asks for and may keep its connection [W3]") {
  admin_fixture it;
  it.guard("db");
  it.serve();
  const auto at = "http://127.0.0.1:" + std::to_string(it.port());
  child_process curl{{"/usr/bin/env",
                      "curl",
                      "-sS",
                      "--compressed",
                      "-H",
                      "Authorization: Bearer secret token",
                      "-w",
                      "%{http_code} %{num_connects}\n",
                      at + "/healthz",
                      at + "/api/v1/guards/db",
                      "--next",
                      "-sS",
                      "-X",
                      "POST",
                      "-H",
                      "Authorization: Bearer secret token",
                      "-w",
                      "%{http_code}\n",
                      "-d",
                      R"({"action":"reset"})",
                      at + "/api/v1/breakers/db"}};
  CHECK(curl.wait() == 0);
  INFO(curl.log());
  CHECK(curl.says("ok\n200 1\n"));
  CHECK(curl.says("200 0\n"));
  CHECK(curl.says("204\n"));
}
