#include "cpu/kernels/convert.h"

#include <cstring>

#include "base/check.h"
#include "cpu/kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/kernels/convert.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h: it re-includes this file.
#include "cpu/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {
namespace {

// Rounds to nearest even here: Highway's own conversion truncates on x86.
struct ToBf16 {
  static HWY_INLINE void Store(V x, std::uint16_t* out) {
    const DU du;
    const auto bits = hn::BitCast(du, x);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
    const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fff)));
    const auto quiet = hn::Or(bits, hn::Set(du, 0x400000));
    const auto is_nan = hn::RebindMask(du, hn::IsNaN(x));
    const auto upper = hn::ShiftRight<16>(hn::IfThenElse(is_nan, quiet, rounded));
    HWY_ALIGN std::uint32_t lanes[kLanes];
    hn::Store(upper, du, lanes);
    for (std::int64_t i = 0; i < kLanes; ++i) out[i] = static_cast<std::uint16_t>(lanes[i]);
  }
  static HWY_INLINE std::uint16_t Narrow(float x) { return Bf16FromF32(x); }
};

struct ToF16 {
  static HWY_INLINE void Store(V x, std::uint16_t* out) {
#if HWY_TARGET == HWY_SCALAR
    *out = F16FromF32(hn::GetLane(x));
#else
    const hn::Rebind<hwy::float16_t, D> d16;
    hn::StoreU(hn::BitCast(D16(), hn::DemoteTo(d16, x)), D16(), out);
#endif
  }
  static HWY_INLINE std::uint16_t Narrow(float x) { return F16FromF32(x); }
};

template <typename E>
HWY_INLINE void WidenRow(const void* source, std::int64_t n, float* target) {
  const auto* x = static_cast<const typename E::Type*>(source);
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) Store(E::Load(x + i), target + i);
  for (; i < n; ++i) target[i] = E::Widen(x[i]);
}

template <typename To>
HWY_INLINE void NarrowRow(const float* source, std::int64_t n, void* target) {
  auto* y = static_cast<std::uint16_t*>(target);
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) To::Store(Load(source + i), y + i);
  for (; i < n; ++i) y[i] = To::Narrow(source[i]);
}

void ConvertRow(const ConvertArgs& args, const std::byte* source, std::byte* target) {
  const std::int64_t n = args.columns;
  if (args.source_dtype == args.target_dtype) {
    std::memcpy(target, source, static_cast<std::size_t>(n * SizeOf(args.source_dtype)));
    return;
  }
  auto* wide = reinterpret_cast<float*>(target);
  if (args.source_dtype == DType::kBf16) return WidenRow<Bf16>(source, n, wide);
  if (args.source_dtype == DType::kF16) return WidenRow<F16>(source, n, wide);
  const auto* from = reinterpret_cast<const float*>(source);
  if (args.target_dtype == DType::kBf16) return NarrowRow<ToBf16>(from, n, target);
  NarrowRow<ToF16>(from, n, target);
}

void ConvertImpl(const ConvertArgs& args, const Worker& worker) {
  const auto* source = static_cast<const std::byte*>(args.source);
  auto* target = static_cast<std::byte*>(args.target);
  const std::int64_t source_bytes = args.source_stride * SizeOf(args.source_dtype);
  const std::int64_t target_bytes = args.target_stride * SizeOf(args.target_dtype);
  const WorkRange range = worker.Range(args.rows);
  for (std::int64_t row = range.begin; row < range.end; ++row) {
    ConvertRow(args, source + row * source_bytes, target + row * target_bytes);
  }
}

// One element type to another, transposing a block that stays in the L1 cache.
template <typename From, typename To, typename Cast>
void TransposeBlocks(const ConvertArgs& args, const Worker& worker, const Cast& cast) {
  constexpr std::int64_t kBlock = 32;
  const auto* source = static_cast<const From*>(args.source);
  auto* target = static_cast<To*>(args.target);
  const WorkRange range = worker.Range(args.columns, kBlock);
  for (std::int64_t c0 = range.begin; c0 < range.end; c0 += kBlock) {
    const std::int64_t c1 = std::min(c0 + kBlock, range.end);
    for (std::int64_t r0 = 0; r0 < args.rows; r0 += kBlock) {
      const std::int64_t r1 = std::min(r0 + kBlock, args.rows);
      for (std::int64_t c = c0; c < c1; ++c) {
        for (std::int64_t r = r0; r < r1; ++r) {
          target[c * args.target_stride + r] = cast(source[r * args.source_stride + c]);
        }
      }
    }
  }
}

struct CopyCast {
  template <typename T>
  T operator()(T x) const {
    return x;
  }
};
struct FromBf16Cast {
  float operator()(std::uint16_t x) const { return F32FromBf16(x); }
};
struct FromF16Cast {
  float operator()(std::uint16_t x) const { return F32FromF16(x); }
};
struct ToBf16Cast {
  std::uint16_t operator()(float x) const { return Bf16FromF32(x); }
};
struct ToF16Cast {
  std::uint16_t operator()(float x) const { return F16FromF32(x); }
};

void TransposeConvertImpl(const ConvertArgs& args, const Worker& worker) {
  using U16 = std::uint16_t;
  if (args.source_dtype == args.target_dtype) {
    if (SizeOf(args.source_dtype) == 2) {
      return TransposeBlocks<U16, U16>(args, worker, CopyCast());
    }
    return TransposeBlocks<float, float>(args, worker, CopyCast());
  }
  if (args.source_dtype == DType::kBf16) {
    return TransposeBlocks<U16, float>(args, worker, FromBf16Cast());
  }
  if (args.source_dtype == DType::kF16) {
    return TransposeBlocks<U16, float>(args, worker, FromF16Cast());
  }
  if (args.target_dtype == DType::kBf16) {
    return TransposeBlocks<float, U16>(args, worker, ToBf16Cast());
  }
  TransposeBlocks<float, U16>(args, worker, ToF16Cast());
}

}  // namespace
}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::cpu {

ATTUNE_DISPATCH_KERNEL(Convert, ConvertArgs);
ATTUNE_DISPATCH_KERNEL(TransposeConvert, ConvertArgs);

}  // namespace attune::cpu
#endif  // HWY_ONCE
