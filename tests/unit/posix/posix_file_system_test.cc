#include "posix/posix_file_system.h"

#include <gmock/gmock.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <thread>
#include <vector>

#include "posix/descriptor.h"
#include "posix/open_file.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A directory of its own for every test, removed afterwards.
class PosixFileSystemTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "attune-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }

  Status Write(const std::string& path, std::string_view first, std::string_view second = "") {
    const std::span<const std::byte> parts[] = {std::as_bytes(std::span(first)),
                                                std::as_bytes(std::span(second))};
    return fs_.WriteAtomically(path, parts);
  }

  std::size_t FilesInDirectory() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory_)) {
      ++count;
    }
    return count;
  }

  PosixFileSystem fs_;
  std::string directory_;
};

TEST_F(PosixFileSystemTest, ANamedPipeIsRefusedWithoutWaiting) {
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(fs_.Read(Path("pipe"), 9).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(fs_.Map(Path("pipe")).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(fs_.OpenForAppending(Path("pipe")).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(fs_.Lock(Path("pipe"), 0).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(fs_.IsPrivate(Path("pipe")).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(PosixFileSystemTest, AFileOrDirectoryOpenToOthersIsNotPrivate) {
  ASSERT_OK(Write(Path("a"), "secret"));
  for (const mode_t mode : {0640, 0620, 0604, 0602, 0601, 0610}) {
    ASSERT_EQ(chmod(Path("a").c_str(), mode), 0);
    ASSERT_OK_AND_ASSIGN(const bool is_private, fs_.IsPrivate(Path("a")));
    EXPECT_FALSE(is_private) << std::oct << mode;
  }
  ASSERT_EQ(chmod(directory_.c_str(), 0755), 0);
  ASSERT_OK_AND_ASSIGN(const bool is_private, fs_.IsPrivate(directory_));
  EXPECT_FALSE(is_private);
}

TEST_F(PosixFileSystemTest, AFileOfSomebodyElseIsNotPrivate) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  ASSERT_OK(Write(Path("a"), "secret"));
  ASSERT_EQ(chown(Path("a").c_str(), 12345, static_cast<gid_t>(-1)), 0);
  ASSERT_OK_AND_ASSIGN(const bool is_private, fs_.IsPrivate(Path("a")));
  EXPECT_FALSE(is_private);
}

// Hubs keep their models behind links, so reading follows them; whatever is written
// stays inside the directory it was meant for.
TEST_F(PosixFileSystemTest, ReadsThroughLinksButDoesNotWriteOrLockThroughThem) {
  ASSERT_OK(fs_.CreateDirectories(Path("outside")));
  ASSERT_OK(Write(Path("outside/a"), "theirs"));
  ASSERT_EQ(symlink(Path("outside/a").c_str(), Path("link").c_str()), 0);
  ASSERT_EQ(symlink(Path("outside/new").c_str(), Path("dangling").c_str()), 0);
  ASSERT_OK_AND_ASSIGN(const std::string text, fs_.Read(Path("link"), 100));
  EXPECT_EQ(text, "theirs");
  EXPECT_EQ(fs_.OpenForAppending(Path("link")).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(fs_.IsPrivate(Path("link")).status().code(), StatusCode::kInvalidArgument);
  for (const char* name : {"link", "dangling"}) {
    EXPECT_EQ(fs_.Lock(Path(name), 0).status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(fs_.Create(Path(name)).status().code(), StatusCode::kFailedPrecondition);
  }
  EXPECT_FALSE(fs_.Exists(Path("outside/new")));
  ASSERT_OK(Write(Path("link"), "mine"));  // Replaces the link.
  ASSERT_OK_AND_ASSIGN(const std::string theirs, fs_.Read(Path("outside/a"), 100));
  EXPECT_EQ(theirs, "theirs");
}

// Whoever waits may have opened a file that its holder then removed: a lock on a file
// without a name would exclude nobody.
TEST_F(PosixFileSystemTest, ALockIsOnTheFileThatHasTheName) {
  std::atomic<int> holders = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        const auto lock = fs_.Lock(Path("lock"), 60);
        ASSERT_OK(lock);
        ASSERT_EQ(holders.fetch_add(1), 0);
        sched_yield();
        holders.fetch_sub(1);
        ASSERT_OK(fs_.Remove(Path("lock")));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(PosixFileSystemTest, SaysInTheSystemsWordsWhatWentWrong) {
  EXPECT_THAT(fs_.Map(Path("gone")).status().message(), HasSubstr("gone: open: No such file"));
}

TEST_F(PosixFileSystemTest, CreatesDirectoriesPastDoubledSlashes) {
  ASSERT_OK(fs_.CreateDirectories(Path("x//y/z/")));
  EXPECT_TRUE(fs_.IsDirectory(Path("x/y/z")));
}

TEST_F(PosixFileSystemTest, NewFilesAndDirectoriesAreTheUsersAlone) {
  ASSERT_OK(Write(Path("a"), "secret"));
  struct stat info;
  ASSERT_EQ(stat(Path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_OK(fs_.CreateDirectories(Path("x/y/z")));
  ASSERT_EQ(stat(Path("x/y").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

// A write that fails half-way: the old bytes stay and no temporary file does.
TEST_F(PosixFileSystemTest, AFailedWriteChangesNothing) {
  ASSERT_OK(Write(Path("a"), "old"));
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 4096;
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status status = Write(Path("a"), std::string(4000, 'x'), std::string(4000, 'y'));
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_THAT(status.message(), StartsWith("a: "));
  EXPECT_THAT(status.message(), HasSubstr("write: File too large"));
  ASSERT_OK_AND_ASSIGN(const std::string text, fs_.Read(Path("a"), 100));
  EXPECT_EQ(text, "old");
  EXPECT_EQ(FilesInDirectory(), 1u);
}

// The device that is always full.
TEST_F(PosixFileSystemTest, NoSpaceIsItsOwnErrorAndStays) {
  const Descriptor full = OpenRetrying("/dev/full", O_WRONLY);
  if (!full.ok()) GTEST_SKIP() << "no /dev/full";
  PosixWritableFile file(OpenRetrying("/dev/full", O_WRONLY), Path("a"));
  const Status status = file.Append(std::as_bytes(std::span("text")));
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "a: no space left with 5 bytes to write");
  EXPECT_EQ(file.Append({}).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(file.Sync().code(), StatusCode::kResourceExhausted);
  for (const int error : {ENOSPC, EDQUOT}) {
    EXPECT_EQ(SystemError("a", "create", error).code(), StatusCode::kResourceExhausted);
  }
}

TEST_F(PosixFileSystemTest, AFailedRenameLeavesNoTemporaryFile) {
  // The target's name is too long for any file system, the temporary's is not.
  const Status status = Write(Path(std::string(300, 'n')), "x");
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(FilesInDirectory(), 0u);
}

}  // namespace
}  // namespace attune
