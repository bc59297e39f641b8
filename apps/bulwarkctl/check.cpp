// `config check`: bulwarkd itself knows best what is wrong with a file.
#include "bulwarkctl/commands.hpp"
#include "bulwarkctl/output.hpp"
#include "bulwarkctl/text.hpp"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace bulwarkctl {

namespace {

// The one beside this program, else one that is found in $PATH.
std::string daemon_program(const options& wanted) {
  if (!wanted.daemon.empty())
    return wanted.daemon;
  std::error_code failed;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", failed);
  auto beside = (own.parent_path() / "bulwarkd").string();
  return !failed && ::access(beside.c_str(), X_OK) == 0 ? beside : "bulwarkd";
}

struct ended {
  int status = 0;
  std::string output; ///< stdout and stderr
};

ended run(std::vector<std::string> words) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (auto& each : words)
    arguments.push_back(each.data());
  arguments.push_back(nullptr);
  int pipe[2];
  if (::pipe(pipe) != 0)
    throw failure{refused, "no pipe"};
  const auto child = ::fork();
  if (child < 0)
    throw failure{refused, std::string{"no process: "} + std::strerror(errno)};
  if (child == 0) {
    ::dup2(pipe[1], STDOUT_FILENO);
    ::dup2(pipe[1], STDERR_FILENO);
    ::close(pipe[0]);
    ::close(pipe[1]);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(pipe[1]);
  ended result;
  std::array<char, 4096> buffer{};
  for (ssize_t count = 0; (count = ::read(pipe[0], buffer.data(), buffer.size())) > 0;)
    result.output.append(buffer.data(), static_cast<std::size_t>(count));
  ::close(pipe[0]);
  ::waitpid(child, &result.status, 0);
  return result;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> result;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find('\n', begin), text.size());
    if (end > begin)
      result.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return result;
}

} // namespace

void config_check(const options& wanted) {
  const auto program = daemon_program(wanted);
  const auto end = run({program, "--config-file=" + wanted.file, "--check"});
  if (!WIFEXITED(end.status) || WEXITSTATUS(end.status) == 127)
    throw failure{refused, fmt::format("{}: can't be run", safe(program))};
  const auto fine = WEXITSTATUS(end.status) == 0;
  const json document{{"ok", fine}, {"said", lines_of(end.output)}};
  std::string text;
  for (const auto& line : lines_of(end.output))
    text += safe(line) + '\n';
  if (!fine)
    throw failure{refused, fmt::format("{} is wrong\n{}", safe(wanted.file), text),
                  line_of(document)};
  if (wanted.as_json)
    print(line_of(document) + '\n');
  else
    print(text.empty() ? safe(wanted.file) + " is right\n" : text);
}

} // namespace bulwarkctl
