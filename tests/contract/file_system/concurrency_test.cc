// What the FileSystem port promises to several threads and processes.

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "contract/file_system/file_systems.h"

namespace attune::testing {
namespace {

using ::testing::ElementsAre;

using FileSystemConcurrency = FileSystemContract;
INSTANTIATE_TEST_SUITE_P(Every, FileSystemConcurrency, ::testing::ValuesIn(kFileSystems), CaseName);

TEST_P(FileSystemConcurrency, ALockExcludesEverybodyElseUntilItIsDropped) {
  ASSERT_OK_AND_ASSIGN(auto lock, files().Lock(Path("lock"), 0));
  EXPECT_TRUE(files().Exists(Path("lock")));
  for (FileSystem* someone : {&files(), &other()}) {
    const auto second = someone->Lock(Path("lock"), 0);
    EXPECT_EQ(second.status().code(), StatusCode::kUnavailable);
    EXPECT_THAT(second.status().message(), ::testing::StartsWith("lock: locked by somebody else"));
    EXPECT_OK(someone->Lock(Path("another"), 0));
  }
  lock.reset();
  EXPECT_TRUE(files().Exists(Path("lock")));
  EXPECT_OK(other().Lock(Path("lock"), 0));
}

TEST_P(FileSystemConcurrency, ALockFileKeepsItsContents) {
  ASSERT_OK(Write(Path("lock"), "precious"));
  ASSERT_OK_AND_ASSIGN(const auto lock, files().Lock(Path("lock"), 0));
  EXPECT_EQ(Contents(Path("lock")), "precious");
}

TEST_P(FileSystemConcurrency, ALockIsWaitedForAsLongAsAskedAndNoLonger) {
  using std::chrono::steady_clock;
  ASSERT_OK_AND_ASSIGN(const auto lock, files().Lock(Path("lock"), 0));
  const auto begin = steady_clock::now();
  EXPECT_EQ(other().Lock(Path("lock"), 0.05).status().code(), StatusCode::kUnavailable);
  const std::chrono::duration<double> waited = steady_clock::now() - begin;
  EXPECT_GE(waited.count(), 0.02);  // The last pause before the deadline may be skipped.
  EXPECT_LT(waited.count(), 30.0);  // Whatever else the machine is doing.
}

TEST_P(FileSystemConcurrency, ADroppedLockGoesToTheOneWhoWaits) {
  ASSERT_OK_AND_ASSIGN(auto lock, files().Lock(Path("lock"), 0));
  std::atomic<bool> dropped = false;
  std::thread waiting([&] {
    const auto second = other().Lock(Path("lock"), 60);
    EXPECT_OK(second);
    EXPECT_TRUE(dropped.load());
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  dropped = true;
  lock.reset();
  waiting.join();
}

TEST_P(FileSystemConcurrency, NeverTwoHoldersAtOnce) {
  std::atomic<int> holders = 0;
  std::atomic<int> turns = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        const auto lock = (t % 2 == 0 ? files() : other()).Lock(Path("lock"), 60);
        ASSERT_OK(lock);
        EXPECT_EQ(holders.fetch_add(1), 0);
        ++turns;
        std::this_thread::yield();
        holders.fetch_sub(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(turns.load(), 40);
}

TEST_P(FileSystemConcurrency, ReadersSeeTheOldBytesOrTheNewOnes) {
  const std::string old_bytes(5'000, 'o');
  const std::string new_bytes(20'000, 'n');
  ASSERT_OK(Write(Path("a"), old_bytes));
  std::atomic<bool> done = false;
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      do {
        const auto text = other().Read(Path("a"), 1 << 20);
        ASSERT_OK(text);
        ASSERT_TRUE(*text == old_bytes || *text == new_bytes) << text->size();
      } while (!done);
    });
  }
  for (int i = 0; i < 50; ++i) ASSERT_OK(Write(Path("a"), i % 2 == 0 ? new_bytes : old_bytes));
  done = true;
  for (std::thread& reader : readers) reader.join();
}

TEST_P(FileSystemConcurrency, WritersOfOneFileDoNotMix) {
  std::vector<std::thread> writers;
  for (char c = 'a'; c < 'e'; ++c) {
    writers.emplace_back([this, c] {
      for (int i = 0; i < 5; ++i) EXPECT_OK(Write(Path("shared"), std::string(10'000, c)));
    });
  }
  for (std::thread& writer : writers) writer.join();
  const std::string text = Contents(Path("shared"));
  ASSERT_EQ(text.size(), 10'000u);
  EXPECT_EQ(text, std::string(10'000, text[0]));
  EXPECT_THAT(Names(), ElementsAre("shared"));
}

// --- Processes: POSIX only ---

// A child that holds the lock until it is killed; its pid once it does.
pid_t ForkHolder(const std::string& path) {
  int ready[2];
  if (pipe(ready) != 0) return -1;
  const pid_t child = fork();
  if (child == 0) {
    PosixFileSystem files;
    const auto lock = files.Lock(path, 60);
    const char held = lock.ok() ? 'y' : 'n';
    if (write(ready[1], &held, 1) != 1) _exit(1);
    while (true) pause();
  }
  close(ready[1]);
  char held = 'n';
  const bool answered = read(ready[0], &held, 1) == 1;
  close(ready[0]);
  return answered && held == 'y' ? child : -1;
}

TEST(PosixLockOfAProcess, EndsWithItEvenByKill9) {
  TemporaryDirectory directory;
  PosixFileSystem files;
  for (int i = 0; i < 5; ++i) {
    const pid_t child = ForkHolder(directory / "lock");
    ASSERT_GT(child, 0);
    EXPECT_EQ(files.Lock(directory / "lock", 0).status().code(), StatusCode::kUnavailable);
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_OK(files.Lock(directory / "lock", 0));
  }
}

TEST(PosixLockOfAProcess, IsNotTakenAlongByAProgramItStarts) {
  TemporaryDirectory directory;
  PosixFileSystem files;
  ASSERT_OK_AND_ASSIGN(auto lock, files.Lock(directory / "lock", 0));
  const pid_t child = fork();
  if (child == 0) {
    execl("/bin/sleep", "sleep", "60", nullptr);
    _exit(1);
  }
  lock.reset();
  // Until the exec, the child has the descriptor too.
  EXPECT_OK(files.Lock(directory / "lock", 30));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace attune::testing
