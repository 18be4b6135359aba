#include "cli/process_memory.h"

#include <sys/resource.h>

#ifdef __APPLE__
#include <mach/mach.h>
#else
#include <cstdio>
#include <cstring>
#endif

namespace attune {

#ifdef __APPLE__

std::int64_t PeakResidentBytes() {
  rusage usage{};
  return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss : 0;
}

std::int64_t AnonymousBytes() {
  task_vm_info_data_t info{};
  mach_msg_type_number_t count = TASK_VM_INFO_COUNT;
  const kern_return_t result =
      task_info(mach_task_self(), TASK_VM_INFO, reinterpret_cast<task_info_t>(&info), &count);
  return result == KERN_SUCCESS ? static_cast<std::int64_t>(info.phys_footprint) : 0;
}

#else

namespace {

// Of a line such as "RssAnon:     1234 kB".
std::int64_t FromProcStatus(const char* name) {
  std::FILE* const file = std::fopen("/proc/self/status", "r");
  if (file == nullptr) return 0;
  const std::size_t length = std::strlen(name);
  char line[256];
  long long kibibytes = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, name, length) != 0 || line[length] != ':') continue;
    if (std::sscanf(line + length + 1, "%lld", &kibibytes) != 1) kibibytes = 0;
    break;
  }
  std::fclose(file);
  return kibibytes * 1024;
}

}  // namespace

std::int64_t PeakResidentBytes() { return FromProcStatus("VmHWM"); }
std::int64_t AnonymousBytes() { return FromProcStatus("RssAnon"); }

#endif

}  // namespace attune
