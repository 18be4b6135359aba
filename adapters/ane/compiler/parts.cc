#include "ane/compiler/parts.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "ane/compiler/passes.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

constexpr std::int64_t kMaxExtents[] = {65536, 65536, 16384, 16384};

std::size_t Index(std::int32_t id) { return static_cast<std::size_t>(id); }

// As [1, channels, 1, width] with every channel's numbers together.
SurfaceSpec SpecFor(const Dims& dims) { return {"", dims[0] * dims[1] * dims[2], dims[3]}; }

bool MayBeSurface(const Dims& dims) {
  const SurfaceSpec spec = SpecFor(dims);
  return spec.width % kWidthUnit == 0 && spec.channels <= kMaxExtents[1];
}

class Orderer {
 public:
  explicit Orderer(const Region& region) : region_(region), derived_(region.tensors.size(), -1) {
    order_.lifetimes.resize(region.tensors.size());
  }

  Order Run() {
    for (std::size_t i = 0; i < region_.nodes.size(); ++i) {
      if (IsDerived(region_.nodes[i])) {
        derived_[Index(region_.nodes[i].output)] = static_cast<std::int32_t>(i);
      } else {
        AddStep(static_cast<std::int32_t>(i));
      }
    }
    for (const RegionOutput& output : region_.outputs) {
      order_.lifetimes[Index(output.tensor)].is_output = true;
    }
    FindCuts();
    return std::move(order_);
  }

 private:
  bool IsLeaf(TensorId id) const {
    return region_.tensor(id).origin != Origin::kComputed || derived_[Index(id)] >= 0;
  }

  // Another look at a single surface, as cheap to take again as to keep.
  bool IsDerived(const IrNode& node) const {
    switch (node.prim) {
      case Prim::kReshape:
      case Prim::kSlice:
      case Prim::kTranspose:
      case Prim::kIdentity:
        return IsLeaf(node.inputs[0]);
      default:
        break;
    }
    const auto scalar = [this](TensorId id) {
      return region_.tensor(id).origin == Origin::kScalar;
    };
    return node.prim == Prim::kMul && IsLeaf(node.inputs[0]) && scalar(node.inputs[1]);
  }

  void AddStep(std::int32_t node) {
    OrderedNode step;
    step.result = region_.nodes[Index(node)].output;
    Include(node, &step);
    const std::size_t position = order_.nodes.size();
    order_.lifetimes[Index(step.result)].defined = position;
    for (const TensorId id : step.reads) order_.lifetimes[Index(id)].last_read = position;
    order_.nodes.push_back(std::move(step));
  }

  // The node, after the derived ones it reads through.
  void Include(std::int32_t node, OrderedNode* step) {
    if (std::ranges::find(step->nodes, node) != step->nodes.end()) return;
    for (const TensorId input : region_.nodes[Index(node)].inputs) {
      const IrTensor& tensor = region_.tensor(input);
      if (tensor.origin == Origin::kSurface) AddOnce(tensor.surface, &step->surfaces);
      if (tensor.origin == Origin::kWeight) AddOnce(tensor.weight, &step->weights);
      if (tensor.origin != Origin::kComputed) continue;
      if (derived_[Index(input)] >= 0) {
        Include(derived_[Index(input)], step);
      } else {
        AddOnce(input, &step->reads);
      }
    }
    step->nodes.push_back(node);
  }

  static void AddOnce(std::int32_t id, std::vector<std::int32_t>* ids) {
    if (std::ranges::find(*ids, id) == ids->end()) ids->push_back(id);
  }

  void FindCuts() {
    const std::size_t end = order_.nodes.size();
    // How many values that cannot be surfaces begin, minus how many end, to cross.
    std::vector<int> change(end + 2, 0);
    for (std::size_t i = 0; i < order_.lifetimes.size(); ++i) {
      const Lifetime& lifetime = order_.lifetimes[i];
      if (lifetime.defined == kNever || lifetime.last_read <= lifetime.defined) continue;
      if (MayBeSurface(region_.tensors[i].dims)) continue;
      ++change[lifetime.defined + 1];
      --change[lifetime.last_read + 1];
    }
    int crossing = 0;
    for (std::size_t i = 0; i <= end; ++i) {
      crossing += change[i];
      order_.may_cut.push_back(crossing == 0);
    }
  }

  const Region& region_;
  std::vector<std::int32_t> derived_;  // By tensor: the node that derives it, or -1.
  Order order_;
};

