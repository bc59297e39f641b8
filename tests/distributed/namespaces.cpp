#include "distributed/namespaces.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <system_error>

namespace bulwark_tests {

namespace {

constexpr const char* family = "bulwark-";
constexpr const char* folder = "/var/run/netns";

// Returns what it says; throws where it fails.
std::string run(const std::string& command) {
  std::string said;
  auto* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr)
    throw std::runtime_error{"can't run " + command};
  for (std::array<char, 256> piece; std::fgets(piece.data(), piece.size(), pipe) != nullptr;)
    said += piece.data();
  if (::pclose(pipe) != 0)
    throw std::runtime_error{command + ": " + said};
  return said;
}

// Those of tests that are no more: a name is bulwark-PROCESS-WHAT.
void sweep() {
  std::error_code none;
  for (const auto& each : std::filesystem::directory_iterator{folder, none}) {
    const auto name = each.path().filename().string();
    if (name.rfind(family, 0) != 0)
      continue;
    const auto process = std::atoi(name.c_str() + std::string{family}.size());
    if (process <= 0 || ::kill(process, 0) == 0 || errno != ESRCH)
      continue;
    try {
      run("ip netns del " + name);
    } catch (const std::runtime_error&) {
      continue; // somebody else sweeps as well
    }
  }
}

} // namespace

std::string network::forbidden() {
  const auto probe = family + std::to_string(::getpid()) + "-probe";
  try {
    run("ip netns add " + probe);
    run("ip netns del " + probe);
    return {};
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

network::network(std::size_t hosts)
    : prefix_(family + std::to_string(::getpid()) + "-"), hosts_(hosts) {
  sweep();
  try {
    run("ip netns add " + bridge());
    run("ip -n " + bridge() + " link add hub type bridge");
    run("ip -n " + bridge() + " link set hub up");
    for (std::size_t i = 0; i < hosts_; ++i)
      add(i);
  } catch (...) {
    remove();
    throw;
  }
}

network::~network() {
  remove();
}

std::string network::address(std::size_t host) const {
  return "10.77.0." + std::to_string(host + 1);
}

std::vector<std::string> network::command(std::size_t host,
                                          const std::vector<std::string>& program) const {
  std::vector<std::string> result{"ip", "netns", "exec", name(host)};
  result.insert(result.end(), program.begin(), program.end());
  return result;
}

void network::enter(std::size_t host) const {
  const auto place = std::string{folder} + "/" + name(host);
  const int file = ::open(place.c_str(), O_RDONLY | O_CLOEXEC);
  const bool entered = file >= 0 && ::setns(file, CLONE_NEWNET) == 0;
  ::close(file);
  if (!entered)
    throw std::runtime_error{"can't enter " + place};
}

void network::link_down(std::size_t host) {
  run("ip -n " + bridge() + " link set port" + std::to_string(host) + " nomaster");
}

void network::link_up(std::size_t host) {
  run("ip -n " + bridge() + " link set port" + std::to_string(host) + " master hub");
}

std::string network::name(std::size_t host) const {
  return prefix_ + "host" + std::to_string(host);
}

std::string network::bridge() const {
  return prefix_ + "bridge";
}

void network::add(std::size_t host) const {
  const auto port = "port" + std::to_string(host);
  run("ip netns add " + name(host));
  run("ip -n " + bridge() + " link add " + port + " type veth peer name eth0 netns " + name(host));
  run("ip -n " + bridge() + " link set " + port + " master hub up");
  run("ip -n " + name(host) + " addr add " + address(host) + "/24 dev eth0");
  run("ip -n " + name(host) + " link set lo up");
  run("ip -n " + name(host) + " link set eth0 up");
}

void network::remove() const noexcept {
  for (std::size_t i = 0; i <= hosts_; ++i) {
    try {
      run("ip netns del " + (i < hosts_ ? name(i) : bridge()));
    } catch (const std::runtime_error&) {
      continue; // it was not there
    }
  }
}

} // namespace bulwark_tests
