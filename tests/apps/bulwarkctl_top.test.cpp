// bulwarkctl top, in a terminal of its own.
#include "apps/admin_answers.hpp"
#include "apps/deaf_port.hpp"
#include "apps/fake_admin.hpp"
#include "apps/terminal_process.hpp"
#include "support/catch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <sstream>

using namespace bulwark_tests;
namespace answers = admin_answers;

namespace {

struct figures {
  std::string name;
  std::string state = "closed";
  int calls = 0;
  int failed = 0;
  double p99 = 0.001;
  int succeeded = 0;
  int rejected = 0;
  int timed_out = 0;
};

std::string guards_of(const std::vector<figures>& all) {
  std::string list;
  for (const auto& each : all)
    list += fmt::format(
        R"({}{{"name":"{}","target":"echo","state":"{}","calls":{{"calls":{},"failed":{},)"
        R"("succeeded":{},"rejected":{},"timed_out":{}}},)"
        R"("latency":{{"p50":0.001,"p99":{}}},"permits":null}})",
        list.empty() ? "" : ",", each.name, each.state, each.calls, each.failed, each.succeeded,
        each.rejected, each.timed_out, each.p99);
  return R"({"node":"a","time":"2026-11-25T17:18:31.309Z","guards":[)" + list + "]}";
}

struct watched_daemon : fake_admin {
  watched_daemon() { says({{"alpha"}, {"beta", "open"}, {"gamma"}}); }
  explicit watched_daemon(int port) : fake_admin(port) {}

  void says(const std::vector<figures>& all) { answers("GET", "/api/v1/guards", guards_of(all)); }
};

std::vector<std::string> words(const fake_admin& daemon, std::vector<std::string> more = {}) {
  std::vector<std::string> result{BULWARKCTL, "top", "--interval", "0.1", "--url", daemon.url()};
  result.insert(result.end(), more.begin(), more.end());
  return result;
}

// The names in the order in which they stand on the screen.
bool is_order(const std::string& screen, const std::vector<std::string>& names) {
  std::size_t at = 0;
  for (const auto& each : names) {
    at = screen.find("\n" + each, at);
    if (at == screen.npos)
      return false;
    ++at;
  }
  return true;
}

auto order(std::vector<std::string> names) {
  return [names = std::move(names)](const std::string& screen) { return is_order(screen, names); };
}

// Lines without what is said to the terminal.
std::vector<std::string> lines_of(const std::string& screen) {
  std::vector<std::string> result{""};
  for (std::size_t i = 0; i < screen.size(); ++i) {
    if (screen[i] == '\x1b')
      while (i + 1 < screen.size() && std::isalpha(static_cast<unsigned char>(screen[i])) == 0)
        ++i;
    else if (screen[i] == '\n')
      result.emplace_back();
    else if (screen[i] != '\r')
      result.back() += screen[i];
  }
  return result;
}

} // namespace

TEST_CASE("top shows guards with their rates and what is wrong first [W64]", "[bulwarkctl]") {
  watched_daemon daemon;
  terminal_process top{words(daemon)};
  auto screen = top.wait_for_screen(order({"beta", "alpha", "gamma"}));
  CHECK(screen.find("a  2026-11-25T17:18:31.309Z  3 guards, 1 open") != screen.npos);
  CHECK(screen.find("GUARD") != screen.npos);
  CHECK(screen.find("q quit") != screen.npos);
  // A rate is the difference of two looks by the time between them: about 100 / 0.1s.
  std::atomic<bool> ending{false};
  std::thread busy{[&] {
    for (int calls = 0; !ending; calls += 100) {
      daemon.says({{"alpha", "closed", calls}, {"beta", "half_open", 0, 0}, {"gamma"}});
      const auto seen = daemon.requests().size();
      daemon.wait_for(seen + 1);
    }
  }};
  screen = top.wait_for_screen([](const std::string& now) {
    const auto lines = lines_of(now);
    const auto alpha = std::find_if(lines.begin(), lines.end(),
                                    [](const auto& line) { return line.rfind("alpha", 0) == 0; });
    if (alpha == lines.end())
      return false;
    std::istringstream cells{*alpha};
    std::string name;
    std::string state;
    std::string rate;
    cells >> name >> state >> rate;
    // With a busy machine it is later than asked for, and so less.
    return state == "closed" && rate != "-" && std::stod(rate) > 10;
  });
  CHECK(screen.find("1 half_open") != screen.npos);
  ending = true;
  busy.join();
  top.press("q");
  CHECK(top.wait() == 0);
}

