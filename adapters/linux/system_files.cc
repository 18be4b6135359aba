#include "linux/system_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>

#include "posix/descriptor.h"

namespace attune {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

}  // namespace

std::string_view WithoutBlanks(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::optional<std::int64_t> NumberOf(std::string_view text) {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::string_view FieldOf(std::string_view text, std::string_view key, char separator) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!line.starts_with(key)) continue;
    const std::string_view rest = line.substr(key.size());
    if (!rest.starts_with(separator)) continue;
    std::string_view value = WithoutBlanks(rest.substr(1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    return value;
  }
  return {};
}

std::optional<std::string> SystemFiles::Read(const std::string& path) const {
  // Without waiting: what is expected to be a file may be a pipe.
  const Descriptor file = OpenRetrying(root_ + path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  struct stat status {};
  if (!file.ok() || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return std::nullopt;
  }
  std::string text(kMaxFileBytes, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

std::string SystemFiles::ReadLine(const std::string& path) const {
  const auto text = Read(path);
  if (!text) return {};
  return std::string(WithoutBlanks(std::string_view(*text).substr(0, text->find('\n'))));
}

std::optional<std::int64_t> SystemFiles::ReadNumber(const std::string& path) const {
  const auto text = Read(path);
  if (!text) return std::nullopt;
  return NumberOf(WithoutBlanks(*text));
}

std::vector<std::string> SystemFiles::List(const std::string& directory) const {
  std::vector<std::string> names;
  const Descriptor opened =
      OpenRetrying(root_ + directory, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_NOCTTY);
  if (!opened.ok()) return names;
  const int descriptor = fcntl(opened.get(), F_DUPFD_CLOEXEC, 0);
  if (descriptor < 0) return names;
  const std::unique_ptr<DIR, CloseDirectory> entries(fdopendir(descriptor));
  if (entries == nullptr) {
    close(descriptor);
    return names;
  }
  while (names.size() < kMaxEntries) {
    const dirent* const entry = readdir(entries.get());
    if (entry == nullptr) break;
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool SystemFiles::Exists(const std::string& path) const {
  return access((root_ + path).c_str(), F_OK) == 0;
}

std::optional<std::int64_t> SystemFiles::AccessTime(const std::string& path) const {
  struct stat status {};
  if (stat((root_ + path).c_str(), &status) != 0) return std::nullopt;
  return std::int64_t{status.st_atim.tv_sec};
}

}  // namespace attune
