// Cuts a region where the predicted time of all parts together is least: dynamic
// programming over the positions of its nodes, which are in topological order.

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "ane/compiler/compile.h"
#include "ane/compiler/parts.h"
#include "ane/compiler/passes.h"
#include "ane/compiler/work.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

constexpr double kUnreachable = std::numeric_limits<double>::infinity();

// What a program of the nodes [first, next) would be, one node longer each time.
class GrowingPart {
 public:
  GrowingPart(const Region& region, std::span<const SurfaceSpec> surfaces, const Order& order,
              ElementType element)
      : region_(region),
        surfaces_(surfaces),
        order_(order),
        element_(element),
        seen_tensors_(region.tensors.size(), 0),
        seen_weights_(region.weights.size(), 0),
        seen_surfaces_(surfaces.size(), 0) {}

  void Start(std::size_t first) {
    ++stamp_;
    first_ = first;
    work_ = Work();
    weights_ = inputs_ = outputs_ = 0;
    output_bytes_ = live_bytes_ = 0;
  }

  void Add(std::size_t position) {
    const OrderedNode& step = order_.nodes[position];
    for (const std::int32_t i : step.nodes) {
      work_ += WorkOfNode(region_, region_.nodes[static_cast<std::size_t>(i)], element_);
    }
    for (const WeightId weight : step.weights) AddWeight(weight);
    for (const SurfaceId surface : step.surfaces) AddInput(&seen_surfaces_, surface, Spec(surface));
    double reading = 0;
    for (const TensorId id : step.reads) {
      const Lifetime& lifetime = order_.lifetimes[static_cast<std::size_t>(id)];
      if (lifetime.defined < first_) {
        reading += Bytes(id);
        AddInput(&seen_tensors_, id, Bytes(id));
      } else if (lifetime.last_read == position) {
        reading += Bytes(id);
        live_bytes_ -= Bytes(id);
        if (lifetime.is_output) continue;
        --outputs_;
        output_bytes_ -= Bytes(id);
      }
    }
    const Lifetime& result = order_.lifetimes[static_cast<std::size_t>(step.result)];
    if (result.is_output || result.last_read > position) {
      ++outputs_;
      output_bytes_ += Bytes(step.result);
    }
    if (result.last_read > position) live_bytes_ += Bytes(step.result);
    // What is read later lives, and what is read and written now.
    const double now = reading + (result.last_read > position ? 0 : Bytes(step.result));
    work_.largest_live_bytes = std::max(work_.largest_live_bytes, live_bytes_ + now);
  }

  Work work() const {
    Work work = work_;
    work.surface_bytes += output_bytes_;
    return work;
  }
  std::int64_t weights() const { return weights_; }
  std::int64_t ops() const { return work_.ops; }
  std::int64_t surfaces() const { return inputs_ + outputs_; }
  double blob_bytes() const { return work_.weight_bytes; }

 private:
  double Bytes(TensorId id) const {
    return static_cast<double>(Elements(region_.tensor(id).dims) * SizeOf(element_));
  }
  double Spec(SurfaceId id) const {
    const SurfaceSpec& spec = surfaces_[static_cast<std::size_t>(id)];
    return static_cast<double>(spec.channels * spec.width * SizeOf(element_));
  }

  void AddWeight(WeightId id) {
    int& seen = seen_weights_[static_cast<std::size_t>(id)];
    if (std::exchange(seen, stamp_) == stamp_) return;
    const Weight& weight = region_.weights[static_cast<std::size_t>(id)];
    weights_ += TensorsOf(weight);
    work_.weight_bytes += static_cast<double>(BytesOf(weight, element_));
  }

  void AddInput(std::vector<int>* seen, std::int32_t id, double bytes) {
    if (std::exchange((*seen)[static_cast<std::size_t>(id)], stamp_) == stamp_) return;
    ++inputs_;
    work_.surface_bytes += bytes;
  }

  const Region& region_;
  std::span<const SurfaceSpec> surfaces_;
  const Order& order_;
  ElementType element_;
  // The part that counted them last: no clearing between parts.
  std::vector<int> seen_tensors_, seen_weights_, seen_surfaces_;
  int stamp_ = 0;
  std::size_t first_ = 0;
  Work work_;
  std::int64_t weights_ = 0, inputs_ = 0, outputs_ = 0;
  double output_bytes_ = 0, live_bytes_ = 0;
};

