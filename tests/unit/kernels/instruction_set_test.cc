// Runs this whole executable on one instruction set when the environment
// variable ATTUNE_KERNEL_TARGET names it (AVX2, SCALAR, ...): CTest has an
// entry for each that a plain run would not choose.

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cpu/kernels/targets.h"
// After targets.h, which says what was compiled.
#include "hwy/highway.h"

namespace attune::cpu {
namespace {

// Only where there is a choice; libhwy makes it and Arm does without.
#if (HWY_TARGETS & (HWY_TARGETS - 1)) != 0

const char* WantedTarget() { return std::getenv("ATTUNE_KERNEL_TARGET"); }

// 0 when this processor or this build has no such instruction set.
std::int64_t TargetNamed(const char* name) {
  for (std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    if (std::strcmp(hwy::TargetName(target), name) == 0) return target;
  }
  return 0;
}

// Before main(), hence before any kernel has run and chosen for itself.
bool ChooseTarget() {
  const std::int64_t target = WantedTarget() == nullptr ? 0 : TargetNamed(WantedTarget());
  if (target == 0) return false;
  hwy::SetSupportedTargetsForTest(target);
  hwy::GetChosenTarget().Update(target);
  return true;
}
[[maybe_unused]] const bool kChosen = ChooseTarget();

TEST(InstructionSet, IsTheOneAskedFor) {
  if (WantedTarget() == nullptr) GTEST_SKIP() << "ATTUNE_KERNEL_TARGET is not set";
  if (!kChosen) GTEST_SKIP() << "no " << WantedTarget() << " on this processor";
  EXPECT_EQ(hwy::SupportedTargets(), TargetNamed(WantedTarget()));
}
#endif

}  // namespace
}  // namespace attune::cpu
