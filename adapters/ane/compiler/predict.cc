#include "ane/compiler/predict.h"

#include <type_traits>

namespace attune::ane {
namespace {

double BytesOf(const Graph& graph, const std::vector<ValueId>& values) {
  double bytes = 0;
  for (const ValueId id : values) {
    if (id != kNoValue) bytes += static_cast<double>(graph.value(id).type.bytes());
  }
  return bytes;
}

double Elements(const Graph& graph, ValueId id) {
  return static_cast<double>(graph.shape(id).elements());
}

// Rows of a table that are read or written, not the table.
bool GathersRows(OpKind op) { return op == OpKind::kEmbedding || op == OpKind::kCacheAppend; }

// Multiplications of x [N, C] with W [V, C], so many times.
double HeadFlops(const Graph& graph, const Node& node, double times) {
  const double columns = static_cast<double>(graph.shape(node.inputs[1])[0]);
  return 2 * Elements(graph, node.inputs[0]) * columns * times;
}

double MatrixFlops(const Graph& graph, const Node& node) {
  switch (node.op) {
    case OpKind::kLinear: {
      const auto& attrs = node.attrs<LinearAttrs>();
      const Shape& weight = graph.shape(node.inputs[1]);
      return 2 * Elements(graph, node.outputs[0]) *
             static_cast<double>(weight[attrs.transposed ? 0 : 1]);
    }
    case OpKind::kMatMul: {
      const auto& attrs = node.attrs<MatMulAttrs>();
      const Shape& a = graph.shape(node.inputs[0]);
      return 2 * Elements(graph, node.outputs[0]) *
             static_cast<double>(a[attrs.transpose_a ? 0 : 1]);
    }
    case OpKind::kAttention:
    case OpKind::kAttentionGrad: {
      const auto& attrs = node.attrs<AttentionAttrs>();
      const double keys = static_cast<double>(graph.shape(node.inputs[1])[0] / attrs.batch);
      const double products = node.op == OpKind::kAttention ? 2 : 5;
      return 2 * Elements(graph, node.inputs[0]) * keys * products;
    }
    case OpKind::kLinearCrossEntropy:
      return HeadFlops(graph, node, 1);
    case OpKind::kLinearCrossEntropyGrad:
    case OpKind::kLinearCrossEntropyJoint:
      return HeadFlops(graph, node, 2 + (node.outputs.size() > 3 ? 1 : 0));
    default:
      return 0;
  }
}

double SurfaceBytes(const Plan& plan, SurfaceId id) {
  const SurfaceSpec& spec = plan.surfaces[static_cast<std::size_t>(id)];
  return 2.0 * static_cast<double>(spec.channels * spec.width);
}

// What the host writes into surfaces by itself, and the tail of the loss, which reads
// two and writes one.
struct HostBytes {
  const Plan& plan;
  double operator()(const MakeMask& step) const { return SurfaceBytes(plan, step.surface); }
  double operator()(const MakeRotation& step) const { return 2 * SurfaceBytes(plan, step.cosine); }
  double operator()(const MakeDropoutMask& step) const { return SurfaceBytes(plan, step.surface); }
  double operator()(const LossTail& step) const {
    return (step.expected == kNone ? 1 : 3) * SurfaceBytes(plan, step.x);
  }
  template <typename Other>
  double operator()(const Other&) const {
    return 0;
  }
};

}  // namespace

HostWork HostWorkOf(const Graph& graph) {
  HostWork work;
  for (const Node& node : graph.nodes()) {
    work.flops += MatrixFlops(graph, node);
    if (GathersRows(node.op)) {
      const ValueId rows = node.op == OpKind::kEmbedding ? node.outputs[0] : node.inputs[1];
      work.bytes += 2 * static_cast<double>(graph.value(rows).type.bytes());
      continue;
    }
    if (node.op == OpKind::kReshape) continue;
    work.bytes += BytesOf(graph, node.inputs) + BytesOf(graph, node.outputs);
  }
  return work;
}

PlanCost PredictPlan(const Plan& plan, Chip chip) {
  const ChipCost& constants = CostOf(chip);
  PlanCost cost;
  for (const PlanProgram& program : plan.programs) {
    cost.programs.push_back(PredictEvaluation(constants, program.work));
    cost.compile_seconds += PredictCompile(constants, program.work);
    cost.load_seconds += constants.load_seconds;
  }
  for (const Step& step : plan.steps) {
    if (const auto* run = std::get_if<RunPrograms>(&step)) {
      for (std::int32_t i = run->first; i < run->first + run->count; ++i) {
        const Prediction& one = cost.programs[static_cast<std::size_t>(i)];
        cost.device_seconds += one.seconds;
        cost.device_joules += one.joules;
        ++cost.evaluations;
      }
    } else if (const auto* host = std::get_if<RunHost>(&step)) {
      const HostWork work = HostWorkOf(host->graph);
      cost.host_seconds += PredictHost(constants, work.flops, work.bytes);
    } else {
      cost.host_seconds += PredictHost(constants, 0, std::visit(HostBytes{plan}, step));
    }
  }
  // An element is 4 bytes on the host and 2 on the device.
  const double moved = 1.5 * static_cast<double>(plan.uploads + plan.downloads);
  cost.transfer_seconds = PredictHost(constants, 0, moved);
  return cost;
}

}  // namespace attune::ane
