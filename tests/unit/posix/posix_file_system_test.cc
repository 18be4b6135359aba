#include "posix/posix_file_system.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/strings.h"
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

TEST_F(PosixFileSystemTest, ReadsMapsAndMeasuresWhatItWrote) {
  ASSERT_OK(Write(Path("a"), "hello ", "world"));
  EXPECT_TRUE(fs_.Exists(Path("a")));
  EXPECT_FALSE(fs_.IsDirectory(Path("a")));
  EXPECT_TRUE(fs_.IsDirectory(directory_));
  ASSERT_OK_AND_ASSIGN(const std::uint64_t size, fs_.Size(Path("a")));
  EXPECT_EQ(size, 11u);
  ASSERT_OK_AND_ASSIGN(const std::string text, fs_.Read(Path("a"), 11));
  EXPECT_EQ(text, "hello world");
  ASSERT_OK_AND_ASSIGN(const auto mapped, fs_.Map(Path("a")));
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(mapped->bytes().data()),
                             mapped->bytes().size()),
            "hello world");
}

TEST_F(PosixFileSystemTest, AnEmptyFileMapsToNothing) {
  ASSERT_OK(Write(Path("empty"), ""));
  ASSERT_OK_AND_ASSIGN(const auto mapped, fs_.Map(Path("empty")));
  EXPECT_TRUE(mapped->bytes().empty());
  ASSERT_OK_AND_ASSIGN(const std::string text, fs_.Read(Path("empty"), 0));
  EXPECT_EQ(text, "");
}

TEST_F(PosixFileSystemTest, ReadRefusesMoreThanTheLimit) {
  ASSERT_OK(Write(Path("a"), "hello"));
  const auto text = fs_.Read(Path("a"), 4);
  EXPECT_EQ(text.status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(text.status().message(), "a: 5 bytes, allowed at most 4");
}

TEST_F(PosixFileSystemTest, ErrorsSayWhichFileButNotWhere) {
  for (const Status& status : {fs_.Size(Path("gone")).status(), fs_.Read(Path("gone"), 9).status(),
                               fs_.Map(Path("gone")).status(), Write(Path("gone/file"), "x")}) {
    EXPECT_EQ(status.code(), StatusCode::kNotFound);
    EXPECT_THAT(status.message(), Not(HasSubstr(directory_)));
  }
  EXPECT_THAT(fs_.Map(Path("gone")).status().message(), HasSubstr("gone: open: No such file"));
  for (const Status& status : {fs_.Size(directory_).status(), fs_.Read(directory_, 9).status(),
                               fs_.Map(directory_).status(), Write(directory_, "x")}) {
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("not a regular file"));
  }
}

TEST_F(PosixFileSystemTest, ANamedPipeIsRefusedWithoutWaiting) {
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(fs_.Read(Path("pipe"), 9).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(fs_.Map(Path("pipe")).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(PosixFileSystemTest, ReplacingLeavesMappingsOfTheOldFileAlone) {
  ASSERT_OK(Write(Path("a"), "old"));
  ASSERT_OK_AND_ASSIGN(const auto mapped, fs_.Map(Path("a")));
  ASSERT_OK(Write(Path("a"), "something new"));
  EXPECT_EQ(mapped->bytes().size(), 3u);
  EXPECT_EQ(mapped->bytes()[0], std::byte{'o'});
  ASSERT_OK_AND_ASSIGN(const std::string text, fs_.Read(Path("a"), 100));
  EXPECT_EQ(text, "something new");
  EXPECT_EQ(FilesInDirectory(), 1u);
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

TEST_F(PosixFileSystemTest, CreatesDirectoriesWithTheirParents) {
  ASSERT_OK(fs_.CreateDirectories(Path("x//y/z/")));
  EXPECT_TRUE(fs_.IsDirectory(Path("x/y/z")));
  EXPECT_OK(fs_.CreateDirectories(Path("x/y/z")));
  ASSERT_OK(Write(Path("file"), ""));
  EXPECT_THAT(fs_.CreateDirectories(Path("file/sub")).message(),
              HasSubstr("file: not a directory"));
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

TEST_F(PosixFileSystemTest, AFailedRenameLeavesNoTemporaryFile) {
  // The target's name is too long for any file system, the temporary's is not.
  const Status status = Write(Path(std::string(300, 'n')), "x");
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(FilesInDirectory(), 0u);
}

TEST_F(PosixFileSystemTest, LeftoversOfADeadProcessDoNotGetInTheWay) {
  for (int i = 0; i < 3; ++i) {
    std::ofstream(Path(StrCat(".attune-", getpid(), "-", i, ".tmp"))) << "leftover";
  }
  ASSERT_OK(Write(Path("a"), "new"));
  ASSERT_OK_AND_ASSIGN(const std::string text, fs_.Read(Path("a"), 100));
  EXPECT_EQ(text, "new");
}

TEST_F(PosixFileSystemTest, WritersOfOneFileDoNotMix) {
  std::vector<std::thread> writers;
  for (char c = 'a'; c < 'e'; ++c) {
    writers.emplace_back([this, c] {
      for (int i = 0; i < 5; ++i) EXPECT_OK(Write(Path("shared"), std::string(10'000, c)));
    });
  }
  for (std::thread& writer : writers) writer.join();
  ASSERT_OK_AND_ASSIGN(const std::string text, fs_.Read(Path("shared"), 10'000));
  EXPECT_EQ(text, std::string(10'000, text[0]));
  EXPECT_EQ(FilesInDirectory(), 1u);
}

}  // namespace
}  // namespace attune
