// Lower(): from a graph to the steps of a hybrid run.

#include <map>
#include <set>
#include <utility>

#include "ane/compiler/compile.h"
#include "ane/compiler/lowering/folds.h"
#include "ane/compiler/lowering/host_graph.h"
#include "ane/compiler/lowering/lowering.h"
#include "ane/compiler/lowering/placement.h"
#include "ane/compiler/lowering/rules.h"
#include "ane/compiler/lowering/schedule.h"
#include "base/check.h"
#include "base/strings.h"
#include "graph/passes/passes.h"

namespace attune::ane {
namespace {

constexpr std::string_view kLoss = "loss";

// The values that are read outside the device segment that computes them.
std::vector<bool> FindWanted(const Graph& graph, const std::vector<Segment>& segments) {
  std::vector<std::int32_t> home(graph.values().size(), -1);
  std::vector<bool> wanted(graph.values().size(), false);
  const auto want = [&](ValueId id) { wanted[static_cast<std::size_t>(id)] = true; };
  for (std::size_t s = 0; s < segments.size(); ++s) {
    for (const Item& item : segments[s].items) {
      const Node& node = graph.nodes()[static_cast<std::size_t>(item.node)];
      if (!segments[s].device) {
        for (const ValueId id : node.inputs) want(id);
        continue;
      }
      const Reads reads = ReadsOf(node);
      for (const ValueId id : reads.host) want(id);
      for (const ValueId id : reads.surfaces) {
        if (home[static_cast<std::size_t>(id)] != static_cast<std::int32_t>(s)) want(id);
      }
      for (const ValueId id : node.outputs) {
        home[static_cast<std::size_t>(id)] = static_cast<std::int32_t>(s);
      }
    }
  }
  for (const NamedValue& output : graph.outputs()) want(output.value);
  return wanted;
}

// Attention whose gradient is in another region, where its probabilities are small
// enough to keep: to read them takes a third of what computing them again does, at any
// length. Not where surfaces are to be few.
std::set<ValueId> FindProbabilities(const Graph& graph, const std::vector<Segment>& segments,
                                    const CompilerOptions& options) {
  constexpr std::int64_t kMaxBytes = std::int64_t{8} << 20;
  std::set<ValueId> kept;
  if (options.max_surface_bytes > 0) return kept;
  for (const Segment& segment : segments) {
    std::set<ValueId> here;
    for (const Item& item : segment.items) {
      if (!segment.device) break;
      const Node& node = graph.nodes()[static_cast<std::size_t>(item.node)];
      if (node.op == OpKind::kAttention) here.insert(node.outputs[0]);
      if (node.op != OpKind::kAttentionGrad || here.contains(node.inputs[3])) continue;
      const std::int64_t width = PadWidth(graph.shape(node.inputs[0])[0]);
      const std::int64_t rows = node.attrs<AttentionAttrs>().heads * width;
      const bool small = rows * width * SizeOf(options.element) <= kMaxBytes;
      if (small && rows <= kMaxChannels) kept.insert(node.inputs[3]);
    }
  }
  return kept;
}

class PlanAuthor {
 public:
  PlanAuthor(Lowered* out, const FrozenParameters& frozen, const CompilerOptions& options,
             const std::vector<Segment>& segments, std::vector<std::int64_t> folds)
      : out_(*out),
        graph_(out->plan.graph),
        segments_(segments),
        lowering_(graph_, frozen, options,
                  {FindWanted(graph_, segments), std::move(folds),
                   FindProbabilities(graph_, segments, options)},
                  &out->plan),
        on_host_(graph_.values().size(), false) {
    for (std::size_t i = 0; i < on_host_.size(); ++i) {
      on_host_[i] = graph_.values()[i].leaf != Leaf::kNone;
    }
  }

  Status Run() {
    for (const Segment& segment : segments_) {
      if (segment.device) {
        WriteRegion(segment);
      } else {
        ATTUNE_RETURN_IF_ERROR(WriteHost(segment));
      }
    }
    for (const NamedValue& output : graph_.outputs()) BringToHost(output.value);
    return OkStatus();
  }

