#include "cli/environment.h"

#include <sys/utsname.h>

#include <attune_commit.h>

#include <fstream>

#include "base/strings.h"
#include "cpu/cpu_backend.h"

#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

namespace attune {
namespace {

#ifdef __APPLE__
std::string Cpu() {
  char name[256] = {};
  std::size_t size = sizeof name - 1;
  return sysctlbyname("machdep.cpu.brand_string", name, &size, nullptr, 0) == 0 ? name : "unknown";
}
#else
std::string Cpu() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const auto value = line.find(": ");
    if (line.starts_with("model name") && value != std::string::npos) return line.substr(value + 2);
  }
  return "unknown";
}
#endif

std::string System() {
  utsname name{};
  if (uname(&name) != 0) return "unknown";
  return StrCat(&name.sysname[0], " ", &name.release[0], " ", &name.machine[0]);
}

}  // namespace

Environment DescribeEnvironment() {
  Environment environment;
  environment.cpu = Cpu();
  environment.system = System();
  environment.gemm = CpuGemmProvider();
  environment.build = ATTUNE_BUILD_TYPE;
  environment.commit = ATTUNE_COMMIT;
  environment.version = ATTUNE_VERSION;
  return environment;
}

}  // namespace attune
