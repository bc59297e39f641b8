// bulwarkd where the machine has no more to give: descriptors, a port.
#include "apps/daemon_process.hpp"
#include "bulwark/distributed.hpp"
#include "support/catch.hpp"
#include "support/networked_system.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

using namespace bulwark;
using namespace bulwark_tests;
using namespace std::chrono_literals;

namespace {

/// A process can open nothing any more, as long as this object lives; what it has it keeps.
class no_descriptors {
public:
  explicit no_descriptors(pid_t process) : process_(process) {
    REQUIRE(::prlimit(process, RLIMIT_NOFILE, nullptr, &before_) == 0);
    auto limit = before_;
    limit.rlim_cur = lowest_free();
    REQUIRE(::prlimit(process, RLIMIT_NOFILE, &limit, nullptr) == 0);
  }
  no_descriptors(const no_descriptors&) = delete;
  no_descriptors& operator=(const no_descriptors&) = delete;
  ~no_descriptors() { ::prlimit(process_, RLIMIT_NOFILE, &before_, nullptr); }

private:
  pid_t process_;
  rlimit before_{};

  // The number that the next one would have.
  [[nodiscard]] rlim_t lowest_free() const {
    if (process_ == ::getpid()) {
      const auto next = ::dup(STDIN_FILENO);
      ::close(next);
      return static_cast<rlim_t>(next);
    }
    rlim_t result = 0;
    const auto folder = "/proc/" + std::to_string(process_) + "/fd/";
    while (std::filesystem::is_symlink(folder + std::to_string(result)))
      ++result;
    return result;
  }
};

struct peer {
  networked_system sys;
  bulwark::node node{*sys};
  remote_node remote;

  explicit peer(std::uint16_t port) : remote(connect(node, "127.0.0.1", port)) {}

  reply_ptr call(const caf::actor& guard) { return sys.ask(guard, std::int32_t{7}); }
};

} // namespace

TEST_CASE(
    "a daemon that has no descriptor left keeps its connections and takes new ones when there "
    "are some again [X3]",
    "[bulwarkd]") {
  daemon_process daemon{{"--guards.echo.target=echo"}};
  peer first{daemon.port()};
  REQUIRE(first.remote.wait_until_connected(60s));
  const auto guard = first.remote.guard("echo", {.deadline = 30s});
  REQUIRE_FALSE(first.call(guard)->is_error());
  auto limited = std::make_optional<no_descriptors>(daemon.id());
  peer second{daemon.port()};
  CHECK_FALSE(second.remote.wait_until_connected(1s));
  CHECK_FALSE(first.call(guard)->is_error());
  limited.reset();
  CHECK(second.remote.wait_until_connected(60s));
  CHECK_FALSE(second.call(second.remote.guard("echo", {.deadline = 30s}))->is_error());
  CHECK_FALSE(first.call(guard)->is_error());
}

// The undefined sanitizer looks at an object through a pipe, and takes each for wrong where there is none.
#if !defined(__SANITIZE_ADDRESS__)
TEST_CASE("a node that has no descriptor left is connected as soon as there is one [X3]",
          "[bulwarkd]") {
  daemon_process daemon{{"--guards.echo.target=echo"}};
  const auto port = daemon.port();
  peer ours{port};
  REQUIRE(ours.remote.wait_until_connected(60s));
  daemon_process other{{"--guards.echo.target=echo"}};
  const auto other_port = other.port();
  auto limited = std::make_optional<no_descriptors>(::getpid());
  const auto remote = connect(ours.node, "127.0.0.1", other_port);
  CHECK_FALSE(remote.wait_until_connected(500ms));
  CHECK_FALSE(ours.call(ours.remote.guard("echo", {.deadline = 30s}))->is_error());
  limited.reset();
  CHECK(remote.wait_until_connected(60s));
}
#endif

TEST_CASE("a port that is taken ends a daemon with a line that has address and port [X4] [D40]",
          "[bulwarkd]") {
  daemon_process first{{"--guards.echo.target=echo"}};
  const auto port = std::to_string(first.port());
  child_process second{{BULWARKD, "--listen.port=" + port, "--guards.echo.target=echo"}};
  CHECK(second.wait() == 1);
  INFO(second.log());
  CHECK(second.says("port " + port + " of '127.0.0.1' can't be opened"));
  CHECK_FALSE(second.says("listening on"));
  peer caller{first.port()};
  REQUIRE(caller.remote.wait_until_connected(60s)); // the first hasn't noticed
}
