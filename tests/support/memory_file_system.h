// A FileSystem in memory: nothing of a test touches the disk.
//
// Threads: one thread at a time.

#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "ports/file_system.h"

namespace attune::testing {

// A MappedFile over bytes of its own, `misalignment` bytes past an address that
// is a multiple of 64.
class MemoryMapping final : public MappedFile {
 public:
  explicit MemoryMapping(std::string_view bytes, std::size_t misalignment = 0)
      : size_(bytes.size()), storage_(bytes.size() + misalignment + 64) {
    const auto address = reinterpret_cast<std::uintptr_t>(storage_.data());
    begin_ = (64 - address % 64) % 64 + misalignment;
    if (size_ != 0) std::memcpy(storage_.data() + begin_, bytes.data(), size_);
  }
  std::span<const std::byte> bytes() const override {
    return std::span(storage_).subspan(begin_, size_);
  }

 private:
  std::size_t size_;
  std::size_t begin_ = 0;
  std::vector<std::byte> storage_;
};

class MemoryFileSystem final : public FileSystem {
 public:
  // For the test: what is there, and putting something there.
  std::map<std::string, std::string>& files() { return files_; }
  void Put(const std::string& path, std::string bytes) { files_[path] = std::move(bytes); }

  bool Exists(const std::string& path) override {
    return files_.contains(path) || IsDirectory(path);
  }
  bool IsDirectory(const std::string& path) override {
    if (directories_.contains(path)) return true;
    const auto below = files_.lower_bound(path + "/");
    return below != files_.end() && below->first.starts_with(path + "/");
  }
  Result<std::uint64_t> Size(const std::string& path) override {
    ATTUNE_RETURN_IF_ERROR(CheckRegular(path));
    return std::uint64_t{files_[path].size()};
  }
  Result<std::string> Read(const std::string& path, std::uint64_t limit) override {
    ATTUNE_RETURN_IF_ERROR(CheckRegular(path));
    const std::string& bytes = files_[path];
    if (bytes.size() > limit) {
      return ResourceExhausted(
          StrCat(BaseName(path), ": ", bytes.size(), " bytes, allowed at most ", limit));
    }
    return bytes;
  }
  Result<std::shared_ptr<const MappedFile>> Map(const std::string& path) override {
    ATTUNE_RETURN_IF_ERROR(CheckRegular(path));
    return std::shared_ptr<const MappedFile>(std::make_shared<MemoryMapping>(files_[path]));
  }
  Status WriteAtomically(const std::string& path,
                         std::span<const std::span<const std::byte>> parts) override {
    if (IsDirectory(path)) return InvalidArgument(BaseName(path) + ": not a regular file");
    std::string bytes;
    for (const auto& part : parts) {
      bytes.append(reinterpret_cast<const char*>(part.data()), part.size());
    }
    files_[path] = std::move(bytes);
    return OkStatus();
  }
  Status CreateDirectories(const std::string& path) override {
    if (files_.contains(path)) return InvalidArgument(BaseName(path) + ": not a directory");
    directories_.insert(path);
    return OkStatus();
  }

 private:
  Status CheckRegular(const std::string& path) {
    if (files_.contains(path)) return OkStatus();
    if (IsDirectory(path)) return InvalidArgument(BaseName(path) + ": not a regular file");
    return NotFound(BaseName(path) + ": absent");
  }

  std::map<std::string, std::string> files_;
  std::set<std::string> directories_;
};

}  // namespace attune::testing
