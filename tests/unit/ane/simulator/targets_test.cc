// With ATTUNE_KERNEL_TARGET (AVX2, SCALAR, ...) in the environment the whole suite runs
// on that instruction set: CTest has an entry for each that it would not choose.

#include "ane/simulator/kernels/targets.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

// After targets.h, which says what was compiled.
#include "hwy/highway.h"

namespace attune::ane {
namespace {

// Where only one is compiled there is nothing to choose.
#if (HWY_TARGETS & (HWY_TARGETS - 1)) != 0

// 0: none is wanted, or this machine has not got it.
std::int64_t Wanted() {
  const char* name = std::getenv("ATTUNE_KERNEL_TARGET");
  if (name == nullptr) return 0;
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    if (std::string_view(hwy::TargetName(target)) == name) return target;
  }
  return 0;
}

// Before main(): the first kernel that runs would settle it.
const std::int64_t kTarget = [] {
  const std::int64_t target = Wanted();
  if (target != 0) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(target);
  }
  return target;
}();

TEST(SimulatorTargets, TheWantedInstructionSetIsInUse) {
  if (kTarget == 0) GTEST_SKIP() << "the best of this machine is in use";
  EXPECT_EQ(hwy::SupportedTargets(), kTarget);
}
#endif

}  // namespace
}  // namespace attune::ane
