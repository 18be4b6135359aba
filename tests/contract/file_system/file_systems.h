// The implementations of the FileSystem port that the contract suite runs against.

#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ports/file_system.h"
#include "posix/posix_file_system.h"
#include "support/faulty_file_system.h"
#include "support/memory_file_system.h"
#include "support/status_matchers.h"
#include "support/temporary_directory.h"

namespace attune::testing {

// A file system with an empty directory to work in.
class FileSystemUnderTest {
 public:
  virtual ~FileSystemUnderTest() = default;
  virtual FileSystem& files() = 0;
  // The same files by another object, if the implementation can have two.
  virtual FileSystem& other() { return files(); }
  virtual std::string directory() const { return "work"; }
  // MemoryFileSystem has whatever directory a file is put into.
  virtual bool needs_directories() const { return true; }
};

struct FileSystemCase {
  const char* name;
  std::unique_ptr<FileSystemUnderTest> (*make)();
};

class PosixUnderTest final : public FileSystemUnderTest {
 public:
  FileSystem& files() override { return files_; }
  FileSystem& other() override { return other_; }
  std::string directory() const override { return directory_.path(); }

 private:
  TemporaryDirectory directory_;
  PosixFileSystem files_;
  PosixFileSystem other_;
};

class MemoryUnderTest final : public FileSystemUnderTest {
 public:
  MemoryUnderTest() { EXPECT_OK(files_.CreateDirectories(directory())); }
  FileSystem& files() override { return files_; }
  bool needs_directories() const override { return false; }

 private:
  MemoryFileSystem files_;
};

class FaultyUnderTest final : public FileSystemUnderTest {
 public:
  FaultyUnderTest() { EXPECT_OK(files_.CreateDirectories(directory())); }
  FileSystem& files() override { return files_; }

 private:
  FaultPlan plan_;  // Never started.
  FaultyFileSystem files_{plan_};
};

template <typename UnderTest>
std::unique_ptr<FileSystemUnderTest> Make() {
  return std::make_unique<UnderTest>();
}

inline constexpr FileSystemCase kFileSystems[] = {
    {"Posix", &Make<PosixUnderTest>},
    {"Memory", &Make<MemoryUnderTest>},
    {"Faulty", &Make<FaultyUnderTest>},
};

class FileSystemContract : public ::testing::TestWithParam<FileSystemCase> {
 protected:
  FileSystem& files() { return under_test_->files(); }
  FileSystem& other() { return under_test_->other(); }
  std::string directory() const { return under_test_->directory(); }
  std::string Path(std::string_view name) const { return directory() + "/" + std::string(name); }

  static std::span<const std::byte> Bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
  }
  Status Write(const std::string& path, std::string_view first, std::string_view second = "") {
    const std::span<const std::byte> parts[] = {Bytes(first), Bytes(second)};
    return files().WriteAtomically(path, parts);
  }
  std::string Contents(const std::string& path) {
    auto text = files().Read(path, 1 << 20);
    EXPECT_OK(text);
    return text.ok() ? *text : "";
  }
  std::vector<std::string> Names() {
    auto names = files().List(directory());
    EXPECT_OK(names);
    return names.ok() ? *names : std::vector<std::string>{};
  }

  std::unique_ptr<FileSystemUnderTest> under_test_ = GetParam().make();
};

inline std::string CaseName(const ::testing::TestParamInfo<FileSystemCase>& info) {
  return info.param.name;
}

}  // namespace attune::testing
