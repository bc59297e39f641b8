// TLS between daemons: who is refused, and what the log says of it.
#include "apps/certificates.hpp"
#include "apps/daemon_process.hpp"
#include "apps/program.hpp"
#include "support/catch.hpp"

#include <csignal>
#include <fstream>
#include <string>
#include <vector>

using namespace bulwark_tests;

namespace {

const certificates& files() {
  static const certificates result;
  return result;
}

std::vector<std::string> serving(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--guards.echo.target=echo", "--guards.slow.target=slow"});
  return arguments;
}

program_end call(const std::string& arguments) {
  return run(CALL_A_NODE, arguments);
}

// The one line that a refused caller leaves.
std::string refusal(daemon_process& daemon, const program_end& caller) {
  INFO(caller.output);
  CHECK(caller.code == 1);
  CHECK(caller.output.find("42") == std::string::npos);
  auto line = daemon.wait_for("TLS from 127.0.0.1:");
  CHECK(line.find("warning TLS from 127.0.0.1:") != std::string::npos);
  return line.substr(line.find("refused: "));
}

} // namespace

TEST_CASE("who shows a certificate of the same CA is served [D32] [D36]", "[bulwarkd][tls]") {
  daemon_process daemon{serving(files().arguments("a"))};
  const auto end = call(files().options("b") + daemon.address() + " call echo 42");
  CHECK(daemon.says(" with TLS, 2 guards\n"));
  INFO(end.output);
  CHECK(end.output == "42\n");
}

TEST_CASE("a guard of another daemon is reached with TLS [D32] [D36]", "[bulwarkd][tls]") {
  daemon_process far{serving(files().arguments("a"))};
  auto arguments = files().arguments("b");
  arguments.push_back("--guards.db.target=" + far.address() + "/echo");
  arguments.push_back("--guards.db.retry.max-attempts=100");
  arguments.push_back("--guards.db.retry.max-delay=100ms");
  daemon_process near{arguments};
  CHECK(call(files().options("a") + near.address() + " call db 42").output == "42\n");
}

TEST_CASE("who shows no right certificate is refused with one line that says why [D36]",
          "[bulwarkd][tls]") {
  daemon_process daemon{serving(files().arguments("a"))};
  const auto question = daemon.address() + " call echo 42";
  CHECK(refusal(daemon, call(files().options("stranger") + question))
        == "refused: its certificate: unable to get local issuer certificate");
  CHECK(refusal(daemon, call(files().options("expired") + question))
        == "refused: its certificate: certificate has expired");
  // It trusts another CA than ours.
  CHECK(refusal(daemon, call(files().options("b", "other_ca") + question))
        == "refused: the other side says: unknown CA");
  // CAF's protocol without TLS.
  CHECK(refusal(daemon, call(question)) == "refused: wrong version number");
  // No certificate: caf-openssl would not even start.
  const auto bare = run("echo | timeout 60 openssl", "s_client -connect " + daemon.address()
                                                         + " -CAfile " + files().certificate("ca"));
  CHECK(daemon.wait_for("TLS from").find("refused: peer did not return a certificate")
        != std::string::npos);
  CHECK(call(files().options("b") + question).output == "42\n");
  CHECK(daemon.count("TLS from") == 5);
}

TEST_CASE("a peer that is dialled and shows no right certificate is refused with one line "
          "[D36] [D31]",
          "[bulwarkd][tls]") {
  daemon_process far{serving(files().arguments("stranger", "ca"))};
  const auto there = far.address();
  auto arguments = files().arguments("a");
  arguments.push_back("--peers=[\"" + there + "\"]");
  daemon_process near{arguments};
  CHECK(near.wait_for("TLS to " + there)
            .find("refused: its certificate: unable to get local issuer certificate")
        != std::string::npos);
  near.wait_for("peer " + there + ": can't be reached, is dialled again and again");
  CHECK(far.wait_for("TLS from").find("refused: the other side says: unknown CA")
        != std::string::npos);
}

