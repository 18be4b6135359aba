#include "ane/compiler/work.h"

#include <algorithm>
#include <set>
#include <vector>

#include "ane/compiler/compile.h"
#include "ane/compiler/weight_data.h"

namespace attune::ane {
namespace {

double Size(const Region& region, TensorId id) {
  return static_cast<double>(Elements(region.tensor(id).dims));
}

double ReductionDepth(const Region& region, const IrNode& node) {
  const Dims& x = region.tensor(node.inputs[0]).dims;
  if (node.prim == Prim::kConv) return static_cast<double>(x[1]);
  return static_cast<double>(x[node.transpose_x ? 2 : 3]);
}

// The most that lives between two nodes: operands and results until they are last read.
// Outputs are written as they are computed. A reshape is another look at the same bytes.
double LargestLive(const Region& region, std::int64_t bytes_each) {
  const std::size_t end = region.nodes.size();
  std::vector<TensorId> stored(region.tensors.size());
  for (std::size_t i = 0; i < stored.size(); ++i) stored[i] = static_cast<TensorId>(i);
  const auto index = [](TensorId id) { return static_cast<std::size_t>(id); };
  std::vector<std::size_t> last(region.tensors.size(), 0);
  for (std::size_t i = 0; i < end; ++i) {
    const IrNode& node = region.nodes[i];
    if (node.prim == Prim::kReshape) stored[index(node.output)] = stored[index(node.inputs[0])];
    for (const TensorId input : node.inputs) last[index(stored[index(input)])] = i;
  }

  std::vector<bool> alive(region.tensors.size(), false);
  double live = 0, most = 0;
  const auto enter = [&](TensorId id) {
    const Origin origin = region.tensor(id).origin;
    if (alive[index(id)] || origin == Origin::kWeight || origin == Origin::kScalar) return;
    alive[index(id)] = true;
    live += Size(region, id) * static_cast<double>(bytes_each);
  };
  for (std::size_t i = 0; i < end; ++i) {
    const IrNode& node = region.nodes[i];
    for (const TensorId input : node.inputs) enter(stored[index(input)]);
    enter(stored[index(node.output)]);
    most = std::max(most, live);
    const auto leave = [&](TensorId id) {
      if (!alive[index(id)] || last[index(id)] > i) return;
      alive[index(id)] = false;
      live -= Size(region, id) * static_cast<double>(bytes_each);
    };
    for (const TensorId input : node.inputs) leave(stored[index(input)]);
    leave(stored[index(node.output)]);
  }
  return most;
}

}  // namespace

std::int64_t BytesOf(const Weight& weight, ElementType element) {
  const std::int64_t elements = Elements(weight.dims), rows = RowsOf(weight);
  switch (weight.storage) {
    case WeightStorage::kInt8:
      return elements + rows * SizeOf(element);
    case WeightStorage::kPalette4:
      return (elements + 1) / 2 + rows * kPaletteColours * SizeOf(element);
    case WeightStorage::kElement:
      break;
  }
  return elements * SizeOf(element);
}

Work WorkOfNode(const Region& region, const IrNode& node, ElementType element) {
  Work work;
  work.ops = 1;
  if (node.prim == Prim::kReshape) return work;
  const double result = Size(region, node.output);
  if (node.prim == Prim::kConv || node.prim == Prim::kMatMul) {
    work.matrix_flops = 2 * result * ReductionDepth(region, node);
    if (node.prim == Prim::kMatMul) work.product_flops = work.matrix_flops;
  } else if (node.prim == Prim::kReduceSum || node.prim == Prim::kReduceMax) {
    work.elementwise_flops = Size(region, node.inputs[0]);
  } else {
    // A softmax finds the largest, subtracts, exponentiates, sums and divides.
    work.elementwise_flops = node.prim == Prim::kSoftmax ? 5 * result : result;
  }
  double moved = result;
  for (const TensorId input : node.inputs) {
    if (region.tensor(input).origin == Origin::kComputed) moved += Size(region, input);
  }
  work.internal_bytes = moved * static_cast<double>(SizeOf(element));
  return work;
}

Work WorkOf(const Region& region, std::span<const SurfaceSpec> surfaces, ElementType element) {
  Work work;
  std::set<SurfaceId> touched;
  std::set<WeightId> baked;
  const auto leaf = [&](TensorId id) {
    const IrTensor& tensor = region.tensor(id);
    if (tensor.origin == Origin::kSurface) touched.insert(tensor.surface);
    if (tensor.origin == Origin::kWeight) baked.insert(tensor.weight);
  };
  for (const IrNode& node : region.nodes) {
    work += WorkOfNode(region, node, element);
    for (const TensorId input : node.inputs) leaf(input);
  }
  for (const RegionOutput& output : region.outputs) {
    leaf(output.tensor);
    touched.insert(output.surface);
  }
  for (const SurfaceId surface : touched) {
    const SurfaceSpec& spec = surfaces[static_cast<std::size_t>(surface)];
    work.surface_bytes += static_cast<double>(spec.channels * spec.width * SizeOf(element));
  }
  for (const WeightId weight : baked) {
    work.weight_bytes +=
        static_cast<double>(BytesOf(region.weights[static_cast<std::size_t>(weight)], element));
  }
  work.largest_live_bytes = LargestLive(region, SizeOf(element));
  return work;
}

}  // namespace attune::ane
