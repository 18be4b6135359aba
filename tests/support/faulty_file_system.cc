#include "support/faulty_file_system.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

#include "base/strings.h"
#include "support/memory_mapping.h"

namespace attune::testing {
namespace {

Status Absent(const std::string& path) { return NotFound(BaseName(path) + ": absent"); }
Status NotRegular(const std::string& path) {
  return InvalidArgument(BaseName(path) + ": not a regular file");
}
Status Down(const std::string& path) { return IoError(BaseName(path) + ": crashed (simulated)"); }

std::string WithoutTrailingSlash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

bool Coin(Philox& random) { return random.NextBelow(2) == 1; }

}  // namespace

class FaultyFileSystem::Reader final : public ReadableFile {
 public:
  Reader(FaultyFileSystem& files, FilePointer file, std::string name)
      : files_(files),
        file_(std::move(file)),
        name_(std::move(name)),
        size_(file_->bytes.size()),
        boot_(files.boot_) {}
  std::uint64_t size() const override { return size_; }
  Status ReadAt(std::uint64_t offset, std::span<std::byte> out) override {
    const std::lock_guard guard(files_.plan_.mutex());
    if (boot_ != files_.boot_) return Down(name_);
    ATTUNE_RETURN_IF_ERROR(files_.JudgeRead(name_));
    // A failed sync may have shortened it.
    const std::uint64_t size = std::min<std::uint64_t>(size_, file_->bytes.size());
    if (offset > size || out.size() > size - offset) {
      return DataLoss(StrCat(name_, ": ", out.size(), " bytes wanted at ", offset, " of ", size));
    }
    if (!out.empty()) std::memcpy(out.data(), file_->bytes.data() + offset, out.size());
    return OkStatus();
  }

 private:
  FaultyFileSystem& files_;
  FilePointer file_;
  std::string name_;
  std::uint64_t size_;
  std::uint64_t boot_;
};

class FaultyFileSystem::Writer final : public WritableFile {
 public:
  Writer(FaultyFileSystem& files, FilePointer file, std::string name)
      : files_(files), file_(std::move(file)), name_(std::move(name)), boot_(files.boot_) {}
  Status Append(std::span<const std::byte> bytes) override {
    const std::lock_guard guard(files_.plan_.mutex());
    if (boot_ != files_.boot_) return Down(name_);
    if (error_.ok()) error_ = files_.Append(file_.get(), bytes, name_);
    return error_;
  }
  Status Sync() override {
    const std::lock_guard guard(files_.plan_.mutex());
    if (boot_ != files_.boot_) return Down(name_);
    if (error_.ok()) error_ = files_.Sync(file_.get(), name_);
    return error_;
  }

 private:
  FaultyFileSystem& files_;
  FilePointer file_;
  std::string name_;
  std::uint64_t boot_;
  Status error_;  // The first one.
};

class FaultyFileSystem::Held final : public FileLock {
 public:
  Held(FaultyFileSystem& files, FilePointer file)
      : files_(files), file_(std::move(file)), boot_(files.boot_) {
    file_->locked = true;
  }
  ~Held() override {
    const std::lock_guard guard(files_.plan_.mutex());
    if (boot_ == files_.boot_) file_->locked = false;
  }

