// An owned file descriptor, and what opening one can go wrong with.

#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "attune/status.h"

namespace attune {

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }

  bool ok() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_;
};

// "name: what: the system's words", with the code that FileSystem promises.
Status SystemError(const std::string& path, std::string_view what, int error);
Status NotRegular(const std::string& path);

// open(2) with O_CLOEXEC, again after signals. Check ok(); errno says why not.
Descriptor OpenRetrying(const std::string& path, int flags, mode_t mode = 0);

// Opens a regular file. Never waits for the other end of a pipe.
Result<Descriptor> OpenRegular(const std::string& path, int flags, mode_t mode = 0);
// Of an open file.
Result<std::uint64_t> SizeOf(const Descriptor& file, const std::string& path);

// Returns when the device, not only its cache, has what was written: 0, or errno.
int Flush(const Descriptor& file);

}  // namespace attune
