#include "posix/descriptor.h"

#include <cerrno>
#include <system_error>

#include "base/strings.h"
#include "ports/file_system.h"

namespace attune {

Status SystemError(const std::string& path, std::string_view what, int error) {
  std::string message =
      StrCat(BaseName(path), ": ", what, ": ", std::system_category().message(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return NotFound(std::move(message));
    case ENOSPC:
    case EDQUOT:
      return ResourceExhausted(std::move(message));
    case EISDIR:
    case ELOOP:  // A link, where none is followed.
    case ENXIO:  // A pipe without a reader, or a socket.
      return NotRegular(path);
    default:
      return IoError(std::move(message));
  }
}

Status NotRegular(const std::string& path) {
  return InvalidArgument(StrCat(BaseName(path), ": not a regular file"));
}

Descriptor OpenRetrying(const std::string& path, int flags, mode_t mode) {
  int fd;
  do {
    fd = open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return Descriptor(fd);
}

Result<Descriptor> OpenRegular(const std::string& path, int flags, mode_t mode) {
  // Without O_NONBLOCK, opening a named pipe would wait for its other end.
  Descriptor file = OpenRetrying(path, flags | O_NONBLOCK, mode);
  if (!file.ok()) return SystemError(path, "open", errno);
  struct stat info;
  if (fstat(file.get(), &info) != 0) return SystemError(path, "stat", errno);
  if (!S_ISREG(info.st_mode)) return NotRegular(path);
  return file;
}

Result<std::uint64_t> SizeOf(const Descriptor& file, const std::string& path) {
  struct stat info;
  if (fstat(file.get(), &info) != 0) return SystemError(path, "stat", errno);
  return static_cast<std::uint64_t>(info.st_size);
}

int Flush(const Descriptor& file) {
#ifdef __APPLE__
  // fsync stops at the drive's cache. Not every file system has F_FULLFSYNC;
  // fsync is then the best there is.
  if (fcntl(file.get(), F_FULLFSYNC) == 0) return 0;
#endif
  while (fsync(file.get()) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

}  // namespace attune
