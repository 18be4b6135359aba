// Vectors of f32 and their rounding to what the hardware would keep. Compiled once
// per target, so the guard toggles.

#if defined(ATTUNE_ANE_SIMULATOR_HALF_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_ANE_SIMULATOR_HALF_INL_H
#undef ATTUNE_ANE_SIMULATOR_HALF_INL_H
#else
#define ATTUNE_ANE_SIMULATOR_HALF_INL_H
#endif

#include <cstdint>
#include <cstring>

#include "ane/simulator/kernels/rounding.h"
#include "base/half.h"
#include "hwy/highway.h"

#if defined(__clang__)
#define ATTUNE_ANE_UNROLL _Pragma("unroll")
#else
#define ATTUNE_ANE_UNROLL _Pragma("GCC unroll 16")
#endif

HWY_BEFORE_NAMESPACE();
namespace attune::ane::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
using M = hn::Mask<D>;
inline constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(D()));

HWY_INLINE V Splat(float x) { return hn::Set(D(), x); }
HWY_INLINE V Read(const float* p) { return hn::LoadU(D(), p); }
HWY_INLINE void Write(V v, float* p) { hn::StoreU(v, D(), p); }

// The first n lanes, the others `fill`. REQUIRES: 0 < n < kLanes.
HWY_INLINE V ReadPart(const float* p, std::int64_t n, float fill = 0) {
  HWY_ALIGN float buffer[kLanes];
  for (std::int64_t i = 0; i < kLanes; ++i) buffer[i] = i < n ? p[i] : fill;
  return hn::Load(D(), buffer);
}
HWY_INLINE void WritePart(V v, float* p, std::int64_t n) {
  HWY_ALIGN float buffer[kLanes];
  hn::Store(v, D(), buffer);
  std::memcpy(p, buffer, static_cast<std::size_t>(n) * sizeof(float));
}

// To fp16 and back, nearest even.
HWY_INLINE V Half(V v) {
#if HWY_TARGET == HWY_SCALAR
  return Splat(F32FromF16(F16FromF32(hn::GetLane(v))));
#else
  const hn::Rebind<hwy::float16_t, D> d16;
  return hn::PromoteTo(D(), hn::DemoteTo(d16, v));
#endif
}

HWY_INLINE V Or0(M where, V v) { return hn::IfThenElseZero(where, v); }

// A result as it is kept: see Rounding.
template <bool kHalf, bool kNoNan>
HWY_INLINE V Kept(V v) {
  if constexpr (kHalf) v = Half(v);
  // A sum with zero turns -0 into 0 too.
  if constexpr (kNoNan) v = hn::Add(Or0(hn::Eq(v, v), v), hn::Zero(D()));
  return v;
}

}  // namespace attune::ane::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