// The limit that a part is beyond and that no longer part can meet again.
std::optional<std::string> Beyond(const GrowingPart& part, const CompilerOptions& options) {
  if (part.weights() > options.max_weights) {
    return StrCat(part.weights(), " weight tensors, limit ", options.max_weights);
  }
  if (part.ops() > options.max_ops) {
    return StrCat(part.ops(), " operations, limit ", options.max_ops);
  }
  if (part.blob_bytes() > static_cast<double>(options.max_blob_bytes)) {
    return StrCat(static_cast<std::int64_t>(part.blob_bytes()), " bytes of weights, limit ",
                  options.max_blob_bytes);
  }
  return std::nullopt;
}

class Cutter {
 public:
  Cutter(const Region& region, std::span<const SurfaceSpec> surfaces, const Order& order,
         const CompilerOptions& options)
      : region_(region),
        order_(order),
        options_(options),
        chip_(CostOf(options.target.chip)),
        part_(region, surfaces, order, options.element),
        best_(order.nodes.size() + 1, kUnreachable),
        from_(order.nodes.size() + 1, 0) {}

  // The first positions of the parts, and the end.
  Result<std::vector<std::size_t>> Cuts() {
    const std::size_t end = order_.nodes.size();
    best_[0] = 0;
    for (std::size_t first = 0; first < end; ++first) {
      if (best_[first] != kUnreachable) Extend(first);
    }
    if (best_[end] == kUnreachable) return Stuck();
    std::vector<std::size_t> cuts;
    for (std::size_t at = end; at != 0; at = from_[at]) cuts.push_back(at);
    cuts.push_back(0);
    std::ranges::reverse(cuts);
    return cuts;
  }

 private:
  void Extend(std::size_t first) {
    part_.Start(first);
    for (std::size_t next = first + 1; next <= order_.nodes.size(); ++next) {
      part_.Add(next - 1);
      if (const auto beyond = Beyond(part_, options_)) {
        if (next > stuck_at_) {
          stuck_at_ = next;
          stuck_because_ = *beyond;
        }
        return;
      }
      if (!order_.may_cut[next]) continue;
      if (part_.surfaces() > options_.max_surfaces) {
        if (next > stuck_at_) {
          stuck_at_ = next;
          stuck_because_ =
              StrCat(part_.surfaces(), " inputs and outputs, limit ", options_.max_surfaces);
        }
        continue;
      }
      const double seconds = best_[first] + SecondsOf(part_.work());
      if (seconds < best_[next]) {
        best_[next] = seconds;
        from_[next] = first;
      }
    }
  }

  // Where the model sees no difference: fewer programs, and less that crosses.
  double SecondsOf(const Work& work) const {
    constexpr double kProgram = 1e-9, kByte = 1e-12;
    return PredictEvaluation(chip_, work).seconds + kProgram + kByte * work.surface_bytes;
  }

  Status Stuck() const {
    const OrderedNode& step = order_.nodes[stuck_at_ - 1];
    const IrNode& node = region_.nodes[static_cast<std::size_t>(step.nodes.back())];
    return ResourceExhausted(StrCat("region ", region_.name, ": no program can end before ",
                                    PrimName(node.prim), " of ", node.label,
                                    " and none with it: ", stuck_because_));
  }

  const Region& region_;
  const Order& order_;
  const CompilerOptions& options_;
  const ChipCost& chip_;
  GrowingPart part_;
  std::vector<double> best_;
  std::vector<std::size_t> from_;
  std::size_t stuck_at_ = 0;  // The furthest position that a limit kept from being reached.
  std::string stuck_because_;
};

}  // namespace

Result<std::vector<Region>> Partition(const Region& region, const CompilerOptions& options,
                                      std::vector<SurfaceSpec>* surfaces) {
  Region live = region;
  RemoveDeadCode(&live);
  ATTUNE_RETURN_IF_ERROR(CheckExtents(live));
  const Order order = OrderOf(live);
  ATTUNE_ASSIGN_OR_RETURN(const std::vector<std::size_t> cuts,
                          Cutter(live, *surfaces, order, options).Cuts());
  return Cut(live, order, cuts, surfaces);
}

}  // namespace attune::ane
