#include "ane/simulator/kernels/convert.h"

#include "ane/simulator/kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ane/simulator/kernels/convert.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h: it re-includes this file.
#include "ane/simulator/kernels/half-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::ane::HWY_NAMESPACE {
namespace {

void WidenImpl(const std::byte* from, float* to, std::int64_t n) {
  std::int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::Rebind<hwy::float16_t, D> d16;
  HWY_ALIGN hwy::float16_t halves[kLanes];
  for (; i + kLanes <= n; i += kLanes) {
    std::memcpy(halves, from + 2 * i, sizeof halves);
    Write(hn::PromoteTo(D(), hn::Load(d16, halves)), to + i);
  }
#endif
  for (; i < n; ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, from + 2 * i, sizeof bits);
    to[i] = F32FromF16(bits);
  }
}

void NarrowImpl(const float* from, std::byte* to, std::int64_t n) {
  std::int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::Rebind<hwy::float16_t, D> d16;
  HWY_ALIGN hwy::float16_t halves[kLanes];
  for (; i + kLanes <= n; i += kLanes) {
    hn::Store(hn::DemoteTo(d16, Read(from + i)), d16, halves);
    std::memcpy(to + 2 * i, halves, sizeof halves);
  }
#endif
  for (; i < n; ++i) {
    const std::uint16_t bits = F16FromF32(from[i]);
    std::memcpy(to + 2 * i, &bits, sizeof bits);
  }
}

}  // namespace
}  // namespace attune::ane::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::ane {

HWY_EXPORT(WidenImpl);
HWY_EXPORT(NarrowImpl);

void WidenHalves(const std::byte* from, float* to, std::int64_t n) {
  HWY_DYNAMIC_DISPATCH(WidenImpl)(from, to, n);
}
void NarrowToHalves(const float* from, std::byte* to, std::int64_t n) {
  HWY_DYNAMIC_DISPATCH(NarrowImpl)(from, to, n);
}

}  // namespace attune::ane
#endif  // HWY_ONCE
