#include "cpu/kernels/embedding.h"

#include "cpu/kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/kernels/embedding.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h: it re-includes this file.
#include "cpu/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {
namespace {

template <typename E>
void Gather(const EmbeddingArgs& args, const Worker& worker) {
  const auto* table = static_cast<const typename E::Type*>(args.table);
  const WorkRange range = worker.Range(args.tokens);
  for (std::int64_t t = range.begin; t < range.end; ++t) {
    const typename E::Type* row = table + args.ids[t] * args.dim;
    float* y = args.y + t * args.dim;
    std::int64_t c = 0;
    for (; c + kLanes <= args.dim; c += kLanes) Store(E::Load(row + c), y + c);
    if (c < args.dim) StoreN(LoadElementsN<E>(row + c, args.dim - c), y + c, args.dim - c);
  }
}

void EmbeddingForwardImpl(const EmbeddingArgs& args, const Worker& worker) {
  switch (args.dtype) {
    case DType::kBf16:
      return Gather<Bf16>(args, worker);
    case DType::kF16:
      return Gather<F16>(args, worker);
    default:
      return Gather<F32>(args, worker);
  }
}

struct PlusOp {
  HWY_INLINE V operator()(V x, V y) const { return hn::Add(x, y); }
};

void EmbeddingBackwardImpl(const EmbeddingBackwardArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.dim, 16);
  for (std::int64_t t = 0; t < args.tokens; ++t) {
    float* row = args.dtable + args.ids[t] * args.dim;
    const float* in = row;
    Map(range.begin, range.end, row, PlusOp(), in, args.dy + t * args.dim);
  }
}

}  // namespace
}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::cpu {

ATTUNE_DISPATCH_KERNEL(EmbeddingForward, EmbeddingArgs);
ATTUNE_DISPATCH_KERNEL(EmbeddingBackward, EmbeddingBackwardArgs);

}  // namespace attune::cpu
#endif  // HWY_ONCE
