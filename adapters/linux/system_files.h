// The files in which Linux tells about the device, read as what they are: text
// that somebody else wrote. What is missing, unreadable, too long or of the wrong
// form is absent, never an error.
//
// Threads: every method may be called from any thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace attune {

class SystemFiles {
 public:
  // What the kernel shows in one file is at most a page, and nothing that is looked
  // for lies beyond.
  static constexpr std::size_t kMaxFileBytes = 4096;
  static constexpr std::size_t kMaxEntries = 256;

  // `root` stands before every path; "" is the real system.
  explicit SystemFiles(std::string root) : root_(std::move(root)) {}

  // The beginning of a regular file, at most kMaxFileBytes.
  std::optional<std::string> Read(const std::string& path) const;
  // The first line, without blanks around it; empty if there is none.
  std::string ReadLine(const std::string& path) const;
  // A file that is one whole number.
  std::optional<std::int64_t> ReadNumber(const std::string& path) const;
  // Names, sorted, of at most kMaxEntries entries; without hidden ones.
  std::vector<std::string> List(const std::string& directory) const;
  bool Exists(const std::string& path) const;
  // When somebody last read from it, Unix seconds.
  std::optional<std::int64_t> AccessTime(const std::string& path) const;

 private:
  const std::string root_;
};

// "key=value" or "key: value" at the beginning of a line, the value without blanks
// around it and quotes; empty if there is none.
std::string_view FieldOf(std::string_view text, std::string_view key, char separator);

std::string_view WithoutBlanks(std::string_view text);
std::optional<std::int64_t> NumberOf(std::string_view text);

}  // namespace attune
