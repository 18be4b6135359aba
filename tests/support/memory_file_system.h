// A FileSystem in memory: nothing of a test touches the disk. Everything is
// durable at once; for crashes there is FaultyFileSystem.
//
// A directory is there when it was created or when a file lies below it, so that
// a test can just Put() files; everything is private to the user.
// Threads: every method may be called from any thread.

#pragma once

#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "ports/file_system.h"
#include "support/memory_mapping.h"

namespace attune::testing {

class MemoryFileSystem final : public FileSystem {
 public:
  // For the test: a copy of what is there, and putting something there.
  std::map<std::string, std::string> files() {
    const std::lock_guard guard(mutex_);
    std::map<std::string, std::string> copy;
    for (const auto& [path, node] : nodes_) copy[path] = node->bytes;
    return copy;
  }
  void Put(const std::string& path, std::string bytes) {
    const std::lock_guard guard(mutex_);
    nodes_[path] = std::make_shared<Node>(Node{std::move(bytes)});
  }

  bool Exists(const std::string& path) override {
    const std::lock_guard guard(mutex_);
    return nodes_.contains(path) || HasDirectory(path);
  }
  bool IsDirectory(const std::string& path) override {
    const std::lock_guard guard(mutex_);
    return HasDirectory(path);
  }
  Result<std::uint64_t> Size(const std::string& path) override {
    const std::lock_guard guard(mutex_);
    ATTUNE_ASSIGN_OR_RETURN(const auto node, Find(path));
    return std::uint64_t{node->bytes.size()};
  }
  Result<bool> IsPrivate(const std::string& path) override {
    const std::lock_guard guard(mutex_);
    if (!HasDirectory(path)) ATTUNE_RETURN_IF_ERROR(Find(path).status());
    return true;
  }
  Result<std::vector<std::string>> List(const std::string& directory) override {
    const std::lock_guard guard(mutex_);
    ATTUNE_RETURN_IF_ERROR(CheckDirectory(directory));
    std::set<std::string> names;
    const auto add = [&](const std::string& path) {
      const std::string below = JoinPath(directory, "");
      if (path.size() > below.size() && path.starts_with(below)) {
        names.insert(path.substr(below.size(), path.find('/', below.size()) - below.size()));
      }
    };
    for (const auto& [path, node] : nodes_) add(path);
    for (const std::string& path : directories_) add(path);
    return std::vector<std::string>(names.begin(), names.end());
  }
  Result<std::string> Read(const std::string& path, std::uint64_t limit) override {
    const std::lock_guard guard(mutex_);
    ATTUNE_ASSIGN_OR_RETURN(const auto node, Find(path));
    if (node->bytes.size() > limit) {
      return ResourceExhausted(
          StrCat(BaseName(path), ": ", node->bytes.size(), " bytes, allowed at most ", limit));
    }
    return node->bytes;
  }
  Result<std::unique_ptr<ReadableFile>> OpenForReading(const std::string& path) override {
    const std::lock_guard guard(mutex_);
    ATTUNE_ASSIGN_OR_RETURN(const auto node, Find(path));
    return std::unique_ptr<ReadableFile>(std::make_unique<Reader>(node->bytes, BaseName(path)));
  }
  Result<std::shared_ptr<const MappedFile>> Map(const std::string& path) override {
    const std::lock_guard guard(mutex_);
    ATTUNE_ASSIGN_OR_RETURN(const auto node, Find(path));
    return std::shared_ptr<const MappedFile>(std::make_shared<MemoryMapping>(node->bytes));
  }
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override {
    const std::lock_guard guard(mutex_);
    if (nodes_.contains(path) || HasDirectory(path)) {
      return FailedPrecondition(BaseName(path) + ": the name is taken");
    }
    ATTUNE_RETURN_IF_ERROR(CheckParents(path));
    nodes_[path] = std::make_shared<Node>();
    return std::unique_ptr<WritableFile>(std::make_unique<Writer>(*this, nodes_[path]));
  }
  Result<std::unique_ptr<WritableFile>> OpenForAppending(const std::string& path) override {
    const std::lock_guard guard(mutex_);
    ATTUNE_ASSIGN_OR_RETURN(auto node, Find(path));
    return std::unique_ptr<WritableFile>(std::make_unique<Writer>(*this, std::move(node)));
  }
  Status Rename(const std::string& from, const std::string& to) override {
    const std::lock_guard guard(mutex_);
    ATTUNE_ASSIGN_OR_RETURN(auto node, Find(from));
    if (HasDirectory(to)) return NotRegular(to);
    ATTUNE_RETURN_IF_ERROR(CheckParents(to));
    nodes_.erase(from);
    nodes_[to] = std::move(node);
    return OkStatus();
  }
  Status Remove(const std::string& path) override {
    const std::lock_guard guard(mutex_);
    ATTUNE_RETURN_IF_ERROR(Find(path).status());
    nodes_.erase(path);
    return OkStatus();
  }
  Status SyncDirectory(const std::string& directory) override {
    const std::lock_guard guard(mutex_);
    return CheckDirectory(directory);
  }
  Status CreateDirectories(const std::string& path) override {
    const std::lock_guard guard(mutex_);
    for (std::string at = path;; at = DirectoryName(at)) {
      while (at.size() > 1 && at.back() == '/') at.pop_back();
      if (nodes_.contains(at)) return InvalidArgument(BaseName(at) + ": not a directory");
      if (at == "." || at == "/") return OkStatus();
      directories_.insert(at);
    }
  }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path, double timeout_seconds) override {
    using std::chrono::steady_clock;
    const auto deadline = steady_clock::now() + std::chrono::duration<double>(timeout_seconds);
    for (;; std::this_thread::sleep_for(std::chrono::milliseconds(1))) {
      const std::lock_guard guard(mutex_);
      if (HasDirectory(path)) return NotRegular(path);
      ATTUNE_RETURN_IF_ERROR(CheckParents(path));
      auto& node = nodes_[path];
      if (node == nullptr) node = std::make_shared<Node>();
      if (!node->locked) return std::unique_ptr<FileLock>(std::make_unique<Held>(*this, node));
      if (!(steady_clock::now() < deadline)) {
        return Unavailable(BaseName(path) + ": locked by somebody else");
      }
    }
  }

