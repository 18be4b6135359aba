#include "ane/compiler/lowering/placement.h"

#include <algorithm>

#include "ane/compiler/lowering/lowering.h"
#include "ane/cost/cost.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

// Elements of a row, on every chip (docs/ane-constraints.md).
constexpr std::int64_t kMaxWidth = 16384;
// Output channels of one product; above, a linear is a vocabulary's.
constexpr std::int64_t kMaxProductChannels = 16384;

class Placer {
 public:
  Placer(const Graph& graph, const CompilerOptions& options, const std::vector<std::int64_t>& folds)
      : graph_(graph),
        options_(options),
        folds_(folds),
        producers_(graph.Producers()),
        statistics_(FindStatistics(graph)),
        read_(graph.values().size(), 0) {
    for (const Node& node : graph.nodes()) {
      for (const ValueId id : node.inputs) ++read_[static_cast<std::size_t>(id)];
    }
    for (const NamedValue& output : graph.outputs())
      ++read_[static_cast<std::size_t>(output.value)];
  }

  Place Of(const Node& node) const {
    if (IsHead(node.op)) return Head(node);
    std::string reason = WhyNot(node);
    if (reason.empty()) reason = Misfit(node);
    if (!reason.empty()) return {Where::kHost, std::move(reason)};
    return {Where::kDevice, ""};
  }

 private:
  static bool IsHead(OpKind op) {
    return op == OpKind::kLinearCrossEntropy || op == OpKind::kLinearCrossEntropyGrad ||
           op == OpKind::kLinearCrossEntropyJoint;
  }
  const Node* ProducerOf(ValueId id) const {
    const std::int32_t at = producers_[static_cast<std::size_t>(id)];
    return at < 0 ? nullptr : &graph_.nodes()[static_cast<std::size_t>(at)];
  }
  bool Known(ValueId id) const {
    const Value& value = graph_.value(id);
    return value.leaf == Leaf::kConstant || (value.leaf == Leaf::kParameter && !value.trainable);
  }

  // Empty where the op can run on the device.
  std::string WhyNot(const Node& node) const {
    switch (node.op) {
      case OpKind::kLinear:
        return Linear(node);
      case OpKind::kMatMul:
      case OpKind::kAdd:
      case OpKind::kMul:
      case OpKind::kScale:
      case OpKind::kUnary:
      case OpKind::kUnaryGrad:
      case OpKind::kSwiGlu:
      case OpKind::kSwiGluGrad:
      case OpKind::kSlice:
      case OpKind::kPad:
      case OpKind::kSplit:
      case OpKind::kConcat:
      case OpKind::kReduceSum:
      case OpKind::kRope:
      case OpKind::kDropout:
        return "";
      case OpKind::kRmsNorm:
      case OpKind::kLayerNorm:
      case OpKind::kRmsNormGrad:
      case OpKind::kLayerNormGrad:
      case OpKind::kRmsNormWeightGrad:
      case OpKind::kLayerNormWeightGrad:
        return Norm(node);
      case OpKind::kAttention:
      case OpKind::kAttentionGrad:
        return Attention(node);
      case OpKind::kReshape:
        return Reshape(node);
      case OpKind::kEmbedding:
        return "gather";
      case OpKind::kEmbeddingGrad:
        return "scatter";
      default:
        return "no such primitive";
    }
  }

  std::string Linear(const Node& node) const {
    const std::int64_t out = graph_.shape(node.outputs[0]).back();
    if (out <= kMaxProductChannels) return "";
    return StrCat(out, " output channels, at most ", kMaxProductChannels);
  }

  std::string Norm(const Node& node) const {
    if (node.attrs<NormAttrs>().epsilon <= 0) return "a norm without epsilon";
    if (node.op == OpKind::kRmsNorm || node.op == OpKind::kLayerNorm) return "";
    // The statistics are computed again, so they must be those of this norm.
    const bool rms = node.op == OpKind::kRmsNormGrad || node.op == OpKind::kRmsNormWeightGrad;
    const Node* norm = ProducerOf(node.inputs[node.inputs.size() - 2]);
    const OpKind wanted = rms ? OpKind::kRmsNorm : OpKind::kLayerNorm;
    const bool same = norm != nullptr && norm->op == wanted && norm->inputs[0] == node.inputs[0] &&
                      norm->attributes == node.attributes;
    return same ? "" : "statistics of another norm";
  }

