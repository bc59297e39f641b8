#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <vector>

extern char** environ;

namespace bulwark_tests {

/// A program whose standard input and output are ours: it hears when we end, whatever ends us.
struct spoken_process {
  pid_t id = 0;
  int input = -1;
  int output = -1;
};

/// `words`: the program, looked for as a shell does, and its arguments. `errors_to`: a file that its
/// standard error is appended to, else that is ours. Throws std::runtime_error where it doesn't start.
inline spoken_process speak_to(std::vector<std::string> words, const std::string& errors_to = {}) {
  int input[2];
  int output[2];
  if (::pipe2(input, O_CLOEXEC) != 0)
    throw std::runtime_error{"no pipe to " + words[0]};
  if (::pipe2(output, O_CLOEXEC) != 0) {
    ::close(input[0]);
    ::close(input[1]);
    throw std::runtime_error{"no pipe from " + words[0]};
  }
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
  if (!errors_to.empty())
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors_to.c_str(),
                                       O_CREAT | O_WRONLY | O_APPEND, 0600);
  std::vector<char*> arguments;
  for (auto& word : words)
    arguments.push_back(word.data());
  arguments.push_back(nullptr);
  spoken_process result{.input = input[1], .output = output[0]};
  const auto failed =
      ::posix_spawnp(&result.id, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(input[0]);
  ::close(output[1]);
  if (failed != 0) {
    ::close(result.input);
    ::close(result.output);
    throw std::runtime_error{words[0] + " does not start"};
  }
  return result;
}

} // namespace bulwark_tests
