// What a figure means nothing without: the machine, the system and the build.

#pragma once

#include <string>

namespace attune {

struct Environment {
  std::string cpu;     // As the processor calls itself; "unknown" if it does not.
  std::string system;  // "Linux 6.1.0 x86_64".
  std::string gemm;    // The matrix library.
  std::string build;   // "Release".
  std::string commit;  // Of the source, "-dirty" if changed; or "unknown".
  std::string version;
};
Environment DescribeEnvironment();

}  // namespace attune