TEST_CASE("a row of the live table tells how its calls end in 80 columns [W64]", "[bulwarkctl]") {
  watched_daemon daemon;
  terminal_process top{words(daemon), {}, 80, 24};
  std::atomic<bool> ending{false};
  std::thread busy{[&] {
    for (int tens = 0; !ending; tens += 10) {
      daemon.says({{.name = "alpha",
                    .calls = 10 * tens,
                    .failed = 2 * tens,
                    .succeeded = 4 * tens,
                    .rejected = 3 * tens,
                    .timed_out = tens}});
      const auto seen = daemon.requests().size();
      daemon.wait_for(seen + 1);
    }
  }};
  const auto screen = top.wait_for_screen([](const std::string& now) {
    const auto lines = lines_of(now);
    if (lines.size() < 3)
      return false;
    std::istringstream cells{lines[2]};
    std::string name;
    std::string state;
    double calls = 0;
    double succeeded = 0;
    double failed = 0;
    double rejected = 0;
    double timed_out = 0;
    cells >> name >> state >> calls >> succeeded >> failed >> rejected >> timed_out;
    const auto is_share = [&](double rate, double of_ten) {
      return std::abs(rate - calls * of_ten / 10) < 1;
    };
    return calls > 10 && is_share(succeeded, 4) && is_share(failed, 2) && is_share(rejected, 3)
           && is_share(timed_out, 1);
  });
  ending = true;
  busy.join();
  const auto lines = lines_of(screen);
  CHECK(lines[1]
        == "GUARD           STATE        CALLS/S SUCCEEDED FAILED REJECTED TIMED OUT     P99");
  // What wants to be looked at is what failed and what timed out.
  CHECK(lines[0].find(" failures/s") != std::string::npos);
}

TEST_CASE("keys sort and scroll the live table [W64]", "[bulwarkctl]") {
  watched_daemon daemon;
  daemon.says({{"alpha", "closed", 0, 0, 0.1},
               {"beta", "open", 0, 0, 0.3},
               {"gamma", "closed", 0, 0, 0.2}});
  terminal_process top{words(daemon)};
  top.wait_for_screen(order({"beta", "alpha", "gamma"}));
  top.press("n");
  top.wait_for_screen(order({"alpha", "beta", "gamma"}));
  top.press("p");
  top.wait_for_screen(order({"beta", "gamma", "alpha"}));
  top.press("ns"); // two at once are two
  top.wait_for_screen([](const auto& screen) {
    return is_order(screen, {"beta", "alpha", "gamma"}) && screen.find("by state") != screen.npos;
  });
  std::vector<figures> many;
  for (int i = 10; i < 60; ++i)
    many.push_back({.name = "guard" + std::to_string(i)});
  daemon.says(many);
  top.wait_for_screen(order({"guard10", "guard11"}));
  top.press("\x1b[B\x1b[B");
  top.wait_for_screen([](const auto& screen) {
    return is_order(screen, {"guard12"}) && !is_order(screen, {"guard11"});
  });
  top.press("\x1b[F");
  top.wait_for_screen(order({"guard59"}));
  top.press("\x1b[H");
  top.wait_for_screen(order({"guard10"}));
  top.press("\x1b[24~x"); // keys that it doesn't know
  top.press("q");
  CHECK(top.wait() == 0);
}

TEST_CASE("the live table fits the terminal whatever its size [W64]", "[bulwarkctl]") {
  watched_daemon daemon;
  std::vector<figures> many;
  for (int i = 10; i < 60; ++i)
    many.push_back({.name = "a guard with a long name " + std::to_string(i)});
  daemon.says(many);
  terminal_process top{words(daemon)};
  for (const auto& [columns, rows] : std::vector<std::pair<unsigned short, unsigned short>>{
           {100, 12}, {40, 30}, {200, 5}, {12, 4}, {3, 2}, {80, 24}}) {
    INFO(columns << " x " << rows);
    top.resize(columns, rows);
    const auto wide = std::min<std::size_t>(columns, 60);
    const auto screen = top.wait_for_screen([&](const auto& now) {
      const auto lines = lines_of(now);
      const auto longest =
          std::max_element(lines.begin(), lines.end(),
                           [](const auto& a, const auto& b) { return a.size() < b.size(); });
      // "…" is three bytes.
      return lines.size() == rows && longest->size() <= columns + 2U && longest->size() >= wide;
    });
    CHECK(screen.find("\x1b[K") != screen.npos);
  }
}

TEST_CASE("colours are shown unless they are refused and never alone [W64]", "[bulwarkctl]") {
  watched_daemon daemon;
  const auto colour = [](const std::string& screen) {
    return screen.find("\x1b[3") != screen.npos;
  };
  terminal_process coloured{words(daemon)};
  CHECK(colour(coloured.wait_for_screen("open ")));
  for (const auto* refusal : {"NO_COLOR=1", "TERM=dumb"}) {
    terminal_process plain{words(daemon), {refusal}};
    CHECK_FALSE(colour(plain.wait_for_screen("open ")));
    CHECK_FALSE(colour(plain.written()));
  }
  terminal_process empty{words(daemon), {"NO_COLOR="}};
  CHECK(colour(empty.wait_for_screen("open ")));
}

