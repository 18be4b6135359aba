#include "ane/simulator/ops/product.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/checked_math.h"
#include "base/strings.h"

namespace attune::ane {

MacRules MacRulesOf(const Numerics& numerics) {
  return {.half = numerics.half,
          .round_products = numerics.round_products,
          .round_tiles = numerics.round_tiles,
          .smallest_product = numerics.smallest_product,
          .saturation = numerics.saturation,
          .saturated = numerics.saturated};
}

namespace {

constexpr std::int64_t kElementBytes = sizeof(float);

using PackFunction = void (*)(const Strided&, std::int64_t, std::int64_t, std::int64_t,
                              std::int64_t, float*);

// One side, ready to run.
struct Packing {
  PackFunction pack = nullptr;
  std::int64_t extent = 0, k = 0;  // m or n, and k.
  std::int64_t panels = 0;
  std::int64_t size = 0;  // Packed elements of one matrix.
  std::vector<std::int64_t> offsets;
  Strided shape;
  Place source;
  bool done = false;       // Packed beforehand, at `source`.
  std::int64_t begin = 0;  // In scratch.

  std::int64_t elements() const { return size * static_cast<std::int64_t>(offsets.size()); }

  const float* At(const Lane& lane, std::int64_t matrix) const {
    return (done ? lane.At(source) : lane.scratch + begin) + matrix * size;
  }

  // The share of one worker.
  void Run(const float* from, float* to, const WorkRange& range) const {
    for (std::int64_t at = range.begin; at < range.end;) {
      const std::int64_t matrix = at / panels;
      const std::int64_t panel = at % panels;
      const std::int64_t count = std::min(panels - panel, range.end - at);
      Strided strided = shape;
      strided.data = from + offsets[static_cast<std::size_t>(matrix)];
      pack(strided, extent, k, panel, panel + count, to + matrix * size);
      at += count;
    }
  }

  std::int64_t all() const { return panels * static_cast<std::int64_t>(offsets.size()); }
};

Result<Packing> Prepare(Call& call, const ProductSide& side, Packing packing) {
  packing.offsets = side.offsets;
  packing.shape = {nullptr, side.row_stride, side.column_stride};
  if (side.value.constant == nullptr) {
    packing.source = call.At(side.value);
    return packing;
  }
  ATTUNE_RETURN_IF_ERROR(call.ReserveBytes(packing.elements() * kElementBytes));
  AlignedFloats packed(packing.elements());
  packing.Run(side.value.constant->numbers.data(), packed.data(), {0, packing.all()});
  packing.source = call.builder().AddPacked(std::move(packed));
  packing.done = true;
  return packing;
}

// Everything that one run needs.
struct PreparedProduct {
  Packing left, right;
  std::vector<ProductPair> pairs;
  ProductArgs args;  // Of all pairs alike.
  Place result;

  void Run(const Lane& lane) const {
    for (const Packing* packing : {&left, &right}) {
      if (packing->done) continue;
      packing->Run(lane.At(packing->source), lane.scratch + packing->begin,
                   lane.Range(packing->all()));
    }
    if (!left.done || !right.done) lane.Barrier();
    const std::int64_t tiles = left.panels * right.panels;
    const WorkRange range = lane.Range(tiles * static_cast<std::int64_t>(pairs.size()));
    for (std::int64_t at = range.begin; at < range.end;) {
      const ProductPair& pair = pairs[static_cast<std::size_t>(at / tiles)];
      const std::int64_t tile = at % tiles;
      const std::int64_t count = std::min(tiles - tile, range.end - at);
      ProductArgs product = args;
      product.left = left.At(lane, pair.left);
      product.right = right.At(lane, pair.right);
      product.c = lane.At(result) + pair.result;
      MultiplyTiles(product, tile, tile + count);
      at += count;
    }
  }
};

}  // namespace

Status ReserveLists(Call& call, std::int64_t pairs, std::int64_t matrices) {
  // A pair is in the caller's plan and in the step, with the two numbers it is made of;
  // an offset in what it is made of, in the side and in the step.
  constexpr std::int64_t kPair = 2 * sizeof(ProductPair) + 2 * sizeof(std::int64_t);
  constexpr std::int64_t kMatrix = 3 * sizeof(std::int64_t);
  const std::optional<std::int64_t> a = CheckedMul(pairs, kPair);
  const std::optional<std::int64_t> b = CheckedMul(matrices, kMatrix);
  const std::optional<std::int64_t> bytes = a && b ? CheckedAdd(*a, *b) : std::nullopt;
  if (!bytes) return call.Fail(StrCat("a batch of ", pairs, " products"));
  return call.ReserveBytes(*bytes);
}

Status EmitProduct(Call& call, const ProductPlan& plan, const ProductSide& left,
                   const ProductSide& right, const Value& z) {
  PreparedProduct product;
  Packing packing;
  packing.pack = PackLeft;
  packing.extent = plan.m;
  packing.k = plan.k;
  packing.panels = LeftPanels(plan.m);
  packing.size = PackedLeft(plan.m, plan.k);
  ATTUNE_ASSIGN_OR_RETURN(product.left, Prepare(call, left, packing));
  packing.pack = PackRight;
  packing.extent = plan.n;
  packing.panels = RightPanels(plan.n);
  packing.size = PackedRight(plan.n, plan.k);
  ATTUNE_ASSIGN_OR_RETURN(product.right, Prepare(call, right, packing));
  Effect effect;
  std::int64_t scratch = 0;
  effect.writes = {z};
  effect.matrix_flops = 2.0 * static_cast<double>(plan.m) * static_cast<double>(plan.n) *
                        static_cast<double>(plan.k) * static_cast<double>(plan.pairs.size());
  for (const auto& [side, prepared] :
       {std::pair(&left, &product.left), std::pair(&right, &product.right)}) {
    if (prepared->done) continue;
    effect.reads.push_back(side->value);
    prepared->begin = scratch;
    scratch += prepared->elements();
  }
  ATTUNE_RETURN_IF_ERROR(call.ReserveScratch(scratch));
  product.pairs = plan.pairs;
  product.args.m = plan.m;
  product.args.n = plan.n;
  product.args.k = plan.k;
  product.args.c_stride = plan.result_stride;
  product.args.rules = MacRulesOf(call.numerics());
  product.result = z.place;
  call.Emit(effect, [product = std::move(product)](const Lane& lane) { product.Run(lane); });
  return OkStatus();
}

}  // namespace attune::ane