 private:
  Plan& plan() { return out_.plan; }
  const Node& NodeOf(const Item& item) const {
    return graph_.nodes()[static_cast<std::size_t>(item.node)];
  }
  double BytesOf(ValueId id) const { return static_cast<double>(graph_.value(id).type.bytes()); }

  void BringToHost(ValueId id) {
    if (on_host_[static_cast<std::size_t>(id)]) return;
    on_host_[static_cast<std::size_t>(id)] = true;
    plan().steps.push_back(Download{lowering_.surface(id), id});
    plan().downloads += graph_.value(id).type.bytes();
  }

  void WriteRegion(const Segment& segment) {
    Region region;
    region.name = StrCat(losses_ > 0 ? "backward " : "forward ", out_.regions.size());
    RegionBuilder builder(&region);
    lowering_.Begin(&builder);
    for (const Item& item : segment.items) {
      const Node& node = NodeOf(item);
      builder.set_label(LabelOf(graph_, node));
      const bool head =
          node.op == OpKind::kLinearCrossEntropy || node.op == OpKind::kLinearCrossEntropyJoint;
      if (head) {
        tails_.emplace(item.node, LowerHead(lowering_, node));
        continue;
      }
      for (const ValueId id : ReadsOf(node).host) BringToHost(id);
      LowerNode(lowering_, node);
    }
    for (Step& step : lowering_.End()) {
      if (const auto* upload = std::get_if<Upload>(&step); upload != nullptr && !upload->once) {
        plan().uploads += graph_.value(upload->value).type.bytes();
      }
      plan().steps.push_back(std::move(step));
    }
    plan().steps.push_back(RunPrograms{static_cast<std::int32_t>(out_.regions.size()), 1});
    out_.regions.push_back(std::move(region));
  }

  Status WriteHost(const Segment& segment) {
    std::vector<std::int32_t> nodes;
    for (const Item& item : segment.items) {
      if (!item.tail) {
        nodes.push_back(item.node);
        continue;
      }
      ATTUNE_RETURN_IF_ERROR(WriteHostNodes(std::exchange(nodes, {})));
      WriteTail(item);
    }
    return WriteHostNodes(std::move(nodes));
  }

  Status WriteHostNodes(const std::vector<std::int32_t>& nodes) {
    if (nodes.empty()) return OkStatus();
    ATTUNE_ASSIGN_OR_RETURN(RunHost step, MakeHostStep(graph_, nodes));
    for (const ValueId id : step.inputs) BringToHost(id);
    for (const std::int32_t index : nodes) {
      const Node& node = NodeOf({index});
      plan().host_flops += CostOfNode(graph_, node).flops;
      CountLoss(node);
      for (const ValueId id : node.outputs) on_host_[static_cast<std::size_t>(id)] = true;
    }
    plan().steps.push_back(std::move(step));
    return OkStatus();
  }

  void WriteTail(const Item& item) {
    for (const ValueId id : ReadsOf(NodeOf(item)).host) BringToHost(id);
    const LossTail& tail = tails_.at(item.node);
    const std::int64_t rows = graph_.value(NodeOf(item).inputs[0]).type.bytes();
    plan().downloads += tail.expected == kNone ? rows : 2 * rows;
    plan().uploads += tail.dx == kNone ? 0 : rows;
    plan().steps.push_back(tail);
    on_host_[static_cast<std::size_t>(tail.loss)] = true;
    CountLoss(NodeOf(item));
  }

  void CountLoss(const Node& node) {
    losses_ +=
        node.op == OpKind::kLinearCrossEntropy || node.op == OpKind::kLinearCrossEntropyJoint;
  }

