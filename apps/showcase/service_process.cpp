#include "showcase/service_process.hpp"

#include <httplib.h>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>

extern char** environ;

namespace showcase {

namespace {

constexpr auto greeting = "listening on ";

// The first line that the child prints; empty where it ended before.
std::string first_line(int fd) {
  std::string line;
  for (char c = 0; ::read(fd, &c, 1) == 1 && c != '\n';)
    line += c;
  return line;
}

} // namespace

std::string flaky_service_beside_us() {
  const auto ours = std::filesystem::read_symlink("/proc/self/exe");
  return (ours.parent_path() / "flaky_service").string();
}

service_process::service_process(std::string program) : program_(std::move(program)) {
  start(0);
}

void service_process::start(int port) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    throw std::runtime_error{"no pipe for flaky_service"};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  auto port_text = std::to_string(port);
  std::string words[] = {program_, "--port", port_text, "--end-with-parent"};
  char* arguments[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
  const auto failed =
      ::posix_spawn(&id_, program_.c_str(), &actions, nullptr, arguments, environ) != 0;
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  const auto line = failed ? std::string{} : first_line(ends[0]);
  ::close(ends[0]);
  if (failed)
    id_ = 0;
  if (!line.starts_with(greeting)) {
    kill();
    throw std::runtime_error{"can't start " + program_};
  }
  url_ = line.substr(std::string{greeting}.size());
}

void service_process::kill() {
  if (id_ == 0)
    return;
  ::kill(id_, SIGKILL);
  ::waitpid(id_, nullptr, 0);
  id_ = 0;
}

void service_process::restart() {
  kill();
  start(std::stoi(url_.substr(url_.rfind(':') + 1)));
}

void service_process::order(const nlohmann::json& faults) const {
  const auto result = httplib::Client{url_}.Post("/faults", faults.dump(), "application/json");
  if (!result || result->status != 200)
    throw std::runtime_error{"flaky_service does not take " + faults.dump()};
}

std::uint64_t service_process::requests() const {
  const auto result = httplib::Client{url_}.Get("/stats");
  if (!result)
    throw std::runtime_error{"flaky_service does not say what it counted"};
  return nlohmann::json::parse(result->body).at("requests").get<std::uint64_t>();
}

} // namespace showcase
