// --chip and --os: which Neural Engine under which system.

#pragma once

#include <string>

#include "ane/device/target.h"
#include "attune/status.h"

namespace CLI {
class App;
}

namespace attune {

struct AneTargetOptions {
  std::string chip = "m4";
  int os = 26;

  // kInvalidArgument lists the chips that are known.
  Result<ane::Target> target() const;
};
void AddAneTargetOptions(CLI::App* app, AneTargetOptions* options);

}  // namespace attune
