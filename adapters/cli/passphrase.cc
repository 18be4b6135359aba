#include "cli/passphrase.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/strings.h"
#include "ports/file_system.h"

namespace attune {
namespace {

// Shows nothing of what is typed while it lives.
class HiddenTyping {
 public:
  explicit HiddenTyping(int descriptor) : descriptor_(descriptor) {
    if (tcgetattr(descriptor_, &before_) != 0) return;
    std::fputs("Passphrase: ", stderr);
    termios hidden = before_;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    changed_ = tcsetattr(descriptor_, TCSAFLUSH, &hidden) == 0;
  }
  ~HiddenTyping() {
    if (!changed_) return;
    tcsetattr(descriptor_, TCSAFLUSH, &before_);
    std::fputc('\n', stderr);
  }
  HiddenTyping(const HiddenTyping&) = delete;
  HiddenTyping& operator=(const HiddenTyping&) = delete;

 private:
  const int descriptor_;
  termios before_{};
  bool changed_ = false;
};

// Byte by byte: what follows the line stays where it is, and no buffer keeps it.
Result<std::size_t> ReadLineInto(int descriptor, std::span<std::byte> out) {
  std::size_t size = 0;
  for (;;) {
    std::byte next{};
    const ssize_t got = read(descriptor, &next, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return IoError("the passphrase cannot be read");
    if (got == 0 || next == std::byte{'\n'}) break;
    if (size == out.size()) {
      return InvalidArgument(StrCat("the passphrase has more than ", out.size(), " bytes"));
    }
    out[size++] = next;
  }
  if (size > 0 && out[size - 1] == std::byte{'\r'}) --size;
  return size;
}

Result<Secret> ReadFrom(Crypto& crypto, int descriptor) {
  Secret line(crypto, kMaxPassphraseBytes);
  ATTUNE_ASSIGN_OR_RETURN(const std::size_t size, ReadLineInto(descriptor, line.bytes()));
  if (size == 0) return InvalidArgument("the passphrase is empty: it is the first line");
  Secret passphrase(crypto, size);
  std::copy_n(line.bytes().begin(), size, passphrase.bytes().begin());
  return passphrase;
}

Status CheckPrivate(int descriptor, const std::string& name) {
  struct stat about = {};
  if (fstat(descriptor, &about) != 0) return IoError(StrCat(name, ": cannot be examined"));
  if (S_ISREG(about.st_mode) && (about.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return FailedPrecondition(
        StrCat(name, ": other users may read the passphrase; chmod 600 it first"));
  }
  return OkStatus();
}

}  // namespace

Result<Secret> ReadPassphrase(Crypto& crypto, const std::string& file) {
  if (file == "-") {
    const HiddenTyping hidden(STDIN_FILENO);
    return ReadFrom(crypto, STDIN_FILENO);
  }
  const std::string name = BaseName(file);
  const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 && errno == ENOENT) return NotFound(StrCat(name, ": no such file"));
  if (descriptor < 0) return IoError(StrCat(name, ": cannot be opened"));
  Status checked = CheckPrivate(descriptor, name);
  Result<Secret> passphrase =
      checked.ok() ? ReadFrom(crypto, descriptor) : Result<Secret>(std::move(checked));
  close(descriptor);
  if (!passphrase.ok()) return std::move(passphrase).status().WithContext(name);
  return passphrase;
}

}  // namespace attune