  std::string Attention(const Node& node) const {
    for (std::size_t i = 1; i < 3; ++i) {
      const Node* producer = ProducerOf(node.inputs[i]);
      if (producer != nullptr && producer->op == OpKind::kCacheAppend) return "over a cache";
    }
    const std::int64_t queries = graph_.shape(node.inputs[0])[0];
    const std::int64_t keys = graph_.shape(node.inputs[1])[0];
    if (queries == keys) return "";
    return StrCat(queries, " queries over ", keys, " keys");
  }

  std::string Reshape(const Node& node) const {
    const auto folded = [&](ValueId id) { return folds_[static_cast<std::size_t>(id)] > 1; };
    if (folded(node.inputs[0]) || folded(node.outputs[0])) return "";
    const Shape &from = graph_.shape(node.inputs[0]), &to = graph_.shape(node.outputs[0]);
    const bool rows = from.rank() <= 2 && to.rank() <= 2 && from.rank() > 0 && to.rank() > 0 &&
                      from.rows() == to.rows() && from.back() == to.back();
    return rows ? "" : "mixes rows";
  }

  // Types and extents that surfaces do not have.
  std::string Misfit(const Node& node) const {
    const Reads reads = ReadsOf(node);
    for (const ValueId id : reads.surfaces) {
      const bool weight = node.op == OpKind::kLinear && id == node.inputs[1] && Known(id);
      if (std::string reason = MisfitOf(id, weight); !reason.empty()) return reason;
      if (statistics_[static_cast<std::size_t>(id)]) return "reads a statistic";
    }
    for (const ValueId id : node.outputs) {
      if (std::string reason = MisfitOf(id, false); !reason.empty()) return reason;
    }
    return "";
  }

  std::string MisfitOf(ValueId id, bool weight) const {
    const ValueType& type = graph_.value(id).type;
    if (type.shape.rank() < 1 || type.shape.rank() > 2 || type.shape.elements() == 0) {
      return StrCat("shape ", type.shape.ToString());
    }
    if (weight) return "";
    if (type.dtype != DType::kF32) return StrCat(DTypeName(type.dtype), " operand");
    const std::int64_t heads = folds_[static_cast<std::size_t>(id)];
    const std::int64_t columns = type.shape.back() * heads;
    const std::int64_t width = PadWidth(type.shape.rows() / heads);
    if (columns > kMaxChannels || width > kMaxWidth) {
      return StrCat(columns, " channels by ", width, ", at most ", kMaxChannels, " by ", kMaxWidth);
    }
    return "";
  }

  Place Head(const Node& node) const {
    if (options_.head == HeadPlacement::kHost) return {Where::kHost, "head: as asked"};
    if (node.op == OpKind::kLinearCrossEntropyGrad) return {Where::kHost, "head without its loss"};
    const bool joint = node.op == OpKind::kLinearCrossEntropyJoint;
    if (joint && node.attrs<CrossEntropyAttrs>().weight_gradient) {
      return {Where::kHost, "head: gradient of its weight"};
    }
    if (!Known(node.inputs[1])) return {Where::kHost, "head: trainable weight"};
    if (read_[static_cast<std::size_t>(node.outputs[1])] != 0) {
      return {Where::kHost, "head: its statistics are read"};
    }
    if (const std::string reason = MisfitOf(node.inputs[0], false); !reason.empty()) {
      return {Where::kHost, reason};
    }
    if (options_.head == HeadPlacement::kDevice) return {Where::kHead, "head: as asked"};
    return ByCost(node);
  }

