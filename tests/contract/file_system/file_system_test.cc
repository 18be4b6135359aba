// What the FileSystem port promises about files and names, for every implementation.

#include <gmock/gmock.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "contract/file_system/file_systems.h"

namespace attune::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr StatusCode kNotFound = StatusCode::kNotFound;
constexpr StatusCode kInvalidArgument = StatusCode::kInvalidArgument;

INSTANTIATE_TEST_SUITE_P(Every, FileSystemContract, ::testing::ValuesIn(kFileSystems), CaseName);

TEST_P(FileSystemContract, ACreatedFileIsEmptyPrivateAndGrowsAtItsEnd) {
  ASSERT_OK_AND_ASSIGN(const auto file, files().Create(Path("a")));
  EXPECT_TRUE(files().Exists(Path("a")));
  EXPECT_FALSE(files().IsDirectory(Path("a")));
  EXPECT_EQ(Contents(Path("a")), "");
  ASSERT_OK_AND_ASSIGN(const bool is_private, files().IsPrivate(Path("a")));
  EXPECT_TRUE(is_private);
  EXPECT_OK(file->Append(Bytes("one ")));
  EXPECT_OK(file->Append({}));
  EXPECT_OK(file->Append(Bytes("two")));
  EXPECT_EQ(Contents(Path("a")), "one two");  // Readers need not wait for a sync.
  EXPECT_OK(file->Sync());
  EXPECT_OK(file->Sync());
  ASSERT_OK_AND_ASSIGN(const std::uint64_t size, files().Size(Path("a")));
  EXPECT_EQ(size, 7u);
}

TEST_P(FileSystemContract, CreateRefusesATakenNameAndLeavesItsOwnerAlone) {
  ASSERT_OK(Write(Path("a"), "mine"));
  EXPECT_EQ(files().Create(Path("a")).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(Contents(Path("a")), "mine");
  EXPECT_EQ(files().Create(directory()).status().code(), StatusCode::kFailedPrecondition);
}

TEST_P(FileSystemContract, AppendingGoesOnWhereTheFileEnds) {
  ASSERT_OK(Write(Path("a"), "begun"));
  {
    ASSERT_OK_AND_ASSIGN(const auto file, files().OpenForAppending(Path("a")));
    EXPECT_OK(file->Append(Bytes(", ended")));
    EXPECT_OK(file->Sync());
  }
  EXPECT_EQ(Contents(Path("a")), "begun, ended");
  EXPECT_EQ(files().OpenForAppending(Path("gone")).status().code(), kNotFound);
  EXPECT_EQ(files().OpenForAppending(directory()).status().code(), kInvalidArgument);
  EXPECT_THAT(Names(), ElementsAre("a"));
}

TEST_P(FileSystemContract, ReadsMapsAndMeasuresWhatWasWritten) {
  ASSERT_OK(Write(Path("a"), "hello ", "world"));
  ASSERT_OK_AND_ASSIGN(const std::uint64_t size, files().Size(Path("a")));
  EXPECT_EQ(size, 11u);
  ASSERT_OK_AND_ASSIGN(const std::string text, files().Read(Path("a"), 11));
  EXPECT_EQ(text, "hello world");
  ASSERT_OK_AND_ASSIGN(const auto mapped, files().Map(Path("a")));
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(mapped->bytes().data()),
                             mapped->bytes().size()),
            "hello world");
}

TEST_P(FileSystemContract, AnEmptyFileIsReadAndMappedAsNothing) {
  ASSERT_OK(Write(Path("empty"), ""));
  ASSERT_OK_AND_ASSIGN(const auto mapped, files().Map(Path("empty")));
  EXPECT_TRUE(mapped->bytes().empty());
  ASSERT_OK_AND_ASSIGN(const std::string text, files().Read(Path("empty"), 0));
  EXPECT_EQ(text, "");
  ASSERT_OK_AND_ASSIGN(const auto file, files().OpenForReading(Path("empty")));
  EXPECT_OK(file->ReadAt(0, {}));
}

