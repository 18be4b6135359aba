#include "cli/platform_note.h"

#include <cstdio>

namespace attune {

void PrintNote(const DefaultPlatform& platform) {
  if (!platform.note().empty()) std::fprintf(stderr, "attune: %s\n", platform.note().c_str());
}

}  // namespace attune
