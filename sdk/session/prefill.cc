#include "session/prefill.h"

namespace attune {

std::int64_t CoveringRunSize(std::int64_t tokens) {
  for (const std::int64_t size : kRunSizes) {
    if (size >= tokens) return size;
  }
  return kRunSizes.back();
}

std::int64_t NextRunSize(std::int64_t remaining, std::int64_t room) {
  constexpr std::int64_t kOneByOne = 3;
  if (remaining <= kOneByOne) return 1;
  const std::int64_t wanted = CoveringRunSize(remaining);
  std::int64_t best = 1;
  for (const std::int64_t size : kRunSizes) {
    if (size <= wanted && size <= room) best = size;
  }
  return best;
}

}  // namespace attune