TEST_P(FileSystemContract, ReadRefusesMoreThanTheLimit) {
  ASSERT_OK(Write(Path("a"), "hello"));
  const auto text = files().Read(Path("a"), 4);
  EXPECT_EQ(text.status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(text.status().message(), "a: 5 bytes, allowed at most 4");
}

TEST_P(FileSystemContract, ReadsAtAnyPlaceAndNotBeyondTheEnd) {
  ASSERT_OK(Write(Path("a"), "0123456789"));
  ASSERT_OK_AND_ASSIGN(const auto file, files().OpenForReading(Path("a")));
  EXPECT_EQ(file->size(), 10u);
  std::string text(4, '?');
  const auto out = std::as_writable_bytes(std::span(text));
  ASSERT_OK(file->ReadAt(3, out));
  EXPECT_EQ(text, "3456");
  ASSERT_OK(file->ReadAt(6, out));
  EXPECT_EQ(text, "6789");
  EXPECT_OK(file->ReadAt(10, {}));
  constexpr std::uint64_t kFar = std::numeric_limits<std::uint64_t>::max();
  for (const std::uint64_t offset : {std::uint64_t{7}, std::uint64_t{10}, kFar - 1, kFar}) {
    EXPECT_EQ(file->ReadAt(offset, out).code(), StatusCode::kDataLoss) << offset;
  }
  EXPECT_EQ(file->ReadAt(11, {}).code(), StatusCode::kDataLoss);
}

TEST_P(FileSystemContract, AnOpenFileAndAMappingStayWithTheOldBytes) {
  ASSERT_OK(Write(Path("a"), "old"));
  ASSERT_OK_AND_ASSIGN(const auto file, files().OpenForReading(Path("a")));
  ASSERT_OK_AND_ASSIGN(const auto mapped, files().Map(Path("a")));
  ASSERT_OK(Write(Path("a"), "something new"));
  EXPECT_EQ(Contents(Path("a")), "something new");
  ASSERT_OK(files().Remove(Path("a")));
  std::string text(3, '?');
  EXPECT_EQ(file->size(), 3u);
  ASSERT_OK(file->ReadAt(0, std::as_writable_bytes(std::span(text))));
  EXPECT_EQ(text, "old");
  ASSERT_EQ(mapped->bytes().size(), 3u);
  EXPECT_EQ(mapped->bytes()[0], std::byte{'o'});
}

TEST_P(FileSystemContract, AnOpenFileKeepsTheSizeItHadWhenOpened) {
  ASSERT_OK(Write(Path("a"), "first"));
  ASSERT_OK_AND_ASSIGN(const auto reader, files().OpenForReading(Path("a")));
  ASSERT_OK_AND_ASSIGN(const auto writer, files().OpenForAppending(Path("a")));
  ASSERT_OK(writer->Append(Bytes(" second")));
  EXPECT_EQ(reader->size(), 5u);
  std::string text(6, '?');
  EXPECT_EQ(reader->ReadAt(0, std::as_writable_bytes(std::span(text))).code(),
            StatusCode::kDataLoss);
}

TEST_P(FileSystemContract, RenameTakesTheOthersPlace) {
  ASSERT_OK(Write(Path("old"), "old"));
  ASSERT_OK_AND_ASSIGN(const auto file, files().Create(Path("new")));
  ASSERT_OK(file->Append(Bytes("n")));
  ASSERT_OK(files().Rename(Path("new"), Path("old")));
  EXPECT_EQ(Contents(Path("old")), "n");
  EXPECT_FALSE(files().Exists(Path("new")));
  ASSERT_OK(file->Append(Bytes("ew")));  // The file, whatever its name is.
  EXPECT_EQ(Contents(Path("old")), "new");
  ASSERT_OK(files().CreateDirectories(Path("sub")));
  ASSERT_OK(files().Rename(Path("old"), Path("sub/moved")));
  EXPECT_THAT(Names(), ElementsAre("sub"));
  EXPECT_EQ(Contents(Path("sub/moved")), "new");
}

TEST_P(FileSystemContract, RenameThatCannotBeChangesNothing) {
  ASSERT_OK(Write(Path("a"), "bytes"));
  ASSERT_OK(files().CreateDirectories(Path("sub")));
  EXPECT_EQ(files().Rename(Path("gone"), Path("a")).code(), kNotFound);
  EXPECT_EQ(files().Rename(Path("a"), Path("sub")).code(), kInvalidArgument);
  EXPECT_EQ(files().Rename(Path("a"), Path("a/below")).code(), kNotFound);
  EXPECT_OK(files().Rename(Path("a"), Path("a")));
  EXPECT_EQ(Contents(Path("a")), "bytes");
}

TEST_P(FileSystemContract, RemovesFilesOnly) {
  ASSERT_OK(Write(Path("a"), "bytes"));
  ASSERT_OK(files().CreateDirectories(Path("sub")));
  EXPECT_OK(files().Remove(Path("a")));
  EXPECT_FALSE(files().Exists(Path("a")));
  EXPECT_EQ(files().Remove(Path("a")).code(), kNotFound);
  EXPECT_EQ(files().Remove(Path("sub")).code(), kInvalidArgument);
  EXPECT_TRUE(files().IsDirectory(Path("sub")));
}

TEST_P(FileSystemContract, ListsNamesInOrder) {
  EXPECT_THAT(Names(), ElementsAre());
  for (const char* name : {"b", "a-", "a", ".hidden", "B"}) ASSERT_OK(Write(Path(name), ""));
  ASSERT_OK(files().CreateDirectories(Path("sub/below")));
  ASSERT_OK(Write(Path("sub/file"), ""));
  EXPECT_THAT(Names(), ElementsAre(".hidden", "B", "a", "a-", "b", "sub"));
  ASSERT_OK_AND_ASSIGN(const auto below, files().List(Path("sub")));
  EXPECT_THAT(below, ElementsAre("below", "file"));
  EXPECT_EQ(files().List(Path("gone")).status().code(), kNotFound);
  EXPECT_EQ(files().List(Path("a")).status().code(), kInvalidArgument);
}

TEST_P(FileSystemContract, SyncsDirectoriesOnly) {
  ASSERT_OK(Write(Path("a"), ""));
  EXPECT_OK(files().SyncDirectory(directory()));
  EXPECT_EQ(files().SyncDirectory(Path("gone")).code(), kNotFound);
  EXPECT_EQ(files().SyncDirectory(Path("a")).code(), kInvalidArgument);
}

TEST_P(FileSystemContract, CreatesDirectoriesWithTheirParents) {
  ASSERT_OK(files().CreateDirectories(Path("x/y/z/")));
  EXPECT_TRUE(files().IsDirectory(Path("x/y/z")));
  EXPECT_TRUE(files().IsDirectory(Path("x/y")));
  EXPECT_TRUE(files().Exists(Path("x")));
  EXPECT_OK(files().CreateDirectories(Path("x/y/z")));
  ASSERT_OK_AND_ASSIGN(const bool is_private, files().IsPrivate(Path("x/y")));
  EXPECT_TRUE(is_private);
  ASSERT_OK(Write(Path("file"), ""));
  for (const char* path : {"file/sub", "file"}) {
    const Status status = files().CreateDirectories(Path(path));
    EXPECT_EQ(status.code(), kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("file: not a directory"));
  }
}

TEST_P(FileSystemContract, NothingCanBeMadeInADirectoryThatIsNotThere) {
  if (!under_test_->needs_directories()) GTEST_SKIP() << "makes directories as needed";
  for (const Status& status : {files().Create(Path("gone/a")).status(), Write(Path("gone/a"), "x"),
                               files().Lock(Path("gone/a"), 0).status()}) {
    EXPECT_EQ(status.code(), kNotFound);
  }
  ASSERT_OK(Write(Path("a"), ""));
  EXPECT_EQ(files().Rename(Path("a"), Path("gone/a")).code(), kNotFound);
}

TEST_P(FileSystemContract, ErrorsSayWhichFileButNotWhere) {
  ASSERT_OK(Write(Path("file"), "x"));
  for (const std::string& path : {Path("gone"), Path("file/below")}) {
    for (const Status& status :
         {files().Size(path).status(), files().Read(path, 9).status(),
          files().OpenForReading(path).status(), files().Map(path).status(),
          files().IsPrivate(path).status(), files().OpenForAppending(path).status(),
          files().Remove(path), files().Rename(path, Path("b")), files().List(path).status(),
          files().SyncDirectory(path)}) {
      EXPECT_EQ(status.code(), kNotFound) << status.ToString();
      EXPECT_THAT(status.message(), HasSubstr(BaseName(path) + ": "));
      EXPECT_THAT(status.message(), Not(HasSubstr(directory() + "/")));
    }
    EXPECT_FALSE(files().Exists(path));
    EXPECT_FALSE(files().IsDirectory(path));
  }
  for (const Status& status :
       {Write(Path("file/below"), "x"), files().Create(Path("file/below")).status(),
        files().Lock(Path("file/below"), 0).status()}) {
    EXPECT_EQ(status.code(), kNotFound) << status.ToString();
  }
  ASSERT_OK(files().CreateDirectories(Path("sub")));
  const std::string sub = Path("sub");
  for (const Status& status :
       {files().Size(sub).status(), files().Read(sub, 9).status(), files().Map(sub).status(),
        files().OpenForReading(sub).status(), files().Lock(sub, 0).status(), Write(sub, "x")}) {
    EXPECT_EQ(status.code(), kInvalidArgument) << status.ToString();
    EXPECT_THAT(status.message(), HasSubstr("sub: not a regular file"));
    EXPECT_THAT(status.message(), Not(HasSubstr(directory() + "/")));
  }
}

TEST_P(FileSystemContract, WriteAtomicallyLeavesNothingElseBehind) {
  ASSERT_OK(Write(Path("a"), "one"));
  ASSERT_OK(Write(Path("a"), ""));
  ASSERT_OK(Write(Path("a"), "two, ", "three"));
  ASSERT_OK(files().CreateDirectories(Path("sub")));
  EXPECT_FALSE(Write(Path("sub"), "x").ok());
  EXPECT_THAT(Names(), ElementsAre("a", "sub"));
  EXPECT_EQ(Contents(Path("a")), "two, three");
  ASSERT_OK_AND_ASSIGN(const bool is_private, files().IsPrivate(Path("a")));
  EXPECT_TRUE(is_private);
}

}  // namespace
}  // namespace attune::testing
