#include "posix/thread_priority.h"

#if defined(__APPLE__)
#include <pthread/qos.h>
#elif defined(__linux__)
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#endif

namespace attune {

#if defined(__APPLE__)

// Not the background class: on Apple silicon it stays on the efficiency cores, and
// its I/O may be put off while a save is what the system waits for.
void EnterBackground() { pthread_set_qos_class_self_np(QOS_CLASS_UTILITY, 0); }

#elif defined(__linux__)

// SCHED_IDLE would be kinder still, but on a busy device a thread under it may get
// nothing for seconds, and it may hold the vault's lock while the application wants
// to record. Under SCHED_BATCH a woken thread takes no processor from a running
// one, and the kernels' threads wake each other hundreds of times a second.
void EnterBackground() {
  constexpr int kNice = 10;
  // Linux keeps it by thread, whatever POSIX says of processes.
  const auto thread = static_cast<id_t>(syscall(SYS_gettid));
  errno = 0;
  const int now = getpriority(PRIO_PROCESS, thread);
  if (errno == 0 && now < kNice) setpriority(PRIO_PROCESS, thread, kNice);
}

#else

void EnterBackground() {}

#endif

}  // namespace attune
