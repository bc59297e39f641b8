#include "soak/peer.hpp"

#include "soak/targets.hpp"
#include "soak/types.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <stdexcept>
#include <string>

extern char** environ;

namespace soak {

int run_peer(caf::actor_system& system, std::uint16_t port) {
  using namespace std::chrono_literals;
  bulwark::node node{system, "peer"};
  auto pool = node.shared_bulkhead("pool", {.max_workers = 20, .queue_size = 1000});
  auto circuit = node.shared_circuit_breaker("circuit", {.open_for = 500ms});
  auto target = system.spawn(steady_target);
  auto guard = node.guard("db", target, {.deadline = 1s, .breaker = circuit, .bulkhead = pool});
  std::cout << bulwark::publish(node, port) << std::endl;
  for (std::string line; std::getline(std::cin, line);)
    continue;
  caf::anon_send_exit(target, caf::exit_reason::kill);
  return 0;
}

void peer_process::kill() {
  if (id_ == 0)
    return;
  ::kill(id_, SIGKILL);
  ::waitpid(id_, nullptr, 0);
  ::close(input_);
  id_ = 0;
}

void peer_process::start() {
  int input[2];
  int output[2];
  if (::pipe2(input, O_CLOEXEC) != 0 || ::pipe2(output, O_CLOEXEC) != 0)
    throw std::runtime_error{"no pipes for the other process"};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
  std::string words[] = {"soak", "--peer", std::to_string(port_)};
  char* arguments[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  const auto failed = ::posix_spawn(&id_, "/proc/self/exe", &actions, nullptr, arguments, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(input[0]);
  ::close(output[1]);
  input_ = input[1];
  std::string line;
  for (char c = 0; failed == 0 && ::read(output[0], &c, 1) == 1 && c != '\n';)
    line += c;
  ::close(output[0]);
  if (failed != 0)
    id_ = 0;
  if (line.empty())
    throw std::runtime_error{"the other process does not start"};
  port_ = static_cast<std::uint16_t>(std::stoi(line));
}

} // namespace soak