// Copies parts of a region into regions of their own.
class Parts {
 public:
  Parts(const Region& region, const Order& order, std::vector<SurfaceSpec>* surfaces)
      : region_(region), order_(order), surfaces_(surfaces) {
    for (const RegionOutput& output : region.outputs) {
      surface_of_.try_emplace(output.tensor, output.surface);
    }
    for (const SurfaceSpec& spec : *surfaces) names_.insert(spec.name);
  }

  Region Make(std::size_t first, std::size_t next) {
    Region part = region_;  // Shares what weights refer to.
    part.nodes.clear();
    part.outputs.clear();
    std::set<std::int32_t> included;
    for (std::size_t position = first; position < next; ++position) {
      for (const std::int32_t node : order_.nodes[position].nodes) {
        if (included.insert(node).second) part.nodes.push_back(region_.nodes[Index(node)]);
      }
      for (const TensorId id : order_.nodes[position].reads) {
        if (order_.lifetimes[Index(id)].defined < first) ReadSurface(id, &part);
      }
      WriteSurfaces(order_.nodes[position].result, next, &part);
    }
    if (next == order_.nodes.size()) WriteLeaves(&part);
    return part;
  }

 private:
  void ReadSurface(TensorId id, Region* part) {
    IrTensor& tensor = part->tensors[Index(id)];
    tensor.origin = Origin::kSurface;
    tensor.surface = SurfaceOf(id);
  }

  void WriteSurfaces(TensorId result, std::size_t next, Region* part) {
    const Lifetime& lifetime = order_.lifetimes[Index(result)];
    for (const RegionOutput& output : region_.outputs) {
      if (lifetime.is_output && output.tensor == result) part->outputs.push_back(output);
    }
    if (!lifetime.is_output && lifetime.last_read >= next &&
        lifetime.last_read > lifetime.defined) {
      part->outputs.push_back({result, SurfaceOf(result)});
    }
  }

  // Outputs that no step computes: surfaces handed on as they are, or looks at them.
  void WriteLeaves(Region* part) {
    for (const RegionOutput& output : region_.outputs) {
      if (order_.lifetimes[Index(output.tensor)].defined != kNever) continue;
      part->outputs.push_back(output);
      Derive(output.tensor, part);
    }
  }

  void Derive(TensorId id, Region* part) {
    const auto computes = [id](const IrNode& node) { return node.output == id; };
    if (std::ranges::any_of(part->nodes, computes)) return;
    const auto node = std::ranges::find_if(region_.nodes, computes);
    if (node == region_.nodes.end()) return;
    for (const TensorId input : node->inputs) Derive(input, part);
    part->nodes.push_back(*node);
  }

  SurfaceId SurfaceOf(TensorId id) {
    const auto [at, fresh] = surface_of_.try_emplace(id, static_cast<SurfaceId>(surfaces_->size()));
    if (!fresh) return at->second;
    SurfaceSpec spec = SpecFor(region_.tensor(id).dims);
    spec.name = StrCat(region_.name, ": ", region_.tensor(id).name);
    while (!names_.insert(spec.name).second) spec.name += "'";
    surfaces_->push_back(std::move(spec));
    return at->second;
  }

  const Region& region_;
  const Order& order_;
  std::vector<SurfaceSpec>* surfaces_;
  std::map<TensorId, SurfaceId> surface_of_;
  std::set<std::string> names_;
};

}  // namespace

Order OrderOf(const Region& region) { return Orderer(region).Run(); }

Status CheckExtents(const Region& region) {
  for (const IrTensor& tensor : region.tensors) {
    for (std::size_t axis = 0; axis < 4; ++axis) {
      if (tensor.dims[axis] > kMaxExtents[axis]) {
        return Unsupported(StrCat("region ", region.name, ": ", tensor.name, " has ",
                                  tensor.dims[axis], " on axis ", axis, ", limit ",
                                  kMaxExtents[axis]));
      }
    }
  }
  return OkStatus();
}

std::vector<Region> Cut(const Region& region, const Order& order, std::span<const std::size_t> cuts,
                        std::vector<SurfaceSpec>* surfaces) {
  if (cuts.size() < 2) return {region};  // Nothing is computed.
  Parts parts(region, order, surfaces);
  std::vector<Region> out;
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
    Region part = parts.Make(cuts[i], cuts[i + 1]);
    if (cuts.size() > 2) part.name = StrCat(region.name, " ", i + 1);
    RemoveDeadCode(&part);
    out.push_back(std::move(part));
  }
  return out;
}

}  // namespace attune::ane
