#include "ane/driver/staging.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/strings.h"

namespace attune::ane {

namespace {

constexpr char kLockFile[] = "attune-ane.staging";
constexpr double kLockPauseSeconds = 0.1;
constexpr int kLockAttempts = 300;
// Identities are three hashes in hexadecimal.
constexpr std::size_t kShortestName = 32;
constexpr std::size_t kLongestName = 240;

// Guards what is removed recursively: never a path, never a name that people give.
bool IsIdentity(std::string_view name) {
  if (name.size() < kShortestName || name.size() > kLongestName) return false;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_' && c != '-') return false;
  }
  return true;
}

Status Failed(std::string_view what, int error) {
  std::string message = StrCat("staging directory: ", what, ": ", std::strerror(error));
  if (error == ENOSPC || error == EDQUOT) return ResourceExhausted(std::move(message));
  return IoError(std::move(message));
}

void RemoveTree(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

Status WriteAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failed("cannot write", errno);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return OkStatus();
}

Status WriteFile(const std::string& path, std::string_view bytes) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return Failed("cannot create a file", errno);
  Status written = WriteAll(file, bytes);
  if (close(file) != 0 && written.ok()) written = Failed("cannot close a file", errno);
  return written;
}

Status MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0) return Failed("cannot create a directory", errno);
  return OkStatus();
}

// Whether the lock file is still the one that its name leads to.
bool IsCurrent(int lock, const std::string& path) {
  struct stat held, named;
  return fstat(lock, &held) == 0 && lstat(path.c_str(), &named) == 0 &&
         held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

// The directory that the last holder of the lock did not come to remove. The lock is
// empty afterwards; truncating one that is so already would make some file systems
// write it to the disk when it is closed.
Status RemoveLeftover(int lock, const std::string& root) {
  std::array<char, kLongestName + 1> name;
  const ssize_t length = pread(lock, name.data(), name.size(), 0);
  if (length <= 0) return OkStatus();
  const std::string_view left(name.data(), static_cast<std::size_t>(length));
  if (IsIdentity(left)) RemoveTree(StrCat(root, "/", left));
  if (ftruncate(lock, 0) != 0) return Failed("cannot write its lock", errno);
  return OkStatus();
}

void Unlock(int lock, const std::string& root) {
  // Unlinked while it is held: whoever waits for it sees that it is no longer current.
  unlink(StrCat(root, "/", kLockFile).c_str());
  close(lock);
}

}  // namespace

Staged::Staged(std::string root, std::string name, int lock)
    : root_(std::move(root)), name_(std::move(name)), lock_(lock) {}

Staged::Staged(Staged&& other) noexcept
    : root_(std::move(other.root_)),
      name_(std::move(other.name_)),
      lock_(std::exchange(other.lock_, -1)) {}

Staged::~Staged() {
  if (lock_ < 0) return;
  RemoveTree(directory());
  Unlock(lock_, root_);
}

Result<StagingArea> StagingArea::Open(std::string root, Clock* clock) {
  while (root.size() > 1 && root.back() == '/') root.pop_back();
  StagingArea area(std::move(root), clock);
  // Taking the lock removes what the last holder left.
  ATTUNE_ASSIGN_OR_RETURN(const int lock, area.Lock());
  Unlock(lock, area.root_);
  return area;
}

Result<int> StagingArea::Lock() const {
  const std::string path = StrCat(root_, "/", kLockFile);
  for (int attempt = 0; attempt < kLockAttempts;) {
    const int lock = open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (lock < 0) return Failed("cannot create its lock", errno);
    const bool taken = flock(lock, LOCK_EX | LOCK_NB) == 0;
    if (taken && IsCurrent(lock, path)) {
      if (Status removed = RemoveLeftover(lock, root_); !removed.ok()) {
        close(lock);
        return removed;
      }
      return lock;
    }
    close(lock);
    ++attempt;
    if (!taken) clock_->Sleep(kLockPauseSeconds);
  }
  return Unavailable("staging directory: another process has been compiling for 30 seconds");
}

Result<Staged> StagingArea::Stage(std::string_view name, std::string_view mil,
                                  std::span<const std::byte> weights) const {
  if (!IsIdentity(name)) {
    return Unsupported(StrCat("the framework's identifier of ", name.size(),
                              " characters is not three hashes: not used as a directory"));
  }
  ATTUNE_ASSIGN_OR_RETURN(const int lock, Lock());
  Staged staged(root_, std::string(name), lock);
  ATTUNE_RETURN_IF_ERROR(WriteAll(lock, name));

  const std::string directory = staged.directory();
  // Files of an older form would be read instead of ours.
  RemoveTree(directory);
  ATTUNE_RETURN_IF_ERROR(MakeDirectory(directory));
  ATTUNE_RETURN_IF_ERROR(MakeDirectory(directory + "/weights"));
  ATTUNE_RETURN_IF_ERROR(WriteFile(directory + "/model.mil", mil));
  if (!weights.empty()) {
    const std::string_view bytes(reinterpret_cast<const char*>(weights.data()), weights.size());
    ATTUNE_RETURN_IF_ERROR(WriteFile(directory + "/weights/weight.bin", bytes));
  }
  return staged;
}

}  // namespace attune::ane