  Lowered& out_;
  const Graph& graph_;
  const std::vector<Segment>& segments_;
  Lowering lowering_;
  std::vector<bool> on_host_;
  std::map<std::int32_t, LossTail> tails_;
  int losses_ = 0;  // So far.
};

std::vector<Placement> Report(const Graph& graph, const std::vector<Place>& places) {
  std::vector<Placement> report;
  for (std::size_t i = 0; i < places.size(); ++i) {
    report.push_back(
        {LabelOf(graph, graph.nodes()[i]), places[i].where != Where::kHost, places[i].reason});
  }
  return report;
}

// Heads as channels save host nodes, unless some node between is the host's anyway.
std::vector<Place> PlaceAll(const Graph& graph, const CompilerOptions& options,
                            std::vector<std::int64_t>* folds) {
  while (true) {
    std::vector<Place> places = PlaceNodes(graph, options, *folds);
    DissolveIslands(graph, options.smallest_island, &places);
    if (FoldsHold(graph, *folds, places)) return places;
    folds->assign(folds->size(), 1);
  }
}

void RecomputeTaps(const CompilerOptions& options, Plan* plan) {
  if (options.max_surface_bytes <= 0) return;
  // The pass counts f32; surfaces hold less.
  const std::int64_t budget =
      options.max_surface_bytes / SizeOf(options.element) * SizeOf(DType::kF32);
  const RecomputePlan recompute = Recompute(&plan->graph, kLoss, budget);
  plan->recomputed = recompute.values;
  plan->recompute_candidates = recompute.candidates;
}

}  // namespace

// Long because it is a table: a line or two for each op.
void LowerNode(Lowering& in, const Node& node) {
  switch (node.op) {
    case OpKind::kLinear:
      return LowerLinear(in, node);
    case OpKind::kMatMul:
      return LowerMatMul(in, node);
    case OpKind::kReduceSum:
      return LowerReduceSum(in, node);
    case OpKind::kAdd:
    case OpKind::kMul:
    case OpKind::kScale:
    case OpKind::kDropout:
      return LowerElementwise(in, node);
    case OpKind::kUnary:
      return LowerUnary(in, node);
    case OpKind::kUnaryGrad:
      return LowerUnaryGrad(in, node);
    case OpKind::kSwiGlu:
      return LowerSwiGlu(in, node);
    case OpKind::kSwiGluGrad:
      return LowerSwiGluGrad(in, node);
    case OpKind::kRmsNorm:
    case OpKind::kLayerNorm:
      return LowerNorm(in, node);
    case OpKind::kRmsNormGrad:
    case OpKind::kLayerNormGrad:
      return LowerNormGrad(in, node);
    case OpKind::kRmsNormWeightGrad:
    case OpKind::kLayerNormWeightGrad:
      return LowerNormWeightGrad(in, node);
    case OpKind::kRope:
      return LowerRope(in, node);
    case OpKind::kAttention:
      return LowerAttention(in, node);
    case OpKind::kAttentionGrad:
      return LowerAttentionGrad(in, node);
    case OpKind::kReshape:
    case OpKind::kSlice:
    case OpKind::kPad:
    case OpKind::kSplit:
    case OpKind::kConcat:
      return LowerLayout(in, node);
    default:
      ATTUNE_CHECK(false && "an op that stays on the host");
  }
}

Result<Lowered> Lower(const Graph& graph, const FrozenParameters& frozen,
                      const CompilerOptions& options) {
  ATTUNE_RETURN_IF_ERROR(CheckFrozen(graph, frozen));
  Lowered out;
  out.plan.graph = graph;
  RecomputeTaps(options, &out.plan);
  std::vector<std::int64_t> folds = FindFolds(out.plan.graph);
  std::vector<Place> places = PlaceAll(out.plan.graph, options, &folds);
  out.plan.placements = Report(out.plan.graph, places);
  const std::vector<Segment> segments = ScheduleNodes(out.plan.graph, places);
  ATTUNE_RETURN_IF_ERROR(PlanAuthor(&out, frozen, options, segments, std::move(folds)).Run());
  if (out.regions.empty()) {
    return Unsupported(StrCat("none of ", places.size(), " nodes can run on the device"));
  }
  return out;
}

}  // namespace attune::ane