TEST_CASE("a daemon with TLS has no connection to one without [D36]", "[bulwarkd][tls]") {
  daemon_process plain{serving({})};
  const auto there = plain.address();
  auto arguments = files().arguments("a");
  arguments.push_back("--peers=[\"" + there + "\"]");
  daemon_process near{arguments};
  near.wait_for("TLS to " + there + " refused: ");
  near.wait_for("peer " + there + ": can't be reached, is dialled again and again");
  CHECK_FALSE(near.says("connected\n"));
  // Which serves others as before.
  CHECK(call(there + " call echo 42").output == "42\n");
}

TEST_CASE("handshakes that are refused don't disturb the connections of others [D38]",
          "[bulwarkd][tls]") {
  daemon_process daemon{serving(files().arguments("a"))};
  const auto address = daemon.address();
  auto arguments = files().arguments("b");
  arguments.push_back("--guards.db.target=" + address + "/slow");
  daemon_process peer{arguments};
  peer.wait_for("connected");
  // Longer than the interval of heartbeats, so that there is something to be read meanwhile.
  child_process well{{"/bin/sh", "-c",
                      "exec " + std::string{CALL_A_NODE} + " " + files().options("b")
                          + peer.address() + " call db 2500"}};
  while (!call(files().options("b") + address + " stats slow").says("1 in flight"))
    continue; // each answer is an event
  for (const auto* who : {"stranger", "expired", "stranger"})
    CHECK(call(files().options(who) + address + " call echo 42").code == 1);
  CHECK(call(address + " call echo 42").code == 1);
  CHECK(well.wait() == 0);
  CHECK(well.log() == "2500\n");
  peer.signal(SIGTERM);
  CHECK(peer.wait() == 0);
  CHECK(peer.count(": lost") == 0);
}

TEST_CASE("a daemon whose own certificate can't be used doesn't start and says why [D37]",
          "[bulwarkd][tls]") {
  const auto refused = [](std::vector<std::string> arguments) {
    std::string line = "--listen.port=0";
    for (const auto& each : arguments)
      line += " " + each;
    auto end = run(BULWARKD, line);
    INFO(end.output);
    CHECK(end.code == 2);
    CHECK_FALSE(end.says("listening"));
    return end;
  };
  const auto of = [](const std::string& certificate, const std::string& key,
                     const std::string& ca) {
    return std::vector<std::string>{"--tls.certificate=" + certificate, "--tls.key=" + key,
                                    "--tls.ca-file=" + ca};
  };
  const auto& f = files();
  const auto a = f.certificate("a");
  const auto ca = f.certificate("ca");
  CHECK(refused(f.arguments("expired"))
            .says("bulwark.tls.certificate = " + f.certificate("expired") + ": expired on "));
  CHECK(refused(of(a, f.key("b"), ca))
            .says("bulwark.tls.key = " + f.key("b") + ": key values mismatch"));
  CHECK(refused(of(f.file("none"), f.key("a"), ca))
            .says("bulwark.tls.certificate = " + f.file("none")
                  + ": can't be read: No such file or directory"));
  CHECK(refused(of(f.key("a"), f.key("a"), ca))
            .says("bulwark.tls.certificate = " + f.key("a") + ": no start line"));
  CHECK(refused(of(a, f.key("a"), f.key("a"))).says("bulwark.tls.ca-file = " + f.key("a") + ": "));
}

TEST_CASE("what becomes of its files changes nothing for a daemon that runs [D37]",
          "[bulwarkd][tls]") {
  const certificates own;
  daemon_process daemon{serving(own.arguments("a"))};
  const auto address = daemon.address();
  for (const auto& each : {own.certificate("a"), own.key("a")})
    std::ofstream{each} << "half of a certificate";
  CHECK(call(own.options("b") + address + " call echo 42").output == "42\n");
  daemon.signal(SIGTERM);
  CHECK(daemon.wait() == 0);
}
