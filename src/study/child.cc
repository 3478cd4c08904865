#include "study/child.h"

#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

extern char** environ;

namespace pawl {

Result<int> RunSelf(const std::vector<std::string>& arguments, const std::function<int()>& stop) {
  std::vector<std::string> words = {"pawl"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  pid_t child = 0;
  const int failed = posix_spawn(&child, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    return Fail(ErrorCode::kResources,
                fmt::format("{}: cannot be started: {}", arguments.front(), std::strerror(failed)));
  }
  bool passed_on = false;
  for (;;) {
    int status = 0;
    const pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended == child) {
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    if (ended < 0 && errno != EINTR) {
      return Fail(ErrorCode::kInternal,
                  fmt::format("waiting for {}: {}", arguments.front(), std::strerror(errno)));
    }
    if (!passed_on && stop() != 0) {
      kill(child, SIGTERM);
      passed_on = true;
    }
    usleep(20'000);
  }
}

}  // namespace pawl
