// A guarded call against the same call through others' libraries, each in a program of its own (peers/).

#include "load.hpp"
#include "measure.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench {

namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr auto patience = 60s;         // with a peer's answer
constexpr auto patience_at_end = 2s;   // until it is killed
constexpr double shortest_slice = 1e8; // ns

class descriptor {
public:
  explicit descriptor(int number = -1) : number_(number) {}
  ~descriptor() { close(); }
  descriptor(descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }

  [[nodiscard]] int number() const noexcept { return number_; }

  void close() noexcept {
    if (number_ >= 0)
      ::close(std::exchange(number_, -1));
  }

private:
  int number_;
};

struct pipe_ends {
  descriptor out; // what is written into the other comes out of this one
  descriptor in;
};

pipe_ends make_pipe() {
  std::array<int, 2> numbers{};
  if (::pipe2(numbers.data(), O_CLOEXEC) != 0)
    throw std::runtime_error(fmt::format("no pipe: {}", std::strerror(errno)));
  return {descriptor{numbers[0]}, descriptor{numbers[1]}};
}

// A program whose standard input and output are ours to write and read.
class child_process {
public:
  explicit child_process(std::vector<std::string> command);
  ~child_process();
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;

  void write_line(const std::string& line);

  // The next line; nothing where the program has ended, or says none in that time.
  std::optional<std::string> read_line(std::chrono::milliseconds time);

private:
  pid_t id_ = -1;
  descriptor to_;
  descriptor from_;
  std::string read_; // and not yet asked for
};

child_process::child_process(std::vector<std::string> command) {
  // One that has ended shows in what is read from it: writing to it is not to end us too.
  std::signal(SIGPIPE, SIG_IGN);
  auto input = make_pipe();
  auto output = make_pipe();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input.out.number(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output.in.number(), STDOUT_FILENO);
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (auto& each : command)
    arguments.push_back(each.data());
  arguments.push_back(nullptr);
  const auto failure =
      ::posix_spawnp(&id_, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0)
    throw std::runtime_error(
        fmt::format("can't start '{}': {}", command.front(), std::strerror(failure)));
  to_ = std::move(input.in);
  from_ = std::move(output.out);
}

child_process::~child_process() {
  to_.close();
  // At the end of its input it ends. One that doesn't is not to keep us from ending.
  static_cast<void>(read_line(patience_at_end));
  ::kill(id_, SIGKILL);
  ::waitpid(id_, nullptr, 0);
}

void child_process::write_line(const std::string& line) {
  const auto text = line + '\n';
  // So short that a pipe takes it whole; a failure shows when the answer stays out.
  static_cast<void>(!::write(to_.number(), text.data(), text.size()));
}

std::optional<std::string> child_process::read_line(std::chrono::milliseconds time) {
  const auto give_up = steady::now() + time;
  for (;;) {
    if (const auto end = read_.find('\n'); end != std::string::npos) {
      auto line = read_.substr(0, end);
      read_.erase(0, end + 1);
      return line;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(give_up - steady::now());
    pollfd readable{from_.number(), POLLIN, 0};
    if (left <= 0ms || ::poll(&readable, 1, static_cast<int>(left.count())) <= 0)
      return std::nullopt;
    std::array<char, 256> buffer{};
    const auto count = ::read(from_.number(), buffer.data(), buffer.size());
    if (count <= 0)
      return std::nullopt;
    read_.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

// A peer's program: says "ready", then answers each number of calls with the nanoseconds for one.
class peer {
public:
  explicit peer(const std::vector<std::string>& command) : program_(command) {
    if (const auto line = answer(); line != "ready")
      throw std::runtime_error(fmt::format("its program says '{}' instead of 'ready'", line));
  }

  double run(std::size_t calls) {
    program_.write_line(std::to_string(calls));
    const auto line = answer();
    char* end = nullptr;
    const auto nanoseconds = std::strtod(line.c_str(), &end);
    if (end == line.c_str() || !(nanoseconds > 0))
      throw std::runtime_error(fmt::format("its program says '{}', which is no time", line));
    return nanoseconds;
  }

private:
  std::string answer() {
    auto line = program_.read_line(patience);
    if (!line)
      throw std::runtime_error(
          fmt::format("its program has ended, or not answered within {} s", patience.count()));
    return *line;
  }

  child_process program_;
};

// Slices of as many calls as take long enough. Finding out also warms up: a peer's code is translated
// for the machine only once it has run for a while.
std::function<double()> slices_of(std::function<double(std::size_t)> run) {
  std::size_t calls = 10'000;
  run(calls); // cold: says nothing about the next
  while (run(calls) * static_cast<double>(calls) < shortest_slice)
    calls *= 2;
  return [calls, run = std::move(run)] { return run(calls); };
}

// `needed` are files without which the command can't run.
figure guarded_against(const std::string& id, const std::vector<std::string>& command,
                       const std::vector<std::filesystem::path>& needed) {
  for (const auto& each : needed)
    if (!std::filesystem::exists(each))
      throw std::runtime_error(
          fmt::format("there is no {}; ./dev bench peers installs it", each.string()));
  peer other{command};
  guarded_target t;
  auto guarded = t.calls_to(t.guard);
  progress(id + ": warming up");
  const auto ours = slices_of([&](std::size_t calls) { return guarded.run(calls); });
  const auto theirs = slices_of([&](std::size_t calls) { return other.run(calls); });
  progress(fmt::format("{}: a guarded call takes about {:.0f} ns, the peer's {:.0f} ns", id, ours(),
                       theirs()));
  return ratio(id, ours, theirs);
}

// Node's warnings are off: cockatiel has as many listeners on one signal as calls are in flight.
figure against_node(const std::string& id, const std::filesystem::path& folder) {
  const auto program = folder / (id + ".mjs");
  return guarded_against(id, {"node", "--no-warnings", program.string()},
                         {program, folder / "node_modules" / id});
}

figure against_erlang(const std::string& id, const std::filesystem::path& folder) {
  const auto program = folder / (id + ".escript");
  return guarded_against(id, {"escript", program.string()}, {program});
}

} // namespace

std::vector<benchmark> peer_benchmarks(const std::filesystem::path& folder) {
  const auto with_node = [folder](const std::string& id) { return against_node(id, folder); };
  const auto with_erlang = [folder](const std::string& id) { return against_erlang(id, folder); };
  return {
      {"opossum", "guarded call against npm's opossum with a retry around it", 0.5, 0.5, true,
       with_node, true},
      {"cockatiel", "guarded call against npm's cockatiel, all four patterns", 0.1, 0.1, true,
       with_node, true},
      {"gen_server", "guarded call against Erlang's gen_server:call with its timeout", 1.0, 0.5,
       true, with_erlang, true},
  };
}

} // namespace bench
