// What only moves columns: channels here.

#include <vector>

#include "ane/compiler/lowering/rules.h"
#include "base/check.h"

namespace attune::ane {
namespace {

TensorId Pad(RegionBuilder& b, TensorId x, const SliceAttrs& attrs) {
  const std::int64_t width = b.dim(x, 3), behind = attrs.full - attrs.begin - attrs.size;
  std::vector<TensorId> pieces;
  if (attrs.begin > 0) pieces.push_back(b.Zeros({1, attrs.begin, 1, width}));
  pieces.push_back(x);
  if (behind > 0) pieces.push_back(b.Zeros({1, behind, 1, width}));
  return b.Concat(std::move(pieces), 1);
}

void LowerSplit(Lowering& in, const Node& node) {
  const TensorId x = in.ReadExact(node.inputs[0]);
  const std::int64_t part = in.matrix(node.outputs[0]).columns;
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    const TensorId piece = in.builder().Slice(x, 1, static_cast<std::int64_t>(i) * part, part);
    in.Write(node.outputs[i], piece, in.clean(node.inputs[0]));
  }
}

void LowerConcat(Lowering& in, const Node& node) {
  std::vector<TensorId> pieces;
  bool clean = true;
  for (const ValueId input : node.inputs) {
    pieces.push_back(in.ReadExact(input));
    clean = clean && in.clean(input);
  }
  in.Write(node.outputs[0], in.builder().Concat(std::move(pieces), 1), clean);
}

}  // namespace

void LowerLayout(Lowering& in, const Node& node) {
  const ValueId x = node.inputs[0];
  switch (node.op) {
    case OpKind::kReshape:
      return in.Write(node.outputs[0], in.ReadExact(x), in.clean(x));
    case OpKind::kSlice: {
      const auto& attrs = node.attrs<SliceAttrs>();
      return in.Write(node.outputs[0],
                      in.builder().Slice(in.ReadExact(x), 1, attrs.begin, attrs.size), in.clean(x));
    }
    case OpKind::kPad:
      return in.Write(node.outputs[0], Pad(in.builder(), in.ReadExact(x), node.attrs<SliceAttrs>()),
                      in.clean(x));
    case OpKind::kSplit:
      return LowerSplit(in, node);
    case OpKind::kConcat:
      return LowerConcat(in, node);
    default:
      ATTUNE_CHECK(false && "not an op that moves columns");
  }
}

}  // namespace attune::ane
