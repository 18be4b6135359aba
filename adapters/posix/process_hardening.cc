#include "posix/process_hardening.h"

#include <sys/resource.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <cerrno>
#include <cstring>

#include "base/strings.h"

namespace attune {

Status ForbidCoreDumps() {
  const rlimit none = {.rlim_cur = 0, .rlim_max = 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) {
    return IoError(StrCat("core dumps: limit: ", std::strerror(errno)));
  }
#ifdef __linux__
  // The limit does not bind a core_pattern that is a pipe; this does.
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return IoError(StrCat("core dumps: dumpable: ", std::strerror(errno)));
  }
#endif
  return OkStatus();
}

}  // namespace attune
