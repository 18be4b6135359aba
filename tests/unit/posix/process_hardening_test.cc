#include "posix/process_hardening.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#include <sys/uio.h>
#endif

#include <csignal>
#include <cstdlib>

namespace attune {
namespace {

// Runs in a child, since it cannot be undone. Returns its exit code.
template <typename Body>
int InAChild(const Body& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(ForbidCoreDumps, LeavesNoLimitToRaise) {
  EXPECT_EQ(InAChild([] {
              if (!ForbidCoreDumps().ok() || !ForbidCoreDumps().ok()) return 1;
              rlimit limit;
              if (getrlimit(RLIMIT_CORE, &limit) != 0) return 2;
              return limit.rlim_cur == 0 && limit.rlim_max == 0 ? 0 : 3;
            }),
            0);
}

TEST(ForbidCoreDumps, ACrashLeavesNoCore) {
  const pid_t child = fork();
  if (child == 0) {
    rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) != 0) _exit(2);
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_CORE, &limit) != 0) _exit(3);
    if (!ForbidCoreDumps().ok()) _exit(1);
    std::abort();
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGABRT);
  EXPECT_FALSE(WCOREDUMP(status));
}

#ifdef __linux__
TEST(ForbidCoreDumps, MakesTheProcessNotDumpable) {
  EXPECT_EQ(InAChild([] {
              if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 1) return 2;
              if (!ForbidCoreDumps().ok()) return 1;
              return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 3;
            }),
            0);
}

// As one of the user's other programs would; root may read everything.
TEST(ForbidCoreDumps, NobodyElseOfTheUserReadsItsMemory) {
  constexpr uid_t kNobody = 65534;
  const auto can_read = [](bool hardened) {
    return InAChild([hardened] {
      if (geteuid() == 0 && (setgid(kNobody) != 0 || setuid(kNobody) != 0)) return 10;
      // Changing the user has made this process not dumpable already.
      if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) return 11;
      static char secret[6] = "plain";
      int ready[2], done[2];
      if (pipe(ready) != 0 || pipe(done) != 0) return 12;
      const pid_t holder = fork();
      if (holder == 0) {
        if (hardened && !ForbidCoreDumps().ok()) _exit(1);
        char byte = 0;
        if (write(ready[1], &byte, 1) != 1) _exit(2);
        close(done[1]);
        _exit(read(done[0], &byte, 1) == 0 ? 0 : 3);
      }
      char byte;
      if (read(ready[0], &byte, 1) != 1) return 13;
      char copy[6] = {};
      const iovec local = {copy, sizeof copy};
      const iovec remote = {secret, sizeof secret};
      const bool readable = process_vm_readv(holder, &local, 1, &remote, 1, 0) == sizeof copy;
      close(done[1]);
      int status = 0;
      waitpid(holder, &status, 0);
      return readable ? 1 : 0;
    });
  };
  // Some sandboxes forbid it altogether.
  const int unhardened = can_read(false);
  if (unhardened == 0) GTEST_SKIP() << "no process may read another's memory here";
  ASSERT_EQ(unhardened, 1);
  EXPECT_EQ(can_read(true), 0);
}
#endif

}  // namespace
}  // namespace attune