  // The weight is baked twice where there is a gradient, once for each direction. The
  // evaluation's floor is paid anyway.
  Place ByCost(const Node& node) const {
    const ChipCost& chip = CostOf(options_.target.chip);
    const Shape &x = graph_.shape(node.inputs[0]), &weight = graph_.shape(node.inputs[1]);
    const NodeCost cost = CostOfNode(graph_, node);
    const auto rows = static_cast<double>(PadWidth(x[0]));
    const auto columns = static_cast<double>(x[1]), vocabulary = static_cast<double>(weight[0]);
    constexpr double kElementwiseOps = 6;  // Maximum, difference, exp, product, and sums.
    const auto element = static_cast<double>(SizeOf(options_.element));
    Work work;
    work.matrix_flops = cost.flops;
    work.elementwise_flops = kElementwiseOps * rows * vocabulary;
    const bool gradient = node.op == OpKind::kLinearCrossEntropyJoint;
    work.weight_bytes = (gradient ? 2 : 1) * vocabulary * columns * element;
    work.surface_bytes = 3 * rows * columns * element;
    work.internal_bytes = kElementwiseOps * rows * vocabulary * element;
    const double here = PredictEvaluation(chip, work).seconds - chip.floor_seconds;
    const double host = PredictHost(chip, cost.flops, cost.bytes);
    const std::string reason =
        StrCat("head: ", here * 1e3, " ms on the device, ", host * 1e3, " ms on the host");
    return {here < host ? Where::kHead : Where::kHost, reason};
  }

  const Graph& graph_;
  const CompilerOptions& options_;
  const std::vector<std::int64_t>& folds_;
  const std::vector<std::int32_t> producers_;
  const std::vector<bool> statistics_;
  std::vector<std::int32_t> read_;
};

double Count(const Graph& graph, ValueId id) {
  return static_cast<double>(graph.shape(id).elements());
}

// Of a product of each element of `x` with `columns` others, 2 a multiplication.
double Flops(const Graph& graph, ValueId x, std::int64_t columns) {
  return 2.0 * Count(graph, x) * static_cast<double>(columns);
}

}  // namespace

std::vector<Place> PlaceNodes(const Graph& graph, const CompilerOptions& options,
                              const std::vector<std::int64_t>& folds) {
  const Placer placer(graph, options, folds);
  std::vector<Place> places;
  for (const Node& node : graph.nodes()) places.push_back(placer.Of(node));
  return places;
}

Reads ReadsOf(const Node& node) {
  const auto& in = node.inputs;
  switch (node.op) {
    case OpKind::kRmsNormGrad:
      return {{in[0], in[1], in[3]}, {}};
    case OpKind::kLayerNormGrad:
      return {{in[0], in[1], in[4]}, {}};
    case OpKind::kRmsNormWeightGrad:
      return {{in[0], in[2]}, {}};
    case OpKind::kLayerNormWeightGrad:
      return {{in[0], in[3]}, {}};
    case OpKind::kRope:
      return {{in[0]}, {in[1], in[2]}};
    case OpKind::kDropout:
      return {{in[0]}, {in[1]}};
    case OpKind::kAttention:
      return {{in[0], in[1], in[2]}, {in.begin() + 3, in.end()}};
    case OpKind::kAttentionGrad:
      return {{in[0], in[1], in[2], in[3], in[5]}, {in.begin() + 6, in.end()}};
    case OpKind::kLinearCrossEntropy:
    case OpKind::kLinearCrossEntropyJoint:
      return {{in[0]}, {in.begin() + 1, in.end()}};
    default:
      return {in, {}};
  }
}

NodeCost CostOfNode(const Graph& graph, const Node& node) {
  const auto bytes = [&](ValueId id) { return static_cast<double>(graph.value(id).type.bytes()); };
  const auto& in = node.inputs;
  switch (node.op) {
    case OpKind::kLinear:
      return {Flops(graph, in[0], graph.shape(node.outputs[0])[1]), bytes(in[1])};
    case OpKind::kMatMul:
      return {Flops(graph, in[0], graph.shape(node.outputs[0])[1]), 0};
    case OpKind::kAttention:
      return {2 * Flops(graph, in[0], graph.shape(in[1])[0]), 0};
    case OpKind::kAttentionGrad:
      return {5 * Flops(graph, in[0], graph.shape(in[1])[0]), 0};
    case OpKind::kLinearCrossEntropy:
      return {Flops(graph, in[0], graph.shape(in[1])[0]), bytes(in[1])};
    case OpKind::kLinearCrossEntropyGrad:
    case OpKind::kLinearCrossEntropyJoint: {
      const double passes = node.attrs<CrossEntropyAttrs>().weight_gradient ? 3 : 2;
      return {passes * Flops(graph, in[0], graph.shape(in[1])[0]), 2 * bytes(in[1])};
    }
    case OpKind::kEmbedding:
      return {0, bytes(node.outputs[0])};
    default:
      return {Count(graph, node.outputs[0]), 0};
  }
}

}  // namespace attune::ane
