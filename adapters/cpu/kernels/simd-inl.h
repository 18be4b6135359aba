// Vector helpers shared by the kernels: the f32 tag, tails, 16-bit loads,
// reductions. Compiled once per target, so the guard toggles.

#if defined(ATTUNE_CPU_KERNELS_SIMD_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_CPU_KERNELS_SIMD_INL_H
#undef ATTUNE_CPU_KERNELS_SIMD_INL_H
#else
#define ATTUNE_CPU_KERNELS_SIMD_INL_H
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/half.h"
#include "hwy/highway.h"

// Before a loop over an array of vectors with a constant bound: unless it is
// unrolled the array lives in memory.
#if defined(__clang__)
#define ATTUNE_UNROLL _Pragma("unroll")
#else
#define ATTUNE_UNROLL _Pragma("GCC unroll 16")
#endif

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
using DI = hn::RebindToSigned<D>;
using DU = hn::RebindToUnsigned<D>;
using D16 = hn::Rebind<std::uint16_t, D>;
inline constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(D()));

// Vectors are loaded and stored with masks where those do not touch what they
// mask out, else through a buffer.
#undef ATTUNE_SAFE_MASKS
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
#define ATTUNE_SAFE_MASKS 1
#else
#define ATTUNE_SAFE_MASKS 0
#endif

HWY_INLINE V Load(const float* p) { return hn::LoadU(D(), p); }
HWY_INLINE void Store(V v, float* p) { hn::StoreU(v, D(), p); }
HWY_INLINE V Set(float x) { return hn::Set(D(), x); }
HWY_INLINE V Zero() { return hn::Zero(D()); }
HWY_INLINE float Sum(V v) { return hn::GetLane(hn::SumOfLanes(D(), v)); }
HWY_INLINE float Max(V v) { return hn::GetLane(hn::MaxOfLanes(D(), v)); }

// The first n lanes, the others zero. REQUIRES: 0 <= n <= kLanes.
HWY_INLINE V LoadN(const float* p, std::int64_t n) {
#if ATTUNE_SAFE_MASKS
  return hn::MaskedLoad(hn::FirstN(D(), static_cast<std::size_t>(n)), D(), p);
#else
  if (n == kLanes) return Load(p);
  HWY_ALIGN float buffer[kLanes] = {};
  for (std::int64_t i = 0; i < n; ++i) buffer[i] = p[i];
  return hn::Load(D(), buffer);
#endif
}

HWY_INLINE void StoreN(V v, float* p, std::int64_t n) {
#if ATTUNE_SAFE_MASKS
  hn::BlendedStore(v, hn::FirstN(D(), static_cast<std::size_t>(n)), D(), p);
#else
  if (n == kLanes) return Store(v, p);
  HWY_ALIGN float buffer[kLanes];
  hn::Store(v, D(), buffer);
  for (std::int64_t i = 0; i < n; ++i) p[i] = buffer[i];
#endif
}

// Element types as the kernels read them; widened to f32 on load.
struct F32 {
  using Type = float;
  static HWY_INLINE V Load(const float* p) { return hn::LoadU(D(), p); }
  static HWY_INLINE float Widen(float x) { return x; }
};
struct Bf16 {
  using Type = std::uint16_t;
  static HWY_INLINE V Load(const std::uint16_t* p) {
    const auto bits = hn::PromoteTo(DU(), hn::LoadU(D16(), p));
    return hn::BitCast(D(), hn::ShiftLeft<16>(bits));
  }
  static HWY_INLINE float Widen(std::uint16_t x) { return F32FromBf16(x); }
};
struct F16 {
  using Type = std::uint16_t;
  static HWY_INLINE V Load(const std::uint16_t* p) {
#if HWY_TARGET == HWY_SCALAR
    return Set(F32FromF16(*p));
#else
    const hn::Rebind<hwy::float16_t, D> d16;
    return hn::PromoteTo(D(), hn::BitCast(d16, hn::LoadU(D16(), p)));
#endif
  }
  static HWY_INLINE float Widen(std::uint16_t x) { return F32FromF16(x); }
};

// The first n lanes of a 16-bit or f32 array as f32, the others zero.
template <typename E>
HWY_INLINE V LoadElementsN(const typename E::Type* p, std::int64_t n) {
  typename E::Type buffer[kLanes] = {};
  std::memcpy(buffer, p, static_cast<std::size_t>(n) * sizeof buffer[0]);
  return E::Load(buffer);
}

// z[i] = op(inputs[i]...) for i in [begin, end).
template <typename Op, typename... Inputs>
HWY_INLINE void Map(std::int64_t begin, std::int64_t end, float* z, const Op& op,
                    const Inputs*... inputs) {
  std::int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) Store(op(Load(inputs + i)...), z + i);
  if (i < end) StoreN(op(LoadN(inputs + i, end - i)...), z + i, end - i);
}

HWY_INLINE std::int64_t RoundUpToLanes(std::int64_t n) {
  return (n + kLanes - 1) / kLanes * kLanes;
}

}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
