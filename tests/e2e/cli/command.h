// Runs the `attune` command as a user does: another process, seen from outside.

#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "support/temporary_directory.h"

extern char** environ;

namespace attune::testing {

inline std::string FileBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void PutFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// Every file below `directory` with its bytes: to show that nothing was written.
inline std::map<std::string, std::string> Snapshot(const std::string& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    files[entry.path().string()] = entry.is_regular_file() ? FileBytes(entry.path()) : "";
  }
  return files;
}

inline std::string AttunePath() { return std::string(ATTUNE_BINARY_DIR) + "/bin/attune"; }

// A running command; its output goes to files below `scratch`, its input comes
// from the file `input`, if any.
class Command {
 public:
  Command(const TemporaryDirectory& scratch, std::vector<std::string> arguments,
          const std::string& input = "/dev/null")
      : out_(scratch / "stdout"), err_(scratch / "stderr") {
    arguments.insert(arguments.begin(), AttunePath());
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, input.c_str(), O_RDONLY, 0);
    for (const auto& [descriptor, path] : {std::pair{1, &out_}, std::pair{2, &err_}}) {
      posix_spawn_file_actions_addopen(&actions, descriptor, path->c_str(),
                                       O_WRONLY | O_CREAT | O_TRUNC, 0600);
    }
    EXPECT_EQ(posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ), 0)
        << "cannot start " << argv[0];
    posix_spawn_file_actions_destroy(&actions);
  }

  pid_t pid() const { return pid_; }
  std::string out() const { return FileBytes(out_); }
  std::string err() const { return FileBytes(err_); }

  // The exit code; -1 when a signal ended it.
  int Wait() {
    int status = 0;
    if (waitpid(pid_, &status, 0) != pid_ || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
  }

 private:
  std::string out_, err_;
  pid_t pid_ = -1;
};

struct CommandResult {
  int exit_code = -1;
  std::string out;
  std::string err;
};

// `input`: what the command reads from its standard input.
inline CommandResult RunAttune(const std::vector<std::string>& arguments,
                               const std::string& input = "") {
  const TemporaryDirectory scratch;
  PutFile(scratch / "stdin", input);
  Command command(scratch, arguments, scratch / "stdin");
  const int exit_code = command.Wait();
  return {exit_code, command.out(), command.err()};
}

// One error line, on stderr alone.
inline void ExpectOneLineError(const CommandResult& result, int exit_code,
                               const std::string& start) {
  EXPECT_EQ(result.exit_code, exit_code) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  EXPECT_TRUE(result.err.starts_with(start)) << result.err;
}

}  // namespace attune::testing