TEST_CASE("a daemon that goes is said and found again when it is back [W64]", "[bulwarkctl]") {
  auto daemon = std::make_unique<watched_daemon>();
  const auto port = daemon->port();
  terminal_process top{words(*daemon)};
  top.wait_for_screen("beta");
  daemon.reset();
  const auto screen = top.wait_for_screen("! no answer from");
  CHECK(screen.find("beta") != screen.npos);
  daemon = std::make_unique<watched_daemon>(port);
  daemon->says({{"delta"}});
  top.wait_for_screen([](const auto& now) {
    return now.find("delta") != now.npos && now.find("! no answer") == now.npos;
  });
}

TEST_CASE("names can't reach the terminal raw in the live table [W59]", "[bulwarkctl]") {
  watched_daemon daemon;
  daemon.says({{R"(\u001b[2Jx\u0007\u009b5m)", R"(\u001b]0;y\u0007)"}});
  terminal_process top{words(daemon)};
  const auto screen = top.wait_for_screen("\\x1b[2Jx");
  CHECK(screen.find("\x1b[2J") == screen.npos);
  CHECK(screen.find('\a') == screen.npos);
  CHECK(screen.find("\xc2\x9b") == screen.npos);
}

// -- ways out --------------------------------------------------------------------------

TEST_CASE("the terminal is as it was after every way out [W65]", "[bulwarkctl]") {
  watched_daemon daemon;
  terminal_process top{words(daemon)};
  top.wait_for_screen("beta");
  CHECK_FALSE(top.has_its_modes());
  CHECK_FALSE(top.has_its_screen());
  SECTION("q") {
    top.press("q");
    CHECK(top.wait() == 0);
  }
  SECTION("escape") {
    top.press("\x1b");
    CHECK(top.wait() == 0);
  }
  SECTION("control and C") {
    top.press("\x03");
    CHECK(top.wait() == 0);
  }
  SECTION("signals") {
    const auto number = GENERATE(SIGTERM, SIGHUP, SIGQUIT);
    top.signal(number);
    CHECK(top.wait() == 128 + number);
  }
  SECTION("a crash") {
    const auto number = GENERATE(SIGSEGV, SIGABRT, SIGBUS);
    top.signal(number);
    CHECK(top.wait() == 128 + number);
  }
  CHECK(top.has_its_modes());
  CHECK(top.has_its_screen());
}

TEST_CASE("the terminal is given back while top is suspended [W65]", "[bulwarkctl]") {
  watched_daemon daemon;
  terminal_process top{words(daemon)};
  top.wait_for_screen("beta");
  top.signal(SIGTSTP); // as control and Z do where a shell is above it
  CHECK(top.wait() == 128 + SIGSTOP);
  CHECK(top.has_its_modes());
  CHECK(top.has_its_screen());
  top.signal(SIGCONT);
  top.wait_for("\x1b[?1049l");
  top.wait_for("\x1b[?1049h");
  top.press("q");
  CHECK(top.wait() == 0);
  CHECK(top.has_its_modes());
  CHECK(top.has_its_screen());
}

TEST_CASE("keys are heard while the daemon says nothing [W65]", "[bulwarkctl]") {
  auto held = std::make_unique<watched_daemon>();
  terminal_process top{words(*held, {"--timeout", "600"})};
  top.wait_for_screen("beta");
  held->holds_answers();
  held->wait_for(held->requests().size() + 1);
  top.press("q");
  CHECK(top.wait() == 0);
}

TEST_CASE("the terminal is given back while a host drops what top sends it [W65]", "[bulwarkctl]") {
  const auto* key = GENERATE("q", "\x03");
  // What is tried ends by itself in 2 s, and with it the program: a busy machine may be as late.
  auto code = 0;
  for (auto tries = 0; tries < 5 && code == 0; ++tries) {
    auto daemon = std::make_unique<watched_daemon>();
    const auto port = daemon->port();
    terminal_process top{words(*daemon, {"--timeout", "600"})};
    top.wait_for_screen("beta");
    daemon.reset();
    const deaf_port deaf{port};
    top.wait_for_screen("no connection in time");
    // sleeps: so that the next connection is being tried, of which nobody tells
    std::this_thread::sleep_for(std::chrono::milliseconds{300});
    top.press(key);
    top.wait_for("\x1b[?1049l");
    // Signals have their usual meaning again, too.
    top.signal(SIGINT);
    code = top.wait();
    CHECK(top.has_its_modes());
    CHECK(top.has_its_screen());
  }
  CHECK(code == 128 + SIGINT);
}

TEST_CASE("top that can't have its daemon leaves the terminal alone [W65]", "[bulwarkctl]") {
  std::string url;
  {
    const watched_daemon gone;
    url = gone.url();
  }
  terminal_process top{{BULWARKCTL, "top", "--url", url}};
  CHECK(top.wait() == 3);
  CHECK(top.written().find("\x1b") == std::string::npos);
}
