#include "posix/posix_file_system.h"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string_view>

#include "base/strings.h"
#include "posix/descriptor.h"
#include "posix/open_file.h"

namespace attune {
namespace {

Status NotADirectory(const std::string& path) {
  return InvalidArgument(StrCat(BaseName(path), ": not a directory"));
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
  if (!S_ISREG(info.st_mode)) return NotRegular(path);
  return static_cast<std::uint64_t>(info.st_size);
}

Result<bool> PosixFileSystem::IsPrivate(const std::string& path) {
  struct stat info;
  // Not through links: whoever owns the link chooses what it leads to.
  if (lstat(path.c_str(), &info) != 0) return SystemError(path, "stat", errno);
  if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) return NotRegular(path);
  return info.st_uid == geteuid() && (info.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

Result<std::vector<std::string>> PosixFileSystem::List(const std::string& directory) {
  DIR* stream = opendir(directory.c_str());
  if (stream == nullptr) {
    const int error = errno;
    if (error == ENOTDIR && Exists(directory)) return NotADirectory(directory);
    return SystemError(directory, "list", error);
  }
  std::vector<std::string> names;
  errno = 0;  // readdir tells an error from the end by errno alone.
  while (const dirent* entry = readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  const int error = errno;
  closedir(stream);
  if (error != 0) return SystemError(directory, "list", error);
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::string> PosixFileSystem::Read(const std::string& path, std::uint64_t limit) {
  ATTUNE_ASSIGN_OR_RETURN(const Descriptor file, OpenRegular(path, O_RDONLY));
  ATTUNE_ASSIGN_OR_RETURN(const std::uint64_t size, SizeOf(file, path));
  if (size > limit) {
    return ResourceExhausted(StrCat(BaseName(path), ": ", size, " bytes, allowed at most ", limit));
  }
  std::string text(static_cast<std::size_t>(size), '\0');
  ATTUNE_RETURN_IF_ERROR(ReadFully(file, path, 0, std::as_writable_bytes(std::span(text))));
  return text;
}

Result<std::unique_ptr<ReadableFile>> PosixFileSystem::OpenForReading(const std::string& path) {
  ATTUNE_ASSIGN_OR_RETURN(Descriptor file, OpenRegular(path, O_RDONLY));
  ATTUNE_ASSIGN_OR_RETURN(const std::uint64_t size, SizeOf(file, path));
  return std::unique_ptr<ReadableFile>(
      std::make_unique<PosixReadableFile>(std::move(file), path, size));
}

Result<std::shared_ptr<const MappedFile>> PosixFileSystem::Map(const std::string& path) {
  ATTUNE_ASSIGN_OR_RETURN(const Descriptor file, OpenRegular(path, O_RDONLY));
  return MapWhole(file, path);
}

Result<std::unique_ptr<WritableFile>> PosixFileSystem::Create(const std::string& path) {
  // With O_EXCL a link is a name that is taken, wherever it leads.
  Descriptor file = OpenRetrying(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL, 0600);
  if (!file.ok() && errno == EEXIST) {
    return FailedPrecondition(StrCat(BaseName(path), ": the name is taken"));
  }
  if (!file.ok()) return SystemError(path, "create", errno);
  return std::unique_ptr<WritableFile>(std::make_unique<PosixWritableFile>(std::move(file), path));
}

Result<std::unique_ptr<WritableFile>> PosixFileSystem::OpenForAppending(const std::string& path) {
  ATTUNE_ASSIGN_OR_RETURN(Descriptor file, OpenRegular(path, O_WRONLY | O_APPEND | O_NOFOLLOW));
  return std::unique_ptr<WritableFile>(std::make_unique<PosixWritableFile>(std::move(file), path));
}

Status PosixFileSystem::Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) == 0) return OkStatus();
  const int error = errno;
  return SystemError(error == EISDIR ? to : from, "rename", error);
}

Status PosixFileSystem::Remove(const std::string& path) {
  if (unlink(path.c_str()) == 0) return OkStatus();
  const int error = errno;
  // What POSIX asks for a directory; Linux says EISDIR.
  if (error == EPERM && IsDirectory(path)) return NotRegular(path);
  return SystemError(path, "remove", error);
}

Status PosixFileSystem::SyncDirectory(const std::string& directory) {
  const Descriptor file = OpenRetrying(directory, O_RDONLY | O_DIRECTORY);
  if (!file.ok()) {
    const int error = errno;
    if (error == ENOTDIR && Exists(directory)) return NotADirectory(directory);
    return SystemError(directory, "open", error);
  }
  const int error = Flush(file);
  // Some file systems cannot flush directories (EINVAL): they order renames.
  return error == 0 || error == EINVAL ? OkStatus() : SystemError(directory, "flush", error);
}

Status PosixFileSystem::CreateDirectories(const std::string& path) {
  for (std::size_t end = 1; end <= path.size(); ++end) {
    if (end != path.size() && path[end] != '/') continue;
    const std::string prefix = path.substr(0, end);
    if (mkdir(prefix.c_str(), 0700) == 0) {
      ATTUNE_RETURN_IF_ERROR(SyncDirectory(DirectoryName(prefix)));
      continue;
    }
    const int error = errno;
    if (IsDirectory(prefix)) continue;
    if (Exists(prefix)) return NotADirectory(prefix);
    return SystemError(prefix, "create directory", error);
  }
  return OkStatus();
}

Result<std::unique_ptr<FileLock>> PosixFileSystem::Lock(const std::string& path,
                                                        double timeout_seconds) {
  return LockFile(path, timeout_seconds);
}

}  // namespace attune
