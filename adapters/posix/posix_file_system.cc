#include "posix/posix_file_system.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/strings.h"

namespace attune {
namespace {

Status SystemError(const std::string& path, std::string_view what, int error) {
  std::string message =
      StrCat(BaseName(path), ": ", what, ": ", std::system_category().message(error));
  if (error == ENOENT || error == ENOTDIR) return NotFound(std::move(message));
  return IoError(std::move(message));
}

// Closes on destruction. Release() gives the descriptor away.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

int OpenRetrying(const char* path, int flags, mode_t mode = 0) {
  int fd;
  do {
    fd = open(path, flags, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

// Opens a regular file for reading and tells its size.
Result<int> OpenRegular(const std::string& path, std::uint64_t* size) {
  // Without O_NONBLOCK, opening a named pipe would wait for a writer.
  Descriptor file(OpenRetrying(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return SystemError(path, "open", errno);
  struct stat info;
  if (fstat(file.get(), &info) != 0) return SystemError(path, "stat", errno);
  if (!S_ISREG(info.st_mode))
    return InvalidArgument(StrCat(BaseName(path), ": not a regular file"));
  *size = static_cast<std::uint64_t>(info.st_size);
  return file.Release();
}

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

Status WriteAll(int fd, std::span<const std::byte> bytes, const std::string& path) {
  // Some systems refuse a single write beyond 2 GiB.
  constexpr std::size_t kLargestWrite = std::size_t{1} << 30;
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), std::min(bytes.size(), kLargestWrite));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == ENOSPC) {
      return ResourceExhausted(
          StrCat(BaseName(path), ": no space left with ", bytes.size(), " bytes to write"));
    }
    if (written < 0) return SystemError(path, "write", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return OkStatus();
}

Status Flush(int fd, const std::string& path) {
#ifdef __APPLE__
  if (fcntl(fd, F_FULLFSYNC) == 0) return OkStatus();
    // Not every file system has it; fsync is then the best there is.
#endif
  if (fsync(fd) != 0) return SystemError(path, "flush", errno);
  return OkStatus();
}

std::string DirectoryOf(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status FlushDirectory(const std::string& directory) {
  Descriptor fd(OpenRetrying(directory.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY));
  if (fd.get() < 0) return SystemError(directory, "open", errno);
  // Some file systems cannot flush directories (EINVAL): they order renames.
  if (fsync(fd.get()) != 0 && errno != EINVAL) return SystemError(directory, "flush", errno);
  return OkStatus();
}

Status WriteAndClose(int descriptor, const std::string& path,
                     std::span<const std::span<const std::byte>> parts) {
  Descriptor fd(descriptor);
  for (const auto& part : parts) ATTUNE_RETURN_IF_ERROR(WriteAll(fd.get(), part, path));
  ATTUNE_RETURN_IF_ERROR(Flush(fd.get(), path));
  if (close(fd.Release()) != 0) return SystemError(path, "close", errno);
  return OkStatus();
}

}  // namespace

bool PosixFileSystem::Exists(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0;
}

bool PosixFileSystem::IsDirectory(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Result<std::uint64_t> PosixFileSystem::Size(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return SystemError(path, "stat", errno);
  if (!S_ISREG(info.st_mode))
    return InvalidArgument(StrCat(BaseName(path), ": not a regular file"));
  return static_cast<std::uint64_t>(info.st_size);
}

Result<std::string> PosixFileSystem::Read(const std::string& path, std::uint64_t limit) {
  std::uint64_t size = 0;
  ATTUNE_ASSIGN_OR_RETURN(const int descriptor, OpenRegular(path, &size));
  Descriptor fd(descriptor);
  if (size > limit) {
    return ResourceExhausted(StrCat(BaseName(path), ": ", size, " bytes, allowed at most ", limit));
  }
  std::string text(static_cast<std::size_t>(size), '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t got = read(fd.get(), text.data() + done, text.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(path, "read", errno);
    if (got == 0) {
      return IoError(
          StrCat(BaseName(path), ": shrank to ", done, " of ", size, " bytes while being read"));
    }
    done += static_cast<std::size_t>(got);
  }
  return text;
}

Result<std::shared_ptr<const MappedFile>> PosixFileSystem::Map(const std::string& path) {
  std::uint64_t size = 0;
  ATTUNE_ASSIGN_OR_RETURN(const int descriptor, OpenRegular(path, &size));
  Descriptor fd(descriptor);
  if (size == 0) return std::shared_ptr<const MappedFile>(std::make_shared<Mapping>(nullptr, 0));
  void* address =
      mmap(nullptr, static_cast<std::size_t>(size), PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (address == MAP_FAILED) return SystemError(path, "map", errno);
  return std::shared_ptr<const MappedFile>(
      std::make_shared<Mapping>(address, static_cast<std::size_t>(size)));
}

Result<int> PosixFileSystem::CreateTemporary(const std::string& target, std::string* temporary) {
  constexpr int kAttempts = 100;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    *temporary = JoinPath(DirectoryOf(target),
                          StrCat(".attune-", getpid(), "-", next_temporary_.fetch_add(1), ".tmp"));
    const int fd = OpenRetrying(temporary->c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) return fd;
    // Another FileSystem of this process, or a leftover of a dead one.
    if (errno != EEXIST) return SystemError(target, "create", errno);
  }
  return IoError(StrCat(BaseName(target), ": no free temporary name in ", kAttempts, " attempts"));
}

Status PosixFileSystem::WriteAtomically(const std::string& path,
                                        std::span<const std::span<const std::byte>> parts) {
  if (IsDirectory(path)) return InvalidArgument(StrCat(BaseName(path), ": not a regular file"));
  std::string temporary;
  ATTUNE_ASSIGN_OR_RETURN(const int fd, CreateTemporary(path, &temporary));
  Status written = WriteAndClose(fd, path, parts);
  if (written.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
    written = SystemError(path, "rename", errno);
  }
  if (!written.ok()) {
    unlink(temporary.c_str());
    return written;
  }
  return FlushDirectory(DirectoryOf(path));
}

Status PosixFileSystem::CreateDirectories(const std::string& path) {
  for (std::size_t end = 1; end <= path.size(); ++end) {
    if (end != path.size() && path[end] != '/') continue;
    const std::string prefix = path.substr(0, end);
    if (mkdir(prefix.c_str(), 0700) == 0 || IsDirectory(prefix)) continue;
    const int error = errno;
    if (Exists(prefix)) return InvalidArgument(StrCat(BaseName(prefix), ": not a directory"));
    return SystemError(prefix, "create directory", error);
  }
  return OkStatus();
}

}  // namespace attune
