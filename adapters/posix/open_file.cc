#include "posix/open_file.h"

#include <sys/file.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "base/strings.h"
#include "posix/posix_clock.h"

namespace attune {
namespace {

class Mapping final : public MappedFile {
 public:
  Mapping(void* address, std::size_t size) : address_(address), size_(size) {}
  ~Mapping() override {
    if (size_ != 0) munmap(address_, size_);
  }
  std::span<const std::byte> bytes() const override {
    return {static_cast<const std::byte*>(address_), size_};
  }

 private:
  void* address_;
  std::size_t size_;
};

Status WriteAll(const Descriptor& file, std::span<const std::byte> bytes, const std::string& path) {
  // Some systems refuse a single write beyond 2 GiB.
  constexpr std::size_t kLargestWrite = std::size_t{1} << 30;
  while (!bytes.empty()) {
    const ssize_t written = write(file.get(), bytes.data(), std::min(bytes.size(), kLargestWrite));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && (errno == ENOSPC || errno == EDQUOT)) {
      return ResourceExhausted(
          StrCat(BaseName(path), ": no space left with ", bytes.size(), " bytes to write"));
    }
    if (written < 0) return SystemError(path, "write", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return OkStatus();
}

// flock belongs to the open file, not to the process as fcntl's locks do: it
// excludes a second object of this process too, and closing an unrelated
// descriptor of the same file does not drop it.
class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(Descriptor file) : file_(std::move(file)) {}

 private:
  Descriptor file_;
};

// Whether the name still stands for the open file. A lock on a file that was
// removed meanwhile excludes nobody.
bool IsStillNamed(const Descriptor& file, const std::string& path) {
  struct stat open_file;
  struct stat named;
  return fstat(file.get(), &open_file) == 0 && lstat(path.c_str(), &named) == 0 &&
         open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
}

void Sleep(double seconds) {
  timespec time{};
  time.tv_nsec = static_cast<long>(seconds * 1e9);
  nanosleep(&time, nullptr);
}

}  // namespace

Status ReadFully(const Descriptor& file, const std::string& path, std::uint64_t offset,
                 std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        pread(file.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(path, "read", errno);
    if (got == 0) {
      return DataLoss(StrCat(BaseName(path), ": ends at byte ", offset + done, ", ",
                             offset + out.size(), " needed"));
    }
    done += static_cast<std::size_t>(got);
  }
  return OkStatus();
}

Status PosixReadableFile::ReadAt(std::uint64_t offset, std::span<std::byte> out) {
  if (offset > size_ || out.size() > size_ - offset) {
    return DataLoss(
        StrCat(BaseName(path_), ": ", out.size(), " bytes wanted at ", offset, " of ", size_));
  }
  return ReadFully(file_, path_, offset, out);
}

Status PosixWritableFile::Append(std::span<const std::byte> bytes) {
  if (error_.ok()) error_ = WriteAll(file_, bytes, path_);
  return error_;
}

Status PosixWritableFile::Sync() {
  if (!error_.ok()) return error_;
  if (const int error = Flush(file_); error != 0) error_ = SystemError(path_, "flush", error);
  return error_;
}

Result<std::shared_ptr<const MappedFile>> MapWhole(const Descriptor& file,
                                                   const std::string& path) {
  ATTUNE_ASSIGN_OR_RETURN(const std::uint64_t size, SizeOf(file, path));
  if (size == 0) return std::shared_ptr<const MappedFile>(std::make_shared<Mapping>(nullptr, 0));
  const auto length = static_cast<std::size_t>(size);
  void* address = mmap(nullptr, length, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (address == MAP_FAILED) return SystemError(path, "map", errno);
  return std::shared_ptr<const MappedFile>(std::make_shared<Mapping>(address, length));
}

Result<std::unique_ptr<FileLock>> LockFile(const std::string& path, double timeout_seconds) {
  // The system can only wait for ever, hence the polling: often at first, for a
  // transaction takes milliseconds.
  constexpr double kLongestPause = 0.02;
  PosixClock clock;
  const double deadline = clock.MonotonicSeconds() + timeout_seconds;
  for (double pause = 0.0005;; pause = std::min(2 * pause, kLongestPause)) {
    ATTUNE_ASSIGN_OR_RETURN(Descriptor file,
                            OpenRegular(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
    const bool locked = flock(file.get(), LOCK_EX | LOCK_NB) == 0;
    if (locked && IsStillNamed(file, path)) {
      return std::unique_ptr<FileLock>(std::make_unique<PosixFileLock>(std::move(file)));
    }
    if (!locked && errno != EWOULDBLOCK && errno != EINTR) return SystemError(path, "lock", errno);
    // Written so that NaN does not wait.
    if (!(clock.MonotonicSeconds() + pause <= deadline)) {
      return Unavailable(StrCat(BaseName(path), ": locked by somebody else for ",
                                std::max(timeout_seconds, 0.0), " s; try again"));
    }
    Sleep(pause);
  }
}

}  // namespace attune