 private:
  FaultyFileSystem& files_;
  FilePointer file_;
  std::uint64_t boot_;
};

FaultyFileSystem::Verdict FaultyFileSystem::Judge(Operation operation, const std::string& path) {
  if (plan_.down()) return {Down(path), std::nullopt, false};
  const std::optional<Fault> fault = plan_.Strike(operation);
  if (!fault.has_value()) return {};
  // After a power failure Restart() decides about what was begun; after a kill
  // nothing else would.
  const bool takes_place =
      fault == Fault::kCrash || (fault == Fault::kKill && Coin(plan_.random()));
  return {FaultPlan::Error(*fault, BaseName(path)), fault, takes_place};
}

// --- What survives ---

void FaultyFileSystem::Restart() {
  {
    const std::lock_guard guard(plan_.mutex());
    ++boot_;
    for (const auto& [path, file] : visible_) file->locked = false;
    if (!plan_.killed()) {
      for (const Entry& entry : entries_) {
        if (Coin(plan_.random())) Apply(entry, &durable_);
      }
      entries_.clear();
      // Not in the order of their names: those of temporary files differ from run to
      // run, and the outcome must not.
      std::map<std::uint64_t, File*> survivors;
      for (const auto& [path, file] : durable_) survivors[file->id] = file.get();
      for (const auto& [id, file] : survivors) {
        LosePending(file);
        file->synced_size = file->bytes.size();
        file->appends.clear();
        file->locked = false;
      }
      visible_ = durable_;
    }
  }
  plan_.Stop();
}

void FaultyFileSystem::Apply(const Entry& entry, Names* names) {
  if (const auto at = names->find(entry.removed); at != names->end() && at->second == entry.file) {
    names->erase(at);
  }
  if (!entry.added.empty()) (*names)[entry.added] = entry.file;
}

void FaultyFileSystem::Change(Entry entry) {
  Apply(entry, &visible_);
  entries_.push_back(std::move(entry));
}

void FaultyFileSystem::LosePending(File* file) {
  std::size_t left = file->synced_size;
  for (std::size_t i = 0; i < file->appends.size(); ++i) {
    const bool last = i + 1 == file->appends.size();
    const std::size_t end = last ? file->bytes.size() : file->appends[i + 1];
    left = std::max(left, LoseAppend(file, file->appends[i], end));
  }
  // A file system may have recorded the length before the contents.
  if (plan_.random().NextBelow(4) != 0) file->bytes.resize(left);
}

std::size_t FaultyFileSystem::LoseAppend(File* file, std::size_t begin, std::size_t end) {
  Philox& random = plan_.random();
  const auto below = [&](std::size_t bound) {
    return static_cast<std::size_t>(random.NextBelow(static_cast<std::uint32_t>(bound)));
  };
  char* bytes = file->bytes.data();
  switch (begin == end ? 0 : random.NextBelow(4)) {
    case 0:  // Kept.
      return end;
    case 1:  // Dropped.
      std::fill(bytes + begin, bytes + end, '\0');
      return file->synced_size;
    case 2: {  // Garbled.
      const std::size_t from = begin + below(end - begin);
      const std::size_t to = from + 1 + below(end - from);
      for (std::size_t i = from; i < to; ++i) {
        bytes[i] = static_cast<char>(bytes[i] ^ static_cast<char>(1 + random.NextBelow(255)));
      }
      return end;
    }
    default: {  // Cut short.
      const std::size_t cut = begin + below(end - begin);
      std::fill(bytes + cut, bytes + end, '\0');
      return cut;
    }
  }
}

// --- Contents ---

FaultyFileSystem::FilePointer FaultyFileSystem::NewFile() {
  auto file = std::make_shared<File>();
  file->id = ++files_made_;
  return file;
}

Status FaultyFileSystem::Append(File* file, std::span<const std::byte> bytes,
                                const std::string& name) {
  const Verdict verdict = Judge(Operation::kAppend, name);
  if (!verdict.status.ok()) {
    if (verdict.fault == Fault::kKill || verdict.fault == Fault::kNoSpace ||
        verdict.fault == Fault::kShortWrite) {
      bytes = bytes.first(plan_.random().NextBelow(static_cast<std::uint32_t>(bytes.size()) + 1));
    } else if (!verdict.takes_place) {
      bytes = {};
    }
  }
  if (!bytes.empty()) {
    file->appends.push_back(file->bytes.size());
    file->bytes.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  return verdict.status;
}

Status FaultyFileSystem::Sync(File* file, const std::string& name) {
  const Verdict verdict = Judge(Operation::kSync, name);
  if (verdict.fault == Fault::kFailedSync) {
    LosePending(file);
    file->appends.clear();
    if (file->bytes.size() > file->synced_size) file->appends.push_back(file->synced_size);
  }
  if (!verdict.status.ok()) return verdict.status;
  file->synced_size = file->bytes.size();
  file->appends.clear();
  return OkStatus();
}

// --- For the test ---

std::map<std::string, std::string> FaultyFileSystem::files() const {
  const std::lock_guard guard(plan_.mutex());
  std::map<std::string, std::string> copy;
  for (const auto& [path, file] : visible_) copy[path] = file->bytes;
  return copy;
}

void FaultyFileSystem::Put(const std::string& path, std::string bytes) {
  const std::lock_guard guard(plan_.mutex());
  for (std::string at = DirectoryName(path); !HasDirectory(at); at = DirectoryName(at)) {
    directories_.insert(at);
  }
  FilePointer file = NewFile();
  file->synced_size = bytes.size();
  file->bytes = std::move(bytes);
  visible_[path] = durable_[path] = std::move(file);
}

std::size_t FaultyFileSystem::pending() const {
  const std::lock_guard guard(plan_.mutex());
  std::size_t count = entries_.size();
  for (const auto& [path, file] : visible_) count += file->appends.size();
  return count;
}

// --- The port ---

bool FaultyFileSystem::HasDirectory(const std::string& path) const {
  return path == "." || path == "/" || directories_.contains(WithoutTrailingSlash(path));
}

Status FaultyFileSystem::CheckDirectory(const std::string& path) const {
  if (HasDirectory(path)) return OkStatus();
  if (visible_.contains(path)) return InvalidArgument(BaseName(path) + ": not a directory");
  return Absent(path);
}

Result<FaultyFileSystem::FilePointer> FaultyFileSystem::Find(const std::string& path) const {
  if (const auto at = visible_.find(path); at != visible_.end()) return at->second;
  return HasDirectory(path) ? NotRegular(path) : Absent(path);
}

bool FaultyFileSystem::Exists(const std::string& path) {
  const std::lock_guard guard(plan_.mutex());
  return !plan_.down() && (visible_.contains(path) || HasDirectory(path));
}

bool FaultyFileSystem::IsDirectory(const std::string& path) {
  const std::lock_guard guard(plan_.mutex());
  return !plan_.down() && HasDirectory(path);
}

Result<std::uint64_t> FaultyFileSystem::Size(const std::string& path) {
  const std::lock_guard guard(plan_.mutex());
  ATTUNE_RETURN_IF_ERROR(JudgeRead(path));
  ATTUNE_ASSIGN_OR_RETURN(const FilePointer file, Find(path));
  return std::uint64_t{file->bytes.size()};
}

Result<bool> FaultyFileSystem::IsPrivate(const std::string& path) {
  const std::lock_guard guard(plan_.mutex());
  ATTUNE_RETURN_IF_ERROR(JudgeRead(path));
  if (!HasDirectory(path)) ATTUNE_RETURN_IF_ERROR(Find(path).status());
  return true;
}

Result<std::vector<std::string>> FaultyFileSystem::List(const std::string& directory) {
  const std::lock_guard guard(plan_.mutex());
  ATTUNE_RETURN_IF_ERROR(JudgeRead(directory));
  ATTUNE_RETURN_IF_ERROR(CheckDirectory(directory));
  const std::string parent = WithoutTrailingSlash(directory);
  std::set<std::string> names;
  for (const auto& [path, file] : visible_) {
    if (DirectoryName(path) == parent) names.insert(BaseName(path));
  }
  for (const std::string& path : directories_) {
    if (DirectoryName(path) == parent) names.insert(BaseName(path));
  }
  return std::vector<std::string>(names.begin(), names.end());
}

Result<std::string> FaultyFileSystem::Read(const std::string& path, std::uint64_t limit) {
  const std::lock_guard guard(plan_.mutex());
  ATTUNE_RETURN_IF_ERROR(JudgeRead(path));
  ATTUNE_ASSIGN_OR_RETURN(const FilePointer file, Find(path));
  if (file->bytes.size() > limit) {
    return ResourceExhausted(
        StrCat(BaseName(path), ": ", file->bytes.size(), " bytes, allowed at most ", limit));
  }
  return file->bytes;
}

Result<std::unique_ptr<ReadableFile>> FaultyFileSystem::OpenForReading(const std::string& path) {
  const std::lock_guard guard(plan_.mutex());
  ATTUNE_RETURN_IF_ERROR(JudgeRead(path));
  ATTUNE_ASSIGN_OR_RETURN(FilePointer file, Find(path));
  return std::unique_ptr<ReadableFile>(
      std::make_unique<Reader>(*this, std::move(file), BaseName(path)));
}

Result<std::shared_ptr<const MappedFile>> FaultyFileSystem::Map(const std::string& path) {
  const std::lock_guard guard(plan_.mutex());
  ATTUNE_RETURN_IF_ERROR(JudgeRead(path));
  ATTUNE_ASSIGN_OR_RETURN(const FilePointer file, Find(path));
  return std::shared_ptr<const MappedFile>(std::make_shared<MemoryMapping>(file->bytes));
}

Result<std::unique_ptr<WritableFile>> FaultyFileSystem::Create(const std::string& path) {
  const std::lock_guard guard(plan_.mutex());
  const Verdict verdict = Judge(Operation::kCreate, path);
  if (!verdict.takes_place) return verdict.status;
  if (visible_.contains(path) || HasDirectory(path)) {
    return FailedPrecondition(BaseName(path) + ": the name is taken");
  }
  if (!HasDirectory(DirectoryName(path))) return Absent(path);
  FilePointer file = NewFile();
  Change({DirectoryName(path), "", path, file});
  if (!verdict.status.ok()) return verdict.status;
  return std::unique_ptr<WritableFile>(
      std::make_unique<Writer>(*this, std::move(file), BaseName(path)));
}

Result<std::unique_ptr<WritableFile>> FaultyFileSystem::OpenForAppending(const std::string& path) {
  const std::lock_guard guard(plan_.mutex());
  ATTUNE_RETURN_IF_ERROR(JudgeRead(path));
  ATTUNE_ASSIGN_OR_RETURN(FilePointer file, Find(path));
  return std::unique_ptr<WritableFile>(
      std::make_unique<Writer>(*this, std::move(file), BaseName(path)));
}

Status FaultyFileSystem::Rename(const std::string& from, const std::string& to) {
  const std::lock_guard guard(plan_.mutex());
  const Verdict verdict = Judge(Operation::kRename, from);
  if (!verdict.takes_place) return verdict.status;
  ATTUNE_ASSIGN_OR_RETURN(FilePointer file, Find(from));
  if (HasDirectory(to)) return NotRegular(to);
  const std::string source = DirectoryName(from);
  const std::string target = DirectoryName(to);
  if (!HasDirectory(target)) return Absent(to);
  if (source == target) {
    Change({source, from, to, std::move(file)});
  } else {
    Change({target, "", to, file});
    Change({source, from, "", std::move(file)});
  }
  return verdict.status;
}

Status FaultyFileSystem::Remove(const std::string& path) {
  const std::lock_guard guard(plan_.mutex());
  const Verdict verdict = Judge(Operation::kRemove, path);
  if (!verdict.takes_place) return verdict.status;
  ATTUNE_ASSIGN_OR_RETURN(FilePointer file, Find(path));
  Change({DirectoryName(path), path, "", std::move(file)});
  return verdict.status;
}

Status FaultyFileSystem::SyncDirectory(const std::string& directory) {
  const std::lock_guard guard(plan_.mutex());
  ATTUNE_RETURN_IF_ERROR(Judge(Operation::kSyncDirectory, directory).status);
  ATTUNE_RETURN_IF_ERROR(CheckDirectory(directory));
  const std::string synced = WithoutTrailingSlash(directory);
  std::erase_if(entries_, [&](const Entry& entry) {
    if (entry.directory != synced) return false;
    Apply(entry, &durable_);
    return true;
  });
  return OkStatus();
}

Status FaultyFileSystem::CreateDirectories(const std::string& path) {
  const std::lock_guard guard(plan_.mutex());
  const Verdict verdict = Judge(Operation::kCreate, path);
  // Durable at once: so a crash decides now.
  if (!verdict.takes_place || (!verdict.status.ok() && Coin(plan_.random()))) {
    return verdict.status;
  }
  std::set<std::string> made;
  for (std::string at = WithoutTrailingSlash(path); !HasDirectory(at); at = DirectoryName(at)) {
    if (visible_.contains(at)) return InvalidArgument(BaseName(at) + ": not a directory");
    made.insert(at);
  }
  directories_.merge(made);
  return verdict.status;
}

Result<std::unique_ptr<FileLock>> FaultyFileSystem::Lock(const std::string& path,
                                                         double timeout_seconds) {
  using std::chrono::steady_clock;
  const auto deadline = steady_clock::now() + std::chrono::duration<double>(timeout_seconds);
  for (bool first = true;; first = false) {
    {
      const std::lock_guard guard(plan_.mutex());
      // Waiting is one operation, however long it takes.
      if (first) ATTUNE_RETURN_IF_ERROR(Judge(Operation::kCreate, path).status);
      if (plan_.down()) return Down(path);
      if (HasDirectory(path)) return NotRegular(path);
      if (!HasDirectory(DirectoryName(path))) return Absent(path);
      if (!visible_.contains(path)) Change({DirectoryName(path), "", path, NewFile()});
      const FilePointer& file = visible_[path];
      if (!file->locked) return std::unique_ptr<FileLock>(std::make_unique<Held>(*this, file));
    }
    if (!(steady_clock::now() < deadline)) {
      return Unavailable(BaseName(path) + ": locked by somebody else");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace attune::testing