 private:
  struct Node {
    std::string bytes;
    bool locked = false;
  };

  class Reader final : public ReadableFile {
   public:
    Reader(std::string bytes, std::string name)
        : bytes_(std::move(bytes)), name_(std::move(name)) {}
    std::uint64_t size() const override { return bytes_.size(); }
    Status ReadAt(std::uint64_t offset, std::span<std::byte> out) override {
      if (offset > bytes_.size() || out.size() > bytes_.size() - offset) {
        return DataLoss(
            StrCat(name_, ": ", out.size(), " bytes wanted at ", offset, " of ", bytes_.size()));
      }
      if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset, out.size());
      return OkStatus();
    }

   private:
    std::string bytes_;
    std::string name_;
  };

  class Writer final : public WritableFile {
   public:
    Writer(MemoryFileSystem& files, std::shared_ptr<Node> node)
        : files_(files), node_(std::move(node)) {}
    Status Append(std::span<const std::byte> bytes) override {
      const std::lock_guard guard(files_.mutex_);
      node_->bytes.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return OkStatus();
    }
    Status Sync() override { return OkStatus(); }

   private:
    MemoryFileSystem& files_;
    std::shared_ptr<Node> node_;
  };

  class Held final : public FileLock {
   public:
    Held(MemoryFileSystem& files, std::shared_ptr<Node> node)
        : files_(files), node_(std::move(node)) {
      node_->locked = true;
    }
    ~Held() override {
      const std::lock_guard guard(files_.mutex_);
      node_->locked = false;
    }

   private:
    MemoryFileSystem& files_;
    std::shared_ptr<Node> node_;
  };

  static Status NotRegular(const std::string& path) {
    return InvalidArgument(BaseName(path) + ": not a regular file");
  }
  bool HasDirectory(const std::string& path) const {
    if (directories_.contains(path) || path == "." || path == "/") return true;
    const std::string below = JoinPath(path, "");
    const auto first = nodes_.lower_bound(below);
    return first != nodes_.end() && first->first.starts_with(below);
  }
  Status CheckDirectory(const std::string& path) const {
    if (HasDirectory(path)) return OkStatus();
    if (nodes_.contains(path)) return InvalidArgument(BaseName(path) + ": not a directory");
    return NotFound(BaseName(path) + ": absent");
  }
  // A file can be made wherever a test likes, but not below another file.
  Status CheckParents(const std::string& path) const {
    for (std::string at = DirectoryName(path); at != "." && at != "/"; at = DirectoryName(at)) {
      if (nodes_.contains(at)) return NotFound(BaseName(path) + ": its directory is a file");
    }
    return OkStatus();
  }
  Result<std::shared_ptr<Node>> Find(const std::string& path) const {
    if (const auto at = nodes_.find(path); at != nodes_.end()) return at->second;
    if (HasDirectory(path)) return NotRegular(path);
    return NotFound(BaseName(path) + ": absent");
  }

  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Node>> nodes_;
  std::set<std::string> directories_;
};

}  // namespace attune::testing
