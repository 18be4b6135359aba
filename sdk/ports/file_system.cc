#include "ports/file_system.h"

#include <utility>

#include "base/strings.h"

namespace attune {
namespace {

// splitmix64's finaliser: neighbouring numbers give unlike names.
std::uint64_t Mixed(std::uint64_t number) {
  number += 0x9e3779b97f4a7c15;
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
  number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
  return number ^ (number >> 31);
}

std::string Hexadecimal(std::uint64_t number) {
  std::string digits(16, '0');
  for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit, number >>= 4) {
    *digit = "0123456789abcdef"[number & 15];
  }
  return digits;
}

// Creates a file of a name that nobody else uses in the directory.
Result<std::unique_ptr<WritableFile>> CreateTemporary(FileSystem& files,
                                                      const std::string& directory,
                                                      std::string* path) {
  // Create() never takes a name that is in use, so that any numbers would do: a
  // place on the stack differs between processes (mostly) and threads (always),
  // which makes the first try succeed mostly.
  const auto seed = reinterpret_cast<std::uintptr_t>(&path);
  constexpr std::uint64_t kAttempts = 1000;
  for (std::uint64_t attempt = 0;; ++attempt) {
    *path = JoinPath(directory, StrCat(".attune-", Hexadecimal(Mixed(seed + attempt)), ".tmp"));
    auto file = files.Create(*path);
    const bool taken = !file.ok() && file.status().code() == StatusCode::kFailedPrecondition;
    if (!taken) return file;
    if (attempt == kAttempts) {
      return IoError(StrCat("no free temporary name in ", kAttempts, " attempts"));
    }
  }
}

Status WriteAndSync(WritableFile& file, std::span<const std::span<const std::byte>> parts) {
  for (const auto& part : parts) ATTUNE_RETURN_IF_ERROR(file.Append(part));
  return file.Sync();
}

}  // namespace

Status FileSystem::WriteAtomically(const std::string& path,
                                   std::span<const std::span<const std::byte>> parts) {
  const std::string directory = DirectoryName(path);
  std::string temporary;
  auto file = CreateTemporary(*this, directory, &temporary);
  if (!file.ok()) return std::move(file).status().WithContext(BaseName(path));
  Status status = WriteAndSync(**file, parts);
  file->reset();
  if (status.ok()) status = Rename(temporary, path);
  if (!status.ok()) {
    // If this fails as well, whoever sweeps the directory finds it by its name.
    Remove(temporary).Ignore();
    return std::move(status).WithContext(BaseName(path));
  }
  return SyncDirectory(directory);
}

std::string BaseName(const std::string& path) {
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  const auto slash = trimmed.rfind('/');
  return slash == std::string::npos || trimmed.size() == 1 ? trimmed : trimmed.substr(slash + 1);
}

std::string DirectoryName(const std::string& path) {
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  const auto slash = trimmed.rfind('/');
  if (slash == std::string::npos) return ".";
  trimmed.resize(slash);
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  return trimmed.empty() ? "/" : trimmed;
}

std::string JoinPath(const std::string& directory, const std::string& name) {
  if (directory.empty()) return name;
  return directory.back() == '/' ? directory + name : directory + "/" + name;
}

}  // namespace attune
